package pgbouncer

import (
	"context"
	"fmt"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/internal/traffic/identity"
)

// Open implements [traffic.Door]. When no query goes through it stays open, for applications may have written
// already: repeat it until one does.
func (d *Door) Open(ctx context.Context, req traffic.OpenRequest) (traffic.Report, error) {
	s, err := d.begin(ctx, "open door")
	if err != nil {
		return traffic.Report{}, err
	}
	defer s.close()
	r, err := s.open(ctx, req)
	if err != nil {
		return traffic.Report{}, err
	}
	if err := s.passes(ctx, r); err != nil {
		return traffic.Report{}, err
	}
	return s.report(ctx, r)
}

func (s *session) open(ctx context.Context, req traffic.OpenRequest) (record, error) {
	unlock, err := s.lock(ctx, s.op)
	if err != nil {
		return record{}, err
	}
	defer unlock()
	r, err := s.change(s.op, req.Change)
	switch {
	case err != nil:
		return r, err
	case r.To == nil:
		return r, traffic.Fail(s.op, traffic.ErrState, "move it first", "the door leads nowhere yet")
	case req.Back && r.State != traffic.Open && (r.Before == nil || !r.Before.destination().Same(*r.To.destination())):
		return r, traffic.Fail(s.op, traffic.ErrState, "move it back first, or decide with the people at the gate to open it where it is", "the door no longer leads where it led before it was held")
	}
	n := s.next(r, req.Change, traffic.Open)
	n.Before = nil
	if err := s.write(s.op, n, ""); err != nil {
		return r, err
	}
	if err := s.reload(ctx, func(now seen) bool { return now.leads(n.To) }, "the database does not lead where the door's file says"); err != nil {
		return r, err
	}
	return n, s.release(ctx)
}

// release takes back what the console was told.
func (s *session) release(ctx context.Context) error {
	now, err := s.look(ctx)
	if err != nil {
		return err
	}
	if now.whole {
		return errWhole(s.op)
	}
	if now.entry["disabled"] == "1" {
		if _, err := s.ask(ctx, "ENABLE "+s.cfg.Database); err != nil {
			return err
		}
	}
	if now.paused {
		if _, err := s.ask(ctx, "RESUME "+s.cfg.Database); err != nil {
			return err
		}
	}
	if now, err = s.look(ctx); err != nil {
		return err
	}
	if now.state != traffic.Open {
		return traffic.Fail(s.op, traffic.ErrState, "look who else holds it: SHOW DATABASES on its console", "the door is still %s", now.state)
	}
	return nil
}

// passes proves that a query goes through, and where it ends.
func (d *Door) passes(ctx context.Context, r record) error {
	const op = "ask through the open door"
	address, err := d.probe()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, d.cfg.Timeout)
	defer cancel()
	hint := "the door is open: look at PgBouncer's log, at the server that it leads to, and whether somebody paused all of PgBouncer; repeating this asks again"
	conn, err := identity.Connect(limited, address, d.cfg.Database)
	if err != nil {
		return traffic.FromServer(op, hint, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	facts, err := identity.Ask(limited, conn)
	if err != nil {
		return err
	}
	if r.System != "" && facts.System != "" && facts.System != r.System || facts.Database != r.To.Database {
		return traffic.Fail(op, traffic.ErrWrongServer, "hold the door again at once, and move it: what is behind it was exchanged since it was moved", "the door is open, and leads to database %s of system %s", facts.Database, facts.System)
	}
	return nil
}

func (d *Door) probe() (secret.String, error) {
	address, err := d.cfg.Probe()
	if err != nil {
		return address, fmt.Errorf("read the door's probe: %w", err)
	}
	return address, nil
}
