package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Hand reaches a workspace that runs in another process, as the page does: it looks, presses buttons, writes into
// dialogs, and breaks things. For tests and demonstrations.
type Hand struct {
	// URL is where the stand-in is.
	URL string
}

// Look is what a person sees.
func (h Hand) Look(ctx context.Context, as string) (Seen, error) {
	var out struct{ Seen Seen }
	err := h.ask(ctx, http.MethodGet, "/page/state?as="+url.QueryEscape(as), nil, &out)
	return out.Seen, err
}

// Click presses a button.
func (h Hand) Click(ctx context.Context, as, channel, ts, action string) error {
	return h.do(ctx, "/page/click", map[string]any{"as": as, "channel": channel, "ts": ts, "action": action}, nil)
}

// Submit sends the person's open modal. Errors are by block.
func (h Hand) Submit(ctx context.Context, as, view string, values map[string]map[string]string) (errs map[string]string, err error) {
	err = h.do(ctx, "/page/submit", map[string]any{"as": as, "view": view, "values": values}, &errs)
	return errs, err
}

// Close closes the person's modal, if one is open.
func (h Hand) Close(ctx context.Context, as string) error {
	return h.do(ctx, "/page/close", map[string]any{"as": as}, nil)
}

// Modal waits for the person's modal to open.
func (h Hand) Modal(ctx context.Context, as string) (map[string]any, error) {
	for {
		seen, err := h.Look(ctx, as)
		if err != nil || seen.View != nil {
			return seen.View, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the dialog of %s: %w", as, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Break sets what goes wrong from now on; nothing mends all.
func (h Hand) Break(ctx context.Context, faults ...Fault) error {
	if faults == nil {
		faults = []Fault{}
	}
	return h.do(ctx, "/control/faults", faults, nil)
}

// Replay delivers the last envelope once more.
func (h Hand) Replay(ctx context.Context) error {
	return h.do(ctx, "/control/replay", struct{}{}, nil)
}

// Refresh asks the app to connect anew.
func (h Hand) Refresh(ctx context.Context) error {
	return h.do(ctx, "/control/refresh", struct{}{}, nil)
}

// Calls are the requests of the app so far, and how many connections it has now.
func (h Hand) Calls(ctx context.Context) (calls []Call, connections int, err error) {
	var out struct {
		Calls       []Call
		Connections int
	}
	err = h.ask(ctx, http.MethodGet, "/control/calls", nil, &out)
	return out.Calls, out.Connections, err
}

func (h Hand) do(ctx context.Context, path string, in, result any) error {
	var out struct {
		Problem string
		Result  json.RawMessage
	}
	if err := h.ask(ctx, http.MethodPost, path, in, &out); err != nil {
		return err
	}
	if out.Problem != "" {
		return errors.New(out.Problem)
	}
	if result == nil || len(out.Result) == 0 {
		return nil
	}
	return json.Unmarshal(out.Result, result)
}

func (h Hand) ask(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("ask the stand-in: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(h.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the stand-in: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("ask the stand-in: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the stand-in: it answered %s", res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("read the stand-in's answer: %w", err)
	}
	return nil
}
