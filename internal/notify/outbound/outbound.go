// Package outbound sends one small request to an address that is a secret: knowing a webhook's or a
// watcher's URL is enough to use it. Nothing of the URL gets into an error, redirects are not followed,
// and only what may pass is tried again.
package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Sender sends requests. It may be used from many goroutines.
type Sender struct {
	// HTTP is copied for each request; nil is http.DefaultTransport.
	HTTP *http.Client
	// Timeout bounds one try; 0 is ten seconds.
	Timeout time.Duration
	// Budget bounds all tries and the pauses between them; 0 is thirty seconds. Beyond it the caller's own
	// repetition begins.
	Budget time.Duration
	// First is the first pause; 0 is half a second.
	First time.Duration
}

// Request is what is sent.
type Request struct {
	Method string
	// URL must be https, except to loopback addresses.
	URL secret.String
	// Suffix is appended to the URL's path.
	Suffix string
	Body   []byte
	// Header is made anew for each try; nil is none.
	Header func() (http.Header, error)
}

// ErrRefused says that the receiver answered and that repeating does not help.
var ErrRefused = errors.New("the receiver refused")

// Parse reads a URL that is a secret. Errors do not quote it.
func Parse(address secret.String) (*url.URL, error) {
	if address.Empty() {
		return nil, errors.New("the URL is empty")
	}
	u, err := url.Parse(address.Reveal())
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("the URL cannot be read: it must look like https://host/path")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	}
	return nil, errors.New("the URL is not https, which only loopback addresses may do without")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send sends until the receiver answers 2xx. It repeats after 429, 5xx and lost connections, honouring
// Retry-After, so that the receiver may see a request more than once.
func (s *Sender) Send(ctx context.Context, r Request) error {
	target, err := Parse(r.URL)
	if err != nil {
		return err
	}
	if r.Suffix != "" {
		target = target.JoinPath(r.Suffix)
	}
	pause := &pace{ExponentialBackOff: backoff.NewExponentialBackOff()}
	pause.InitialInterval = or(s.First, 500*time.Millisecond)
	var last error
	_, err = backoff.Retry(ctx, func() (struct{}, error) {
		var again bool
		again, pause.after, last = s.try(ctx, target.String(), r)
		if last != nil && (!again || ctx.Err() != nil) {
			return struct{}{}, backoff.Permanent(last)
		}
		return struct{}{}, last
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(or(s.Budget, 30*time.Second)))
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && last != nil && !errors.Is(err, last) {
		return fmt.Errorf("%w; before that: %w", err, last)
	}
	return err
}

func or(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

func (s *Sender) try(ctx context.Context, target string, r Request) (again bool, after time.Duration, err error) {
	timeout := or(s.Timeout, 10*time.Second)
	tryCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(tryCtx, r.Method, target, bytes.NewReader(r.Body))
	if err != nil {
		return false, 0, errors.New("the request cannot be made: look at the URL")
	}
	if r.Header != nil {
		if req.Header, err = r.Header(); err != nil {
			return false, 0, err
		}
	}
	req.Header.Set("User-Agent", "lifeboat")
	client := http.Client{}
	if s.HTTP != nil {
		client = *s.HTTP
	}
	// A redirect would carry the message to where nobody meant it to go.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return false, 0, context.Cause(ctx)
		}
		return true, 0, fmt.Errorf("the receiver could not be reached: %s", Reason(err, timeout))
	}
	defer res.Body.Close()
	// Read to the end, so that the connection can be used again; what it says is not shown.
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	switch {
	case res.StatusCode/100 == 2:
		return false, 0, nil
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500:
		return true, retryAfter(res.Header.Get("Retry-After"), time.Now()), fmt.Errorf("the receiver answered %d", res.StatusCode)
	case res.StatusCode/100 == 3:
		return false, 0, fmt.Errorf("%w: it answered %d, and redirects are not followed: configure the final URL", ErrRefused, res.StatusCode)
	}
	return false, 0, fmt.Errorf("%w: it answered %d: look at its URL and secrets", ErrRefused, res.StatusCode)
}

// Reason says why a request within timeout was not answered, without saying where: the text of network errors
// quotes hosts and URLs.
func Reason(err error, timeout time.Duration) string {
	var dns *net.DNSError
	var errno syscall.Errno
	var inURL *url.Error
	switch {
	case errors.As(err, &inURL) && inURL.Timeout():
		return fmt.Sprintf("no answer within %s", timeout)
	case errors.As(err, &dns):
		return "its host name cannot be resolved"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed without an answer"
	case certificate(err):
		return "its certificate is not to be trusted"
	}
	return "the connection failed"
}

// retryAfter reads the header's two forms; 0 when there is none.
func retryAfter(header string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.Atoi(strings.TrimSpace(header)); err == nil {
		wait = time.Duration(min(seconds, 3600)) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return max(0, min(wait, time.Hour))
}

// pace is an exponential pause that is never shorter than what the receiver asked for.
type pace struct {
	*backoff.ExponentialBackOff
	after time.Duration
}

// NextBackOff implements [backoff.BackOff].
func (p *pace) NextBackOff() time.Duration { return max(p.after, p.ExponentialBackOff.NextBackOff()) }
