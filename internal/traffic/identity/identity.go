// Package identity proves that two ways lead to the same database of the same running server.
//
// A system identifier alone cannot: it is copied with the data, so that a branch and a replica have that of
// their origin. So a session on the one way holds an advisory lock under a random key, and a session on the
// other way looks whether it sees the lock. Neither writes anything, and any role may do it.
package identity

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
)

// Facts are what a server says of itself.
type Facts struct {
	// System is the system identifier in decimal; empty when the role may not see it.
	System string
	// Database is the current database, as the server knows it.
	Database string
	// InRecovery says that the server is a standby, which nobody can write to.
	InRecovery bool
}

// connectTimeout bounds one try to reach a server; a suspended compute wakes within it.
const connectTimeout = 30 * time.Second

// Connect opens a session that leaves no trace in a pooler: no prepared statement, no session setting.
// Database replaces the one of the connection string unless it is empty. A failure to connect is the
// driver's own error: see [traffic.FromServer] and [traffic.Refused].
func Connect(ctx context.Context, address secret.String, database string) (*pgx.Conn, error) {
	const op = "connect"
	cfg, err := pgx.ParseConfig(address.Reveal())
	if err != nil {
		return nil, traffic.Fail(op, traffic.ErrInvalid, "it has to be a URL: postgresql://user:password@host/database", "the connection string cannot be parsed")
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	cfg.RuntimeParams["application_name"] = "lifeboat door"
	if database != "" {
		cfg.Database = database
	}
	return pgx.ConnectConfig(ctx, cfg)
}

// Ask asks a server who it is.
func Ask(ctx context.Context, conn *pgx.Conn) (Facts, error) {
	var f Facts
	var allowed bool
	err := conn.QueryRow(ctx, `SELECT pg_catalog.current_database(), pg_catalog.pg_is_in_recovery(),
		pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')`).Scan(&f.Database, &f.InRecovery, &allowed)
	if err == nil && allowed {
		err = conn.QueryRow(ctx, `SELECT system_identifier::text FROM pg_catalog.pg_control_system()`).Scan(&f.System)
	}
	return f, traffic.FromServer("ask the server who it is", "", err)
}

// Beacon is a session that can be recognised from another way.
type Beacon struct {
	Facts Facts
	conn  *pgx.Conn
	key   int64
}

// Light opens a session at address and makes it recognisable until it is closed.
func Light(ctx context.Context, address secret.String) (*Beacon, error) {
	const op, hint = "reach the destination", "look whether this worker reaches the server, and whether role and password are right"
	conn, err := Connect(ctx, address, "")
	if err != nil {
		return nil, traffic.FromServer(op, hint, err)
	}
	b := &Beacon{conn: conn}
	if b.Facts, err = Ask(ctx, conn); err == nil {
		err = b.light(ctx)
	}
	if err != nil {
		b.Close(ctx)
		return nil, traffic.FromServer(op, hint, err)
	}
	return b, nil
}

func (b *Beacon) light(ctx context.Context) error {
	var random [8]byte
	_, _ = rand.Read(random[:]) // it never fails since Go 1.24
	b.key = int64(binary.BigEndian.Uint64(random[:]))
	// In a transaction, so that it also holds where a pooler stands in between.
	if _, err := b.conn.Exec(ctx, "BEGIN READ ONLY"); err != nil {
		return err
	}
	_, err := b.conn.Exec(ctx, "SELECT pg_catalog.pg_advisory_xact_lock($1)", b.key)
	return err
}

// Seen says whether the session conn is on the same running server and in the same database.
func (b *Beacon) Seen(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var seen bool
	err := conn.QueryRow(ctx, `SELECT EXISTS (
		SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND d.datname = pg_catalog.current_database()
		AND l.classid::bigint = $1 AND l.objid::bigint = $2)`, b.key>>32&0xffffffff, b.key&0xffffffff).Scan(&seen)
	return seen, traffic.FromServer("look for the destination through the door", "", err)
}

// Close ends the session.
func (b *Beacon) Close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = b.conn.Close(ctx) // it is gone either way
}
