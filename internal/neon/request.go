package neon

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	// maxBody is how much of an answer is read, in bytes: ten thousand branches are some megabytes.
	maxBody = 32 << 20
	// cappedTries is how often a call is made while Neon says that a quota is used up: the message is also
	// used for starts and resets in a row, which pass.
	cappedTries = 3
)

// call is one request and what may be done about its failing.
type call struct {
	op     string // "create branch"
	method string
	path   []string // below the base URL, unescaped
	query  url.Values
	body   any
	// single: repeating it after a lost answer would do it twice. Everything else is repeated.
	single bool
	// fresh: the object was made a moment ago, so a 404 may pass.
	fresh bool
}

// do makes a call, repeats it where that is safe and within the budget, and decodes the answer into out
// unless out is nil. It returns the status, so that 204 can be told from 200.
func (c *Client) do(ctx context.Context, in call, out any) (int, error) {
	var body []byte
	if in.body != nil {
		var err error
		if body, err = json.Marshal(in.body); err != nil {
			return 0, invalid(in.op, "the request cannot be encoded: %v", err)
		}
	}
	started := time.Now()
	pace := newPace(c.cfg.PollInterval)
	tries, refusals := 0, 0
	var last error
	attempt := func() (int, error) {
		tries++
		status, after, act, err := c.send(ctx, in, body, out)
		if err == nil {
			return status, nil
		}
		last, pace.after = err, after
		if act == capped {
			refusals++
		}
		switch {
		case ctx.Err() != nil:
		case act == again, act == look && !in.single, act == capped && refusals < cappedTries,
			act == missing && in.fresh && time.Since(started) < c.freshFor:
			return status, err
		}
		return status, backoff.Permanent(err)
	}
	status, err := backoff.Retry(ctx, attempt, backoff.WithBackOff(pace), backoff.WithMaxElapsedTime(c.cfg.RetryBudget),
		backoff.WithNotify(func(err error, wait time.Duration) {
			c.log.InfoContext(ctx, "repeating a call to neon", slog.String("op", in.op), slog.Int("tries", tries),
				slog.Duration("wait", wait), slog.String("error", err.Error()))
		}))
	if err == nil {
		return status, nil
	}
	var answered *Error
	if errors.As(err, &answered) {
		return status, err
	}
	// The context ended between two tries: say what stood in the way as well.
	if last != nil {
		return status, fmt.Errorf("%s: %w; before that: %w", in.op, err, last)
	}
	return status, fmt.Errorf("%s: %w", in.op, err)
}

// send makes one request. Besides the error it says what to do about it and when Neon wants to be asked
// again at the earliest.
func (c *Client) send(ctx context.Context, in call, body []byte, out any) (int, time.Duration, action, error) {
	key, err := c.cfg.Key()
	if err != nil {
		return 0, 0, final, &Error{Op: in.op, Kind: ErrDenied, Message: "the API key cannot be read", Err: err}
	}
	if key.Empty() || strings.ContainsFunc(key.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return 0, 0, final, &Error{Op: in.op, Kind: ErrDenied, Message: "the API key is empty or holds characters that no key has"}
	}
	reqCtx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	target := c.base.JoinPath(escape(in.path)...)
	target.RawQuery = in.query.Encode()
	req, err := http.NewRequestWithContext(reqCtx, in.method, target.String(), bytes.NewReader(body))
	if err != nil {
		return 0, 0, final, invalid(in.op, "the request cannot be made")
	}
	id := "lifeboat-" + strings.ToLower(rand.Text())
	req.Header.Set("Authorization", "Bearer "+key.Reveal())
	req.Header.Set("X-Request-ID", id)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "lifeboat")
	if in.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}

	res, err := c.http.Do(req)
	if err != nil {
		return c.unanswered(ctx, in, id, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return c.unanswered(ctx, in, id, err)
	}
	if res.StatusCode/100 == 2 {
		if out == nil || len(bytes.TrimSpace(text)) == 0 {
			return res.StatusCode, 0, final, nil
		}
		if err := json.Unmarshal(text, out); err != nil {
			// A proxy's page, or a cut answer: for a write it is an answer that was lost.
			return res.StatusCode, 0, look, &Error{Op: in.op, Kind: ErrUnavailable, Status: res.StatusCode, RequestID: id,
				Message: "the answer is not what Neon's API sends", Unknown: in.method != http.MethodGet}
		}
		return res.StatusCode, 0, final, nil
	}
	refusal := refused(in, res, text, id, key.Reveal())
	return res.StatusCode, retryAfter(res.Header.Get("Retry-After"), time.Now()), refusal.do, refusal.err
}

// unanswered sorts failures without an answer. What was never sent may be sent again; anything else may
// have been carried out.
func (c *Client) unanswered(ctx context.Context, in call, id string, err error) (int, time.Duration, action, error) {
	if ctx.Err() != nil {
		// The caller gave up; a write may still have happened.
		return 0, 0, final, &Error{Op: in.op, Kind: ErrUnavailable, RequestID: id, Err: context.Cause(ctx), Unknown: in.method != http.MethodGet}
	}
	// *url.Error quotes the whole URL; the operation says enough.
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s", c.cfg.RequestTimeout)
	}
	e := &Error{Op: in.op, Kind: ErrUnavailable, RequestID: id, Message: scrub(err.Error()),
		Hint: "check the network and the base URL of the API"}
	if neverSent(err) {
		e.RequestID = ""
		return 0, 0, again, e
	}
	e.Unknown = in.method != http.MethodGet
	return 0, 0, look, e
}

// neverSent says that the connection was not even opened.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

type refusal struct {
	do  action
	err *Error
}

func refused(in call, res *http.Response, text []byte, id, key string) refusal {
	var said struct {
		RequestID string `json:"request_id"`
		Code      string `json:"code"`
		Message   string `json:"message"`
	}
	if json.Unmarshal(text, &said) != nil {
		// Proxies answer in HTML; nothing in it helps.
		said.Message = http.StatusText(res.StatusCode)
		if said.Message == "" {
			said.Message = "no answer from behind Neon's proxy"
		}
	}
	if said.RequestID == "" {
		said.RequestID = id
	}
	a := classify(res.StatusCode, said.Code, said.Message)
	return refusal{a.do, &Error{
		Op: in.op, Kind: a.kind, Status: res.StatusCode, Code: scrub(said.Code, key), Message: scrub(said.Message, key),
		RequestID: scrub(said.RequestID, key), Hint: a.hint, Unknown: a.do == look && in.method != http.MethodGet,
	}}
}

func escape(path []string) []string {
	out := make([]string, len(path))
	for i, p := range path {
		out[i] = url.PathEscape(p)
	}
	return out
}

// retryAfter reads the header's two forms; 0 when there is none. More than an hour is taken as an hour:
// the budget is what decides then.
func retryAfter(header string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.Atoi(strings.TrimSpace(header)); err == nil {
		wait = time.Duration(min(seconds, 3600)) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return max(0, min(wait, time.Hour))
}

// pace is an exponential pause that is never shorter than what Neon asked for.
type pace struct {
	*backoff.ExponentialBackOff
	after time.Duration
}

func newPace(first time.Duration) *pace {
	exp := backoff.NewExponentialBackOff()
	exp.InitialInterval = first / 2
	exp.MaxInterval = 8 * first
	return &pace{ExponentialBackOff: exp}
}

// NextBackOff implements [backoff.BackOff].
func (p *pace) NextBackOff() time.Duration { return max(p.after, p.ExponentialBackOff.NextBackOff()) }
