package pgbouncer

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/internal/traffic/identity"
)

// Move implements [traffic.Door]. While the door stays as it is, a second entry with a random name that
// nobody knows leads to the destination for as long as it takes to look: through this very PgBouncer, with
// its encryption and its credentials. When the proof fails, everything is as before.
func (d *Door) Move(ctx context.Context, req traffic.MoveRequest) (traffic.Report, error) {
	const op = "move door"
	to, err := traffic.ParseDestination(req.Address)
	if err != nil {
		return traffic.Report{}, err
	}
	beacon, err := identity.Light(ctx, req.Address)
	if err != nil {
		return traffic.Report{}, err
	}
	defer beacon.Close(ctx)
	if beacon.Facts.InRecovery {
		return traffic.Report{}, traffic.Fail(op, traffic.ErrWrongServer, "promote it first, or name another one", "the destination is a standby: nobody could write to it")
	}
	s, err := d.begin(ctx, op)
	if err != nil {
		return traffic.Report{}, err
	}
	defer s.close()
	unlock, err := d.lock(ctx, op)
	if err != nil {
		return traffic.Report{}, err
	}
	defer unlock()
	r, err := d.change(op, req.Change)
	if err != nil {
		return traffic.Report{}, err
	}
	if err := s.shut(ctx, r); err != nil {
		return traffic.Report{}, err
	}
	n := d.next(r, req.Change, r.State)
	n.To, n.System = targetOf(to, d.cfg.Login), beacon.Facts.System
	if err := s.prove(ctx, n, beacon); err != nil {
		s.putBack(ctx, r)
		return traffic.Report{}, err
	}
	return s.report(ctx, n)
}

// shut makes sure that nothing gets through the door, whatever its file says.
func (s *session) shut(ctx context.Context, r record) error {
	now, err := s.look(ctx)
	if err != nil {
		return err
	}
	if r.State == traffic.Open || now.state == traffic.Open {
		return traffic.Fail(s.op, traffic.ErrState, "hold it or close it first", "the door is %s, recorded as %s", now.state, r.State)
	}
	servers, err := s.ask(ctx, "SHOW SERVERS")
	if err != nil {
		return err
	}
	if left := of(servers, "database", s.cfg.Database); len(left) > 0 {
		return traffic.Fail(s.op, traffic.ErrState, "repeat the hold: it was interrupted before all transactions had ended", "%d connections to the server that it leads to are still in use", len(left))
	}
	return nil
}

// prove puts the new destination in place, looks at it through the door, and takes the second entry away again.
func (s *session) prove(ctx context.Context, n record, beacon *identity.Beacon) error {
	second := "lifeboat_" + strings.ToLower(rand.Text())
	if err := s.write(s.op, n, second); err != nil {
		return err
	}
	if err := s.reload(ctx, s.asRecorded(n), "the door is no longer "+string(n.State)); err != nil {
		return err
	}
	if err := s.sees(ctx, second, n, beacon); err != nil {
		return err
	}
	if err := s.write(s.op, n, ""); err != nil {
		return err
	}
	if err := s.reload(ctx, s.asRecorded(n), "the door is no longer "+string(n.State)); err != nil {
		return err
	}
	databases, err := s.ask(ctx, "SHOW DATABASES")
	if err != nil {
		return err
	}
	if len(of(databases, "name", second)) > 0 {
		return traffic.Fail(s.op, traffic.ErrUnfit, "look at what PgBouncer logged at the reload", "the entry by which the destination was looked at is still there")
	}
	return nil
}

// asRecorded says whether what runs is a record that is not open.
func (s *session) asRecorded(r record) func(seen) bool {
	return func(now seen) bool {
		return now.state == r.State && (r.State == traffic.Closed || now.entry["host"] == heldHost)
	}
}

// sees looks at the destination through the second entry.
func (s *session) sees(ctx context.Context, second string, n record, beacon *identity.Beacon) error {
	databases, err := s.ask(ctx, "SHOW DATABASES")
	if err != nil {
		return err
	}
	entries := of(databases, "name", second)
	if len(entries) == 0 || !(seen{there: true, entry: entries[0]}).leads(n.To) {
		return traffic.Fail(s.op, traffic.ErrUnfit, "look whether PgBouncer's configuration includes the door's file, and at what PgBouncer logged at the reload", "after a reload PgBouncer does not know the destination")
	}
	address, err := s.probe()
	if err != nil {
		return err
	}
	const hint = "look at PgBouncer's log: whether it reaches the server, encrypted as the server wants it, and with which role it logs in"
	limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	conn, err := identity.Connect(limited, address, second)
	if err != nil {
		return traffic.FromServer("look at the destination through the door", hint, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	same, err := beacon.Seen(limited, conn)
	if err != nil {
		return err
	}
	if !same {
		return traffic.Fail(s.op, traffic.ErrWrongServer, "look at the names that PgBouncer resolves, and at what stands between it and the server", "what the door reaches is not the server that the address reaches")
	}
	return nil
}

// putBack leaves the door as it was; what cannot be put back is found by the next look.
func (s *session) putBack(ctx context.Context, r record) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Timeout)
	defer cancel()
	if err := s.write(s.op, r, ""); err == nil {
		_, _ = s.ask(ctx, "RELOAD")
	}
}
