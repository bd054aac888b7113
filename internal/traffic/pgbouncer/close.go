package pgbouncer

import (
	"context"

	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/internal/traffic/identity"
)

// Close implements [traffic.Door]. The file is written before PgBouncer is asked: also one that does not
// answer now will come up closed.
func (d *Door) Close(ctx context.Context, c traffic.Change) (traffic.Report, error) {
	const op = "close door"
	r, err := d.recordClosed(ctx, op, c)
	if err != nil {
		return traffic.Report{}, err
	}
	s, err := d.begin(ctx, op)
	if err != nil {
		return traffic.Report{}, err
	}
	defer s.close()
	clients, err := s.ask(ctx, "SHOW CLIENTS")
	if err != nil {
		return traffic.Report{}, err
	}
	if err := s.reload(ctx, func(now seen) bool { return !now.there }, "the database is still there"); err != nil {
		return traffic.Report{}, err
	}
	if err := d.refuses(ctx); err != nil {
		return traffic.Report{}, err
	}
	report, err := s.report(ctx, r)
	report.Cut = len(of(clients, "database", d.cfg.Database))
	return report, err
}

func (d *Door) recordClosed(ctx context.Context, op string, c traffic.Change) (record, error) {
	unlock, err := d.lock(ctx, op)
	if err != nil {
		return record{}, err
	}
	defer unlock()
	r, err := d.change(op, c)
	if err != nil {
		return r, err
	}
	n := d.next(r, c, traffic.Closed)
	return n, d.write(op, n, "")
}

// refuses proves that nobody gets in: somebody tried as an application does, and was refused by an answer.
func (d *Door) refuses(ctx context.Context) error {
	const op = "try to get through the closed door"
	address, err := d.probe()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, d.cfg.Timeout)
	defer cancel()
	conn, err := identity.Connect(limited, address, d.cfg.Database)
	if err == nil {
		_ = conn.Close(context.WithoutCancel(ctx))
		return traffic.Fail(op, traffic.ErrUnfit, "take the fallback entry * out of PgBouncer's [databases]: it lets everybody in under any name", "somebody got in")
	}
	if !traffic.Refused(err) {
		return traffic.FromServer(op, "no answer proves nothing: look whether PgBouncer runs", err)
	}
	return nil
}
