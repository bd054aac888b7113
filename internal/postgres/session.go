package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Options describe a session.
type Options struct {
	// Snapshot is the id of an exported snapshot to read; empty means a snapshot of the session's own.
	Snapshot string
	// ReadOnly opens a REPEATABLE READ READ ONLY transaction that lasts as long as the session.
	ReadOnly bool
	// AppName is shown in the server's pg_stat_activity; empty means "lifeboat".
	AppName string
}

// connectTimeout bounds one try to reach a server; a suspended compute wakes within it.
const connectTimeout = 30 * time.Second

// settings make every server write the same text for the same value, and nothing be cut off or left out
// silently. An error from row_security=off beats a filtered dump.
var settings = map[string]string{
	"DateStyle": "ISO", "IntervalStyle": "postgres", "extra_float_digits": "3", "bytea_output": "hex", "TimeZone": "UTC",
	"synchronize_seqscans": "off", "row_security": "off", "search_path": "", "standard_conforming_strings": "on",
	"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0",
	"quote_all_identifiers": "off", "default_transaction_isolation": "read committed", "lc_monetary": "C", "xmloption": "content",
	// Workers would hand rows over in any order, and a chunk that is read again has to be the same bytes.
	"max_parallel_workers_per_gather": "0",
	// What a database sets for its applications must not change how its own definitions are read.
	"array_nulls": "on", "transform_null_equals": "off", "escape_string_warning": "off", "default_tablespace": "", "default_table_access_method": "heap",
}

// newerSettings are timeouts that came with later versions (14, 17): set where the server knows them.
var newerSettings = []string{"idle_session_timeout", "transaction_timeout"}

// Connect opens a session in which COPY text means the same on every server. The caller closes it; with
// ReadOnly or Snapshot that also ends its transaction.
func Connect(ctx context.Context, address secret.String, opt Options) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(address.Reveal())
	if err != nil {
		// The parser's error would repeat parts of the string.
		return nil, &Error{Op: "connect", Kind: ErrInvalid, Err: errors.New("the connection string cannot be parsed"),
			Hint: "it has to be a URL: postgresql://user:password@host/database"}
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	// A pooler between us and the server may not keep prepared statements.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	cfg.RuntimeParams["application_name"] = appName(opt.AppName)
	cfg.OnNotice = noteUnprivileged
	attach := tapped(cfg)
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fail("connect to", cfg.Host, err)
	}
	attach(conn)
	if err := prepare(ctx, conn, opt); err != nil {
		_ = conn.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return conn, nil
}

func appName(name string) string {
	if name == "" {
		return "lifeboat"
	}
	return name
}

func prepare(ctx context.Context, conn *pgx.Conn, opt Options) error {
	// One statement, as every round trip to another region counts. The encoding of the client is the
	// server's, so that nothing is converted: what a database in SQL_ASCII holds has no encoding.
	query := `SELECT pg_catalog.set_config('client_encoding', pg_catalog.current_setting('server_encoding'), false)`
	for name, value := range settings {
		query += ", pg_catalog.set_config('" + name + "', '" + value + "', false)"
	}
	for _, name := range newerSettings {
		query += ", (SELECT pg_catalog.set_config(s.name, '0', false) FROM pg_catalog.pg_settings s WHERE s.name = '" + name + "')"
	}
	if _, err := conn.PgConn().Exec(ctx, query).ReadAll(); err != nil {
		return fail("prepare session", "", err)
	}
	if !opt.ReadOnly && opt.Snapshot == "" {
		return nil
	}
	begin := "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	if opt.Snapshot != "" {
		begin += "; SET TRANSACTION SNAPSHOT " + literal(opt.Snapshot) + fmt.Sprintf("; SET LOCAL lock_timeout = %d", readerWait.Milliseconds())
	}
	_, err := conn.PgConn().Exec(ctx, begin).ReadAll()
	var pg *pgconn.PgError
	if errors.As(err, &pg) && opt.Snapshot != "" && (pg.Code == "22023" || pg.Code == "42704") {
		return &Error{Op: "import snapshot", Kind: ErrSnapshotGone, Code: pg.Code,
			Hint: "the session that exported it has ended: begin again with a new snapshot"}
	}
	return fail("begin to read", "", err)
}

// Position is where a server stands.
type Position struct {
	// LSN is the write-ahead log position in PostgreSQL's notation.
	LSN string
	// Time is the moment up to which everything that had committed is there: the server's clock or, in
	// recovery, the last commit that was replayed, and zero when none was. The clock of a server that stands
	// still says nothing of what it holds.
	Time time.Time
	// System is the system identifier in decimal; empty when the role may not see it.
	System string
	// ServerVersion is server_version_num.
	ServerVersion int
	// InRecovery says that the server is a standby or stands still on purpose.
	InRecovery bool
}

// Where asks a server where it stands. On a server that goes on writing it has to be asked before the
// snapshot is taken, as [Export] does: then the snapshot holds all that committed up to that position.
func Where(ctx context.Context, conn *pgx.Conn) (Position, error) {
	var p Position
	var version string
	var at *time.Time
	err := conn.QueryRow(ctx, `SELECT r.in_recovery, pg_catalog.current_setting('server_version_num'),
		CASE WHEN r.in_recovery THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END::text,
		CASE WHEN r.in_recovery THEN pg_catalog.pg_last_xact_replay_timestamp() ELSE pg_catalog.now() END
		FROM (SELECT pg_catalog.pg_is_in_recovery() AS in_recovery) r`).Scan(&p.InRecovery, &version, &p.LSN, &at)
	if err != nil {
		return p, fail("ask for position", "", err)
	}
	if at != nil {
		p.Time = at.UTC()
	}
	if p.ServerVersion, err = strconv.Atoi(version); err != nil {
		return p, fail("read server version", "", err)
	}
	var allowed bool
	err = conn.QueryRow(ctx, `SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')`).Scan(&allowed)
	if err == nil && allowed {
		err = conn.QueryRow(ctx, `SELECT system_identifier::text FROM pg_catalog.pg_control_system()`).Scan(&p.System)
	}
	return p, fail("ask for system identifier", "", err)
}
