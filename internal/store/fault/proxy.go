package fault

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// Match chooses requests; nil chooses all.
type Match func(*http.Request) bool

// Method chooses by HTTP method.
func Method(method string) Match { return func(r *http.Request) bool { return r.Method == method } }

// Behavior is what the proxy does with a request. Calling forward passes it on and returns the whole answer.
type Behavior func(w http.ResponseWriter, r *http.Request, forward func() (*http.Response, []byte, error))

// Proxy is an HTTP proxy before one server. Requests keep their Host, so signatures stay valid.
type Proxy struct {
	target *url.URL
	server *httptest.Server
	plain  http.Handler
	client http.RoundTripper
	end    context.CancelFunc // ends what hangs

	mu       sync.Mutex
	rules    []*proxyRule
	requests []*http.Request // without bodies
}

type proxyRule struct {
	match Match
	left  int
	do    Behavior
}

// NewProxy starts a proxy before the server at a URL. Close ends it.
func NewProxy(target string) (*Proxy, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("read the proxy's target: %w", err)
	}
	// Connections of its own, none of them reused: what a client sees is injected here and nowhere else.
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	p := &Proxy{target: u, client: transport}
	p.plain = &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.Out.Host = r.In.Host
		},
	}
	ctx, end := context.WithCancel(context.Background())
	p.end = end
	p.server = httptest.NewUnstartedServer(p)
	p.server.Config.BaseContext = func(net.Listener) context.Context { return ctx }
	p.server.Start()
	return p, nil
}

// URL is where clients go instead of the server.
func (p *Proxy) URL() string { return p.server.URL }

// Close ends the proxy and its connections.
func (p *Proxy) Close() {
	p.end()
	p.server.CloseClientConnections()
	p.server.Close()
}

// Inject applies a behavior to the next n requests that match.
func (p *Proxy) Inject(n int, match Match, do Behavior) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, &proxyRule{match, n, do})
}

// Heal takes back everything that was injected and forgets the requests.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules, p.requests = nil, nil
}

// Requests is how many requests came that match.
func (p *Proxy) Requests(match Match) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, r := range p.requests {
		if match == nil || match(r) {
			n++
		}
	}
	return n
}

// ServeHTTP handles a client's request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.requests = append(p.requests, r.Clone(context.Background()))
	var do Behavior
	for _, rule := range p.rules {
		if rule.left != 0 && (rule.match == nil || rule.match(r)) {
			if rule.left > 0 {
				rule.left--
			}
			do = rule.do
			break
		}
	}
	p.mu.Unlock()
	if do == nil {
		p.plain.ServeHTTP(w, r)
		return
	}
	do(w, r, func() (*http.Response, []byte, error) { return p.forward(r) })
}

func (p *Proxy) forward(r *http.Request) (*http.Response, []byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, nil, err
	}
	out := r.Clone(r.Context())
	out.RequestURI, out.URL.Scheme, out.URL.Host = "", p.target.Scheme, p.target.Host
	out.Body = io.NopCloser(bytes.NewReader(body))
	answer, err := p.client.RoundTrip(out)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	return answer, got, err
}

// Refuse answers with an S3 error.
func Refuse(status int, code string) Behavior {
	return func(w http.ResponseWriter, r *http.Request, _ func() (*http.Response, []byte, error)) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%v</Message></Error>", code, errInjected)
		}
	}
}

// Throttle is what S3 says to those who ask too fast.
func Throttle() Behavior { return Refuse(http.StatusServiceUnavailable, "SlowDown") }

// Full is what a server without room says.
func Full() Behavior { return Refuse(http.StatusInsufficientStorage, "InsufficientStorage") }

// Reset breaks the connection before the request gets to the server.
func Reset() Behavior {
	return func(w http.ResponseWriter, _ *http.Request, _ func() (*http.Response, []byte, error)) { reset(w) }
}

// Lose lets the server do what it is asked and breaks the connection instead of passing the answer on.
func Lose() Behavior {
	return func(w http.ResponseWriter, _ *http.Request, forward func() (*http.Response, []byte, error)) {
		_, _, _ = forward()
		reset(w)
	}
}

// Hang says nothing until the client gives up or d is over, then breaks the connection.
func Hang(d time.Duration) Behavior {
	return func(w http.ResponseWriter, r *http.Request, _ func() (*http.Response, []byte, error)) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-r.Context().Done():
		case <-timer.C:
		}
		reset(w)
	}
}

// Partial passes n bytes of the answer's body on and breaks the connection.
func Partial(n int) Behavior {
	return answered(func(w http.ResponseWriter, body []byte) {
		_, _ = w.Write(body[:min(n, len(body))])
		_ = http.NewResponseController(w).Flush()
		reset(w)
	})
}

// Stall passes half of the answer's body on and then nothing more, until the client gives up or d is over.
func Stall(d time.Duration) Behavior {
	return func(w http.ResponseWriter, r *http.Request, forward func() (*http.Response, []byte, error)) {
		answered(func(w http.ResponseWriter, body []byte) {
			_, _ = w.Write(body[:len(body)/2])
			_ = http.NewResponseController(w).Flush()
			Hang(d)(w, r, nil)
		})(w, r, forward)
	}
}

// Shorten leaves the last n bytes of the answer's body out, as if there were no more.
func Shorten(n int) Behavior {
	return func(w http.ResponseWriter, r *http.Request, forward func() (*http.Response, []byte, error)) {
		answer, body, err := forward()
		if err != nil {
			reset(w)
			return
		}
		maps.Copy(w.Header(), answer.Header)
		body = body[:max(0, len(body)-n)]
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(answer.StatusCode)
		_, _ = w.Write(body)
	}
}

// Slow passes the answer's body on in pieces with a pause before each.
func Slow(piece int, pause time.Duration) Behavior {
	return answered(func(w http.ResponseWriter, body []byte) {
		for len(body) > 0 {
			time.Sleep(pause)
			n := min(piece, len(body))
			if _, err := w.Write(body[:n]); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			body = body[n:]
		}
	})
}

// Flip changes a bit in the middle of the answer's body.
func Flip() Behavior {
	return answered(func(w http.ResponseWriter, body []byte) {
		if len(body) > 0 {
			body[len(body)/2] ^= 1
		}
		_, _ = w.Write(body)
	})
}

// answered forwards the request, passes the head of the answer on and leaves the body to send.
func answered(send func(http.ResponseWriter, []byte)) Behavior {
	return func(w http.ResponseWriter, _ *http.Request, forward func() (*http.Response, []byte, error)) {
		answer, body, err := forward()
		if err != nil {
			reset(w)
			return
		}
		maps.Copy(w.Header(), answer.Header)
		w.WriteHeader(answer.StatusCode)
		send(w, body)
	}
}

// reset ends the connection with an RST, as a crashed host or a dropped route does.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the next best: the server closes it
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
