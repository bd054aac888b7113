// Package webhook is a door that somebody else works: a program on the door's machine, a load balancer's
// operator, a platform's API behind a small adapter. Each verb is one request over HTTPS, signed in the Standard
// Webhooks scheme; its answer says in which state the door is then. An answer is not believed alone: the state
// is asked for a second time, and has to be the same.
//
// docs/door.md is the contract with those who write the other side. Passwords are never sent: the other side
// has its own credentials for each destination.
package webhook

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/notify/outbound"
	signing "github.com/lifeboat-dr/lifeboat/internal/notify/webhook"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/internal/traffic/identity"
)

// Config describes a door.
type Config struct {
	// Database is the name that applications connect to.
	Database string
	// URL must be https, except to loopback addresses. It is read for each request, as are the secrets.
	URL func() (secret.String, error)
	// Secrets sign each request, all of them; at least one.
	Secrets []func() (secret.String, error)
	// Timeout bounds one request, and comes on top of the time that a hold may drain; 0 is thirty seconds.
	Timeout time.Duration
}

// Door is a door that is worked by requests.
type Door struct {
	cfg Config
	now func() time.Time
}

var _ traffic.Door = (*Door)(nil)

// New makes a door. It reads and sends nothing.
func New(cfg Config) (*Door, error) {
	if cfg.Database == "" || cfg.URL == nil || len(cfg.Secrets) == 0 {
		return nil, errors.New("make door: it needs a database, a URL and at least one secret to sign with")
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 30 * time.Second
	}
	return &Door{cfg: cfg, now: time.Now}, nil
}

// State implements [traffic.Door].
func (d *Door) State(ctx context.Context) (traffic.Report, error) {
	return d.send(ctx, "look at the door", typeState, order{}, d.cfg.Timeout)
}

// Hold implements [traffic.Door].
func (d *Door) Hold(ctx context.Context, r traffic.HoldRequest) (traffic.Report, error) {
	const op = "hold door"
	if r.Drain <= 0 {
		return traffic.Report{}, traffic.Fail(op, traffic.ErrInvalid, "say how long transactions may take to end", "there is no time to drain")
	}
	o := order{By: r.By, Epoch: r.Epoch, DrainSeconds: r.Drain.Seconds(), Kill: r.Kill}
	return d.work(ctx, op, typeHold, o, d.cfg.Timeout+r.Drain, func(now traffic.Report) error { return isState(op, now, traffic.Held) })
}

// Move implements [traffic.Door]. What the address leads to is asked directly, and the other side has to have
// found the same system there.
func (d *Door) Move(ctx context.Context, r traffic.MoveRequest) (traffic.Report, error) {
	const op = "move door"
	to, err := traffic.ParseDestination(r.Address)
	if err != nil {
		return traffic.Report{}, err
	}
	beacon, err := identity.Light(ctx, r.Address)
	if err != nil {
		return traffic.Report{}, err
	}
	facts := beacon.Facts
	beacon.Close(ctx)
	if facts.InRecovery {
		return traffic.Report{}, traffic.Fail(op, traffic.ErrWrongServer, "promote it first, or name another one", "the destination is a standby: nobody could write to it")
	}
	o := order{By: r.By, Epoch: r.Epoch, To: &place{Host: to.Host, Port: to.Port, Database: to.Database, User: to.User}, System: facts.System}
	return d.work(ctx, op, typeMove, o, d.cfg.Timeout, func(now traffic.Report) error {
		switch {
		case now.State != traffic.Held && now.State != traffic.Closed:
			return isState(op, now, traffic.Held)
		case now.To == nil || !now.To.Same(to):
			return traffic.Fail(op, traffic.ErrWrongServer, "look at the other side's own log", "the door says that it leads elsewhere than it was asked to")
		case now.System != facts.System:
			return traffic.Fail(op, traffic.ErrWrongServer, "look at the names that the other side resolves, and at what stands between it and the server", "the door found another system than the address leads to")
		}
		return nil
	})
}

// Open implements [traffic.Door]. That a query goes through is for the other side to prove.
func (d *Door) Open(ctx context.Context, r traffic.OpenRequest) (traffic.Report, error) {
	const op = "open door"
	o := order{By: r.By, Epoch: r.Epoch, Back: r.Back}
	return d.work(ctx, op, typeOpen, o, d.cfg.Timeout, func(now traffic.Report) error { return isState(op, now, traffic.Open) })
}

// Close implements [traffic.Door]. That nobody gets in is for the other side to prove.
func (d *Door) Close(ctx context.Context, c traffic.Change) (traffic.Report, error) {
	const op = "close door"
	return d.work(ctx, op, typeClose, order{By: c.By, Epoch: c.Epoch}, d.cfg.Timeout, func(now traffic.Report) error { return isState(op, now, traffic.Closed) })
}

func isState(op string, now traffic.Report, want traffic.State) error {
	if now.State == want && now.Settled() {
		return nil
	}
	return traffic.Fail(op, traffic.ErrState, "look at the door and at the other side's own log, and repeat it", "the door is %s, recorded as %s, not %s", now.State, now.Recorded, want)
}

// work asks for a change, asks again what became of it, and believes only what both answers say.
func (d *Door) work(ctx context.Context, op, kind string, o order, timeout time.Duration, holds func(traffic.Report) error) (traffic.Report, error) {
	done, err := d.send(ctx, op, kind, o, timeout)
	if err != nil {
		return traffic.Report{}, err
	}
	if err := holds(done); err != nil {
		return traffic.Report{}, err
	}
	now, err := d.State(ctx)
	if err != nil {
		return traffic.Report{}, err
	}
	now.Cut = done.Cut
	return now, holds(now)
}

// send makes one request. What was asked for by the same step has the same id, so that the other side can tell
// a repetition; a look has an id of its own.
func (d *Door) send(ctx context.Context, op, kind string, o order, timeout time.Duration) (traffic.Report, error) {
	o.Database = d.cfg.Database
	at := d.now().UTC()
	body, err := json.Marshal(request{Type: kind, Timestamp: at, Data: o})
	if err != nil {
		return traffic.Report{}, fmt.Errorf("%s: encode request: %w", op, err)
	}
	id := kind + "/" + o.By
	if kind == typeState {
		id += rand.Text()
	}
	header, err := signing.Sign(d.cfg.Secrets, signing.MessageID(id), at, body)
	if err != nil {
		return traffic.Report{}, fmt.Errorf("%s: sign request: %w", op, err)
	}
	address, err := d.cfg.URL()
	if err != nil {
		return traffic.Report{}, fmt.Errorf("%s: read the door's URL: %w", op, err)
	}
	target, err := outbound.Parse(address)
	if err != nil {
		return traffic.Report{}, fmt.Errorf("%s: %w", op, err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return traffic.Report{}, fmt.Errorf("%s: the request cannot be made: look at the URL", op)
	}
	req.Header = header
	req.Header.Set("User-Agent", "lifeboat")
	// A redirect would carry the order to where nobody meant it to go.
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return traffic.Report{}, traffic.Fail(op, traffic.ErrUnavailable, "look whether the other side runs and can be reached from this worker", "the other side does not answer: %s", outbound.Reason(err, timeout))
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return traffic.Report{}, traffic.Fail(op, traffic.ErrUnavailable, "it is asked again", "the answer broke off: %s", outbound.Reason(err, timeout))
	}
	return d.read(op, res.StatusCode, text)
}
