// Package database knows where databases are: on branches of a Neon project or on plain servers. It
// freezes sources, makes and drops scratch databases, and finds the way to restore targets. It reads and
// writes no rows: that is package postgres.
package database

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// scratchPrefix begins the name of every database that may be dropped. Nothing else is ever dropped.
const scratchPrefix = "lifeboat_scratch_"

// connectTimeout bounds one try to reach a server; a suspended Neon compute wakes within it.
const connectTimeout = 30 * time.Second

// ErrNotOurs says that a database or branch has a name that Lifeboat did not give it.
var ErrNotOurs = errors.New("not a name of ours")

// withDatabase is the same connection string for another database of the same server.
func withDatabase(address secret.String, database string) (secret.String, error) {
	u, err := url.Parse(address.Reveal())
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		// The parser's error would repeat the string.
		return secret.String{}, errors.New("the connection string has to be a URL: postgresql://user:password@host/database")
	}
	u.Path = "/" + database
	return secret.New(u.String()), nil
}

// connect opens a session for administration. Its errors never hold the connection string.
func connect(ctx context.Context, address secret.String) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	cfg, err := pgx.ParseConfig(address.Reveal())
	if err != nil {
		return nil, errors.New("the connection string cannot be parsed")
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", cfg.Host, plain(err))
	}
	return conn, nil
}

// plain keeps of a server's error what cannot hold data: its code and its message without details.
func plain(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return fmt.Errorf("%s (SQLSTATE %s)", pg.Message, pg.Code)
	}
	var failed *pgconn.ConnectError
	if errors.As(err, &failed) {
		return errors.New("the server does not answer or refuses the login")
	}
	return err
}

// createDatabase makes an empty database that sorts and encodes like the one that was backed up. It is
// safe to repeat.
func createDatabase(ctx context.Context, conn *pgx.Conn, name string, like manifest.Catalog) error {
	exists, err := databaseExists(ctx, conn, name)
	if err != nil || exists {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+" TEMPLATE template0"+localeClauses(like))
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P04" { // another try was quicker
		return nil
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, plain(err))
	}
	return nil
}

// localeClauses ask for the encoding and the locale of the source; empty values leave the server's own.
func localeClauses(like manifest.Catalog) string {
	var b strings.Builder
	add := func(clause, value string) {
		if value != "" {
			b.WriteString(" " + clause + " " + quoteLiteral(value))
		}
	}
	add("ENCODING", like.Encoding)
	add("LC_COLLATE", like.Collate)
	add("LC_CTYPE", like.CType)
	return b.String()
}

func quoteLiteral(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// dropScratch drops a scratch database with whoever is connected to it. It refuses any other database.
func dropScratch(ctx context.Context, conn *pgx.Conn, name string) error {
	if !isOurs(name) {
		return fmt.Errorf("drop database %q: %w", name, ErrNotOurs)
	}
	if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("drop database %s: %w", name, plain(err))
	}
	exists, err := databaseExists(ctx, conn, name)
	if err != nil {
		return err
	}
	if exists {
		return fmt.Errorf("drop database %s: it is still there", name)
	}
	return nil
}

func databaseExists(ctx context.Context, conn *pgx.Conn, name string) (exists bool, err error) {
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)", name).Scan(&exists)
	if err != nil {
		return false, fmt.Errorf("look for database %s: %w", name, plain(err))
	}
	return exists, nil
}
