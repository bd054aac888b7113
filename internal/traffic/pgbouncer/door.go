// Package pgbouncer is a door made of a real PgBouncer, through its admin console and one file that PgBouncer
// includes.
//
// The file is the state. PgBouncer forgets on a restart what it was told on its console, so each verb first
// writes a file that is right by itself, then makes the running PgBouncer the same, and looks:
//
//   - open: the entry of the database leads to its server;
//   - held: the entry leads where no connection can ever be made, so that who connects waits, and the console
//     was told PAUSE, so that running transactions end and nothing is tried in vain;
//   - closed: there is no entry, so that PgBouncer refuses and RELOAD cuts off who was there.
//
// A PgBouncer that crashes while it is held so comes up held; so does one whose configuration is reloaded, or whose
// console is told RESUME by hand. PAUSE is always for one database, never for all of PgBouncer: other doors
// and databases of the same process go on.
//
// RELOAD answers with success whether or not the configuration could be read, so what it did is looked up with
// SHOW DATABASES every time.
package pgbouncer

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
)

// Login says with which credentials PgBouncer logs in to the server.
type Login string

// The ways to log in.
const (
	// LoginClient uses the name of each client, with the password or SCRAM keys that PgBouncer has of it: the
	// roles and their passwords have to be the same on every server that the door may lead to.
	LoginClient Login = "client"
	// LoginTarget uses the role and password of the address that the door was moved to, for every client.
	LoginTarget Login = "target"
)

// Config describes a door.
type Config struct {
	// Database is the name that applications connect to; see [ValidDatabase].
	Database string
	// Admin is a connection string to the console, as one of admin_users.
	Admin func() (secret.String, error)
	// Probe is a connection string through the door, as an application has one.
	Probe func() (secret.String, error)
	// File is the file that PgBouncer's configuration includes for this door. It has to be there.
	File string
	// Login is [LoginClient] or [LoginTarget].
	Login Login
	// Timeout bounds one command of the console, one query through the door, and the wait for another
	// operation; 0 is thirty seconds.
	Timeout time.Duration
}

// Door is one database of a PgBouncer. Its methods may be called from many goroutines and processes.
type Door struct {
	cfg Config
	now func() time.Time
}

var _ traffic.Door = (*Door)(nil)

// New makes a door. It opens no connection and reads no file.
func New(cfg Config) (*Door, error) {
	switch {
	case !ValidDatabase(cfg.Database):
		return nil, fmt.Errorf("make door: %q cannot be its database: use letters, digits and underscores, 40 at most, and not %s", cfg.Database, console)
	case cfg.Admin == nil || cfg.Probe == nil:
		return nil, errors.New("make door: it needs an admin connection and a probe")
	case !filepath.IsAbs(cfg.File):
		return nil, errors.New("make door: its file has to be an absolute path")
	case cfg.Login != LoginClient && cfg.Login != LoginTarget:
		return nil, fmt.Errorf("make door: login %q is not known, only client and target", cfg.Login)
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 30 * time.Second
	}
	return &Door{cfg: cfg, now: time.Now}, nil
}

// session is one operation's view of the door.
type session struct {
	*Door
	*admin
	op string
}

// begin connects to the console.
func (d *Door) begin(ctx context.Context, op string) (*session, error) {
	address, err := d.cfg.Admin()
	if err != nil {
		return nil, fmt.Errorf("%s: read admin connection: %w", op, err)
	}
	a, err := dialConsole(ctx, address, d.cfg.Timeout)
	if err != nil {
		return nil, err
	}
	return &session{d, a, op}, nil
}

// ask is [admin.ask] within the door's timeout.
func (s *session) ask(ctx context.Context, command string) ([]row, error) {
	limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	rows, err := s.admin.ask(limited, command)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return rows, err
}

// seen is what runs now.
type seen struct {
	state traffic.State
	// there says that the running configuration has the database; entry is its line then.
	there  bool
	entry  row
	paused bool
	// whole says that all of PgBouncer is paused or suspended, by somebody else.
	whole           bool
	waiting, active int
}

// look asks the console what applications meet.
func (s *session) look(ctx context.Context) (seen, error) {
	var now seen
	databases, err := s.ask(ctx, "SHOW DATABASES")
	if err != nil {
		return now, err
	}
	pools, err := s.ask(ctx, "SHOW POOLS")
	if err != nil {
		return now, err
	}
	state, err := s.ask(ctx, "SHOW STATE")
	if err != nil && (!errors.Is(err, traffic.ErrUnavailable) || s.conn.IsClosed()) {
		return now, err // versions before 1.19 do not know the command, and say so
	}
	for _, r := range state {
		now.whole = now.whole || r["key"] != "active" && r["value"] == "yes"
	}
	for _, r := range of(pools, "database", s.cfg.Database) {
		now.waiting += r.count("cl_waiting")
		now.active += r.count("sv_active") + r.count("sv_tested")
	}
	if entries := of(databases, "name", s.cfg.Database); len(entries) > 0 {
		now.there, now.entry = true, entries[0]
		now.paused = now.entry["paused"] == "1"
	}
	switch {
	case !now.there, now.entry["disabled"] == "1":
		now.state = traffic.Closed
	case now.paused, now.whole, now.entry["host"] == heldHost:
		now.state = traffic.Held
	default:
		now.state = traffic.Open
	}
	return now, nil
}

// leads says whether the running entry leads to a target.
func (n seen) leads(t *target) bool {
	return n.there && t != nil && n.entry["host"] == t.Host && n.entry["port"] == fmt.Sprint(t.Port) && n.entry["database"] == t.Database
}

// report puts together what runs and what is recorded.
func (s *session) report(ctx context.Context, r record) (traffic.Report, error) {
	now, err := s.look(ctx)
	if err != nil {
		return traffic.Report{}, err
	}
	patience, err := s.patience(ctx)
	if err != nil {
		return traffic.Report{}, err
	}
	return traffic.Report{
		State: now.state, Recorded: r.State, Note: note(now, r), Database: s.cfg.Database, To: r.To.destination(), System: r.System,
		Waiting: now.waiting, Active: now.active, Patience: patience, Since: r.Since, By: r.By, Epoch: r.Epoch,
	}, nil
}

// note says how what runs differs from what is recorded.
func note(now seen, r record) string {
	switch {
	case now.whole:
		return "all of PgBouncer is paused or suspended by hand"
	case now.there && now.entry["disabled"] == "1":
		return "the database was disabled by hand"
	case now.state != r.State:
		return fmt.Sprintf("what runs is %s, recorded is %s: an operation was interrupted, or somebody changed the door by hand", now.state, r.State)
	case r.State == traffic.Open && !now.leads(r.To):
		return "what runs leads elsewhere than recorded: somebody changed PgBouncer's configuration by hand"
	}
	return ""
}

// patience is how long a client waits before PgBouncer ends it; zero is for ever. Three settings end
// waiting clients: query_wait_timeout those that asked, client_login_timeout those that just connected, and
// query_timeout both.
func (s *session) patience(ctx context.Context) (least time.Duration, err error) {
	settings, err := s.ask(ctx, "SHOW CONFIG")
	if err != nil {
		return 0, err
	}
	for _, name := range []string{"query_wait_timeout", "client_login_timeout", "query_timeout"} {
		for _, r := range of(settings, "key", name) {
			if limit := seconds(r["value"]); limit > 0 && (least == 0 || limit < least) {
				least = limit
			}
		}
	}
	return least, nil
}

// State implements [traffic.Door].
func (d *Door) State(ctx context.Context) (traffic.Report, error) {
	const op = "look at the door"
	r, err := readRecord(d.cfg.File, d.cfg.Database)
	if err != nil {
		return traffic.Report{}, err
	}
	s, err := d.begin(ctx, op)
	if err != nil {
		return traffic.Report{}, err
	}
	defer s.close()
	return s.report(ctx, r)
}

// reload makes PgBouncer read its files, and waits until what runs is as expected. Hint says what is wrong
// when it does not become so.
func (s *session) reload(ctx context.Context, expected func(seen) bool, what string) error {
	if _, err := s.ask(ctx, "RELOAD"); err != nil {
		return err
	}
	now, err := s.look(ctx)
	if err != nil {
		return err
	}
	if !expected(now) {
		return traffic.Fail(s.op, traffic.ErrUnfit, "look whether PgBouncer's configuration includes the door's file and nothing else names the database, and at what PgBouncer logged at the reload",
			"after a reload %s", what)
	}
	return nil
}

// change reads the record, and makes sure that who asks was not overtaken. The lock is held.
func (d *Door) change(op string, c traffic.Change) (record, error) {
	r, err := readRecord(d.cfg.File, d.cfg.Database)
	if err != nil {
		return r, err
	}
	if c.Epoch < r.Epoch {
		return r, traffic.Fail(op, traffic.ErrOvertaken, "a failover came in between: look at what it did, and begin again", "the door was changed in epoch %d, this is epoch %d", r.Epoch, c.Epoch)
	}
	return r, nil
}

// next is a record's successor in another state.
func (d *Door) next(r record, c traffic.Change, state traffic.State) record {
	n := r
	n.State, n.Epoch = state, c.Epoch
	n.Serial++
	if r.State != state || r.Since.IsZero() {
		n.Since, n.By = d.now().UTC().Truncate(time.Millisecond), c.By
	}
	if r.State == traffic.Open {
		n.Before = r.To
	}
	return n
}
