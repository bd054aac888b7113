// Package endpoint calls HTTP services that the configuration names, and no others: whatever a path or a
// redirect says, the host stays the same. Neither addresses nor secrets appear in errors.
package endpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/notify/outbound"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

// Endpoint is one service.
type Endpoint struct {
	URL     secret.Ref
	Secrets map[string]secret.Ref
	Timeout time.Duration
}

var _ activities.Endpoint = (*Endpoint)(nil)

// Call implements [activities.Endpoint].
func (e *Endpoint) Call(ctx context.Context, r activities.Request) (activities.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	req, err := e.request(ctx, r)
	if err != nil {
		return activities.Response{}, err
	}
	client := http.Client{
		// A redirect could lead anywhere, with our headers.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return activities.Response{}, errors.New(outbound.Reason(err, e.Timeout))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return activities.Response{}, fmt.Errorf("read answer: %s", outbound.Reason(err, e.Timeout))
	}
	return activities.Response{Status: res.StatusCode, Body: body}, nil
}

func (e *Endpoint) request(ctx context.Context, r activities.Request) (*http.Request, error) {
	text, err := e.URL.Resolve()
	if err != nil {
		return nil, err
	}
	base, err := outbound.Parse(text)
	if err != nil {
		return nil, err
	}
	path, query, _ := strings.Cut(r.Path, "?")
	target := base.JoinPath(path)
	if target.Host != base.Host || target.Scheme != base.Scheme {
		return nil, errors.New("the path leads away from the endpoint")
	}
	values := base.Query()
	more, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("the path's query cannot be read")
	}
	for name, list := range more {
		values[name] = append(values[name], list...)
	}
	target.RawQuery = values.Encode()
	req, err := http.NewRequestWithContext(ctx, r.Method, target.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, errors.New("the request cannot be made: look at method and path")
	}
	if len(r.Body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Idempotency-Key", r.Key)
	for name, value := range r.Headers {
		req.Header.Set(name, value)
	}
	for name, which := range r.Secrets {
		ref, ok := e.Secrets[which]
		if !ok {
			return nil, fmt.Errorf("the configuration lends this endpoint no secret %q", which)
		}
		value, err := ref.Resolve()
		if err != nil {
			return nil, err
		}
		req.Header.Set(name, value.Reveal())
	}
	return req, nil
}
