package pgbouncer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/traffic"
)

// drainPoll is how often is looked whether transactions have ended.
const drainPoll = 100 * time.Millisecond

// Hold implements [traffic.Door].
func (d *Door) Hold(ctx context.Context, req traffic.HoldRequest) (traffic.Report, error) {
	const op = "hold door"
	if req.Drain <= 0 {
		return traffic.Report{}, traffic.Fail(op, traffic.ErrInvalid, "say how long transactions may take to end", "there is no time to drain")
	}
	s, err := d.begin(ctx, op)
	if err != nil {
		return traffic.Report{}, err
	}
	defer s.close()
	before, r, err := s.pause(ctx, req.Change)
	if err != nil {
		return traffic.Report{}, err
	}
	cut, err := s.drain(ctx, r, req)
	if err != nil {
		if errors.Is(err, traffic.ErrBusy) {
			err = errors.Join(err, s.letGo(ctx, before, r))
		}
		return traffic.Report{}, err
	}
	if err := s.settle(ctx, r); err != nil {
		return traffic.Report{}, err
	}
	report, err := s.report(ctx, r)
	report.Cut = cut
	return report, err
}

// pause records that the door is held, and tells PgBouncer. PAUSE answers only when everything has ended, so
// it is told on a connection of its own that nobody waits for.
func (s *session) pause(ctx context.Context, c traffic.Change) (before, r record, err error) {
	unlock, err := s.lock(ctx, s.op)
	if err != nil {
		return before, r, err
	}
	defer unlock()
	if before, err = s.change(s.op, c); err != nil {
		return before, r, err
	}
	now, err := s.look(ctx)
	switch {
	case err != nil:
		return before, r, err
	case now.whole:
		return before, r, errWhole(s.op)
	case before.State == traffic.Open && now.state == traffic.Open && !now.leads(before.To):
		return before, r, traffic.Fail(s.op, traffic.ErrState, "let PgBouncer's configuration lead where the door's file says, or the file where it leads", "the door leads elsewhere than recorded")
	}
	r = s.next(before, c, traffic.Held)
	if err := s.write(s.op, r, ""); err != nil {
		return before, r, err
	}
	if !now.there || now.entry["disabled"] == "1" {
		// It was closed: with the entry that leads nowhere it refuses nobody, and lets nobody through.
		if err := s.reload(ctx, func(now seen) bool { return now.there && now.entry["host"] == heldHost }, "the database is not there"); err != nil {
			return before, r, err
		}
		if now.entry["disabled"] == "1" {
			if _, err := s.ask(ctx, "ENABLE "+s.cfg.Database); err != nil {
				return before, r, err
			}
		}
	}
	return before, r, s.tellPause(ctx)
}

// errWhole says that somebody paused more than this door, which Lifeboat never does.
func errWhole(op string) error {
	return traffic.Fail(op, traffic.ErrState, "whoever paused it has to say RESUME on its console, without a database", "all of PgBouncer is paused or suspended by hand")
}

// tellPause returns when PgBouncer has taken note, not when all transactions have ended.
func (s *session) tellPause(ctx context.Context) error {
	second, err := s.begin(ctx, s.op)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	answered := make(chan error, 1)
	go func() {
		defer second.close()
		_, err := second.admin.ask(waiting, "PAUSE "+s.cfg.Database)
		answered <- err
	}()
	for {
		now, err := s.look(waiting)
		if err != nil {
			return err
		}
		if now.paused {
			return nil
		}
		select {
		case err := <-answered:
			if err != nil && strings.Contains(err.Error(), "already suspended/paused") {
				return errWhole(s.op) // a version that does not tell so before
			}
			if err != nil {
				return err
			}
		case <-waiting.Done():
			return traffic.Fail(s.op, traffic.ErrUnavailable, consoleHint, "PgBouncer does not pause the database")
		case <-time.After(drainPoll):
		}
	}
}

// drain waits until no connection to a server is left, and returns how many clients were cut off.
func (s *session) drain(ctx context.Context, r record, req traffic.HoldRequest) (cut int, err error) {
	end := time.NewTimer(req.Drain)
	defer end.Stop()
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for {
		servers, err := s.ask(ctx, "SHOW SERVERS")
		if err != nil {
			return cut, err
		}
		left := of(servers, "database", s.cfg.Database)
		if len(left) == 0 {
			return cut, nil
		}
		if err := s.stillOurs(r); err != nil {
			return cut, err
		}
		select {
		case <-ctx.Done():
			return cut, ctx.Err()
		case <-end.C:
			if !req.Kill {
				return cut, s.inTheWay(ctx, req.Drain, left)
			}
			if cut, err = s.kill(ctx); err != nil {
				return cut, err
			}
		case <-tick.C:
		}
	}
}

// stillOurs notices that another operation changed the door in the meantime.
func (s *session) stillOurs(r record) error {
	now, err := readRecord(s.cfg.File, s.cfg.Database)
	if err != nil {
		return err
	}
	if now.Serial != r.Serial {
		return traffic.Fail(s.op, traffic.ErrOvertaken, "look at the door: somebody made it "+string(now.State), "another operation changed the door in the meantime")
	}
	return nil
}

// kill cuts off every client of the database, also those that only wait: older versions of PgBouncer can do
// no less.
func (s *session) kill(ctx context.Context) (cut int, err error) {
	clients, err := s.ask(ctx, "SHOW CLIENTS")
	if err != nil {
		return 0, err
	}
	_, err = s.ask(ctx, "KILL "+s.cfg.Database)
	return len(of(clients, "database", s.cfg.Database)), err
}

// shownClients bounds how many clients an error names.
const shownClients = 5

// inTheWay says who keeps the servers that are left.
func (s *session) inTheWay(ctx context.Context, limit time.Duration, left []row) error {
	clients, err := s.ask(ctx, "SHOW CLIENTS")
	if err != nil {
		return err
	}
	var who []string
	for _, server := range left {
		for _, c := range of(clients, "link", server["ptr"]) {
			name := c["application_name"]
			if name == "" {
				name = "a client without application_name"
			}
			who = append(who, fmt.Sprintf("%s as %s, server process %s, connected since %s, last request %s", name, c["user"], server["remote_pid"], c["connect_time"], c["request_time"]))
		}
	}
	text := strings.Join(who[:min(len(who), shownClients)], "; ")
	if more := len(who) - shownClients; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	hint := "end these transactions, or let the step cut them off; the door is open again"
	if pools, err := s.ask(ctx, "SHOW POOLS"); err == nil {
		for _, p := range of(pools, "database", s.cfg.Database) {
			if p["pool_mode"] == "session" {
				hint = "the pool is in session mode, where a client keeps its server until it disconnects: let the door use pool_mode = transaction, or let the step cut them off; the door is open again"
			}
		}
	}
	return traffic.Fail(s.op, traffic.ErrBusy, hint, "after %s %d connections are still in use: %s", limit, len(left), text)
}

// letGo makes the door what it was before a hold that did not succeed.
func (s *session) letGo(ctx context.Context, before, r record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Timeout)
	defer cancel()
	unlock, err := s.lock(ctx, s.op)
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.stillOurs(r); err != nil {
		return err
	}
	switch {
	case before.State == traffic.Open:
	case r.Before != nil && r.To != nil && r.Before.destination().Same(*r.To.destination()):
		// An earlier try of this hold was interrupted: connections are left from before it, so the door was
		// never held to its end, nor moved.
		before = r
		before.State, before.Before = traffic.Open, nil
	default:
		return nil // it was shut before, and stays so
	}
	before.Serial = r.Serial + 1
	if err := s.write(s.op, before, ""); err != nil {
		return err
	}
	if err := s.reload(ctx, func(now seen) bool { return now.leads(before.To) }, "the database does not lead where it led"); err != nil {
		return err
	}
	return s.release(ctx)
}

// settle makes what runs the same as what a restart would give.
func (s *session) settle(ctx context.Context, r record) error {
	unlock, err := s.lock(ctx, s.op)
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.stillOurs(r); err != nil {
		return err
	}
	return s.reload(ctx, func(now seen) bool { return now.paused && now.entry["host"] == heldHost }, "the database still leads to its server")
}
