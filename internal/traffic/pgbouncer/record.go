package pgbouncer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
)

// record is what a door's file holds: the state that outlives every process. PgBouncer reads the entries that
// are made of it, Lifeboat the line that it stands in.
type record struct {
	Format   int           `json:"format"`
	Database string        `json:"database"`
	State    traffic.State `json:"state"`
	// To is where the door leads when it is open; nil when it never led anywhere.
	To *target `json:"to,omitempty"`
	// Before is where it led when it was held or closed first.
	Before *target `json:"before,omitempty"`
	// System is the system identifier that To was proven to have.
	System string    `json:"system,omitempty"`
	By     string    `json:"by"`
	Since  time.Time `json:"since"`
	Epoch  int64     `json:"epoch"`
	// Serial grows with every change, so that an operation notices another one.
	Serial int64 `json:"serial"`
}

// target is a destination as it is kept. PgBouncer needs the password in its files in any case; the file is
// refused when everybody may read it.
type target struct {
	Host     string `json:"host"`
	Port     uint16 `json:"port"`
	Database string `json:"database"`
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
}

func (t *target) destination() *traffic.Destination {
	if t == nil {
		return nil
	}
	return &traffic.Destination{Host: t.Host, Port: t.Port, Database: t.Database, User: t.User}
}

func targetOf(d traffic.Destination, login Login) *target {
	t := &target{Host: d.Host, Port: d.Port, Database: d.Database}
	if login == LoginTarget {
		t.User, t.Password = d.User, d.Password.Reveal()
	}
	return t
}

// String and the others keep a password out of whatever prints a target.
func (t target) String() string   { return secret.Redacted }
func (t target) GoString() string { return secret.Redacted }

const (
	// mark begins the line that Lifeboat reads; PgBouncer takes it for a comment.
	mark = ";lifeboat "
	// heldHost is where a held door leads: a folder that by Debian's policy never exists, so that a connection
	// cannot be made and clients wait. PgBouncer takes it for a Unix socket and looks nothing up.
	heldHost = "/nonexistent/held-by-lifeboat"
	heldPort = 1
)

var databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,39}$`)

// ValidDatabase says whether a name can be that of a door's database: what PgBouncer's console and file take
// without quotes, and not its own.
func ValidDatabase(name string) bool { return databaseName.MatchString(name) && name != console }

// render makes the file. Extra is an entry beside the door's own, by which the destination is looked at while
// the door stays as it is; nil for none.
func (r record) render(extra string) ([]byte, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("render door: %w", err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "; Lifeboat's door to %s: %s since %s. Lifeboat writes this file and reads it again: do not edit it.\n", r.Database, r.State, r.Since.Format(time.RFC3339))
	b.WriteString("; It holds what the door needs to come up as it was; docs/door.md says more.\n")
	b.WriteString(mark + string(line) + "\n[databases]\n")
	switch r.State {
	case traffic.Open:
		b.WriteString(r.Database + " = " + r.To.entry() + "\n")
	case traffic.Held:
		held := target{Host: heldHost, Port: heldPort, Database: r.Database}
		if r.To != nil {
			// The user stays: PgBouncer does not let go of one that was forced before.
			held.Database, held.User, held.Password = r.To.Database, r.To.User, r.To.Password
		}
		b.WriteString(r.Database + " = " + held.entry() + "\n")
	case traffic.Closed:
		b.WriteString("; closed: whoever asks for " + r.Database + " is told that there is no such database\n")
	}
	if extra != "" && r.To != nil {
		b.WriteString(extra + " = " + r.To.entry() + "\n")
	}
	return b.Bytes(), nil
}

// entry is a connection string as PgBouncer reads them.
func (t *target) entry() string {
	text := fmt.Sprintf("host=%s port=%d dbname=%s", quote(t.Host), t.Port, quote(t.Database))
	if t.User != "" {
		text += " user=" + quote(t.User)
	}
	if t.Password != "" {
		text += " password=" + quote(t.Password)
	}
	return text
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// parseRecord reads a door's file. A file that is empty is a door that was never used: closed.
func parseRecord(text []byte, database string) (record, error) {
	const op, hint = "read the door's file", "restore it from a backup, or empty it: an empty file is a closed door"
	if len(bytes.TrimSpace(text)) == 0 {
		return record{Format: 1, Database: database, State: traffic.Closed}, nil
	}
	var r record
	found := false
	for line := range bytes.Lines(text) {
		rest, ours := bytes.CutPrefix(line, []byte(mark))
		if !ours {
			continue
		}
		if found {
			return r, traffic.Fail(op, traffic.ErrInvalid, hint, "it holds two states")
		}
		found = true
		d := json.NewDecoder(bytes.NewReader(rest))
		d.DisallowUnknownFields()
		if d.Decode(&r) != nil {
			return r, traffic.Fail(op, traffic.ErrInvalid, hint, "the line with its state cannot be read")
		}
	}
	switch {
	case !found:
		return r, traffic.Fail(op, traffic.ErrInvalid, "name another file under file: Lifeboat writes it whole, and would lose what stands in it", "it is not a file of Lifeboat's")
	case r.Format != 1:
		return r, traffic.Fail(op, traffic.ErrInvalid, "use the version of Lifeboat that wrote it, or a newer one", "format %d is not known, only 1", r.Format)
	case r.Database != database:
		return r, traffic.Fail(op, traffic.ErrInvalid, "each door needs a file of its own", "it is the file of the door to %s, not %s", r.Database, database)
	case r.State == traffic.Open && r.To == nil, r.State != traffic.Open && r.State != traffic.Held && r.State != traffic.Closed:
		return r, traffic.Fail(op, traffic.ErrInvalid, hint, "state %q cannot be", r.State)
	}
	return r, nil
}

// readRecord reads a door's file, which nobody but its owner and group may read.
func readRecord(path, database string) (record, error) {
	const op = "read the door's file"
	f, err := os.Open(path)
	if err != nil {
		return record{}, fileError(op, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return record{}, fileError(op, err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o007 != 0 {
		return record{}, traffic.Fail(op, traffic.ErrInvalid, "it holds passwords: chmod o-rwx it", "it is no regular file, or open to everybody on this machine (mode %04o)", info.Mode().Perm())
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(f); err != nil {
		return record{}, fileError(op, err)
	}
	return parseRecord(text.Bytes(), database)
}

func fileError(op string, err error) error {
	hint := "the door's file has to lie on the machine of the worker of its site, in a folder that both the worker and PgBouncer can use: docs/door.md"
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return traffic.Fail(op, traffic.ErrInvalid, hint, "%v", err)
}
