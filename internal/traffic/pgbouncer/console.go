package pgbouncer

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
)

// console is the database that is PgBouncer's administration. It speaks the simple protocol only.
const console = "pgbouncer"

const consoleHint = "look whether PgBouncer runs, and whether the user of the admin connection is one of its admin_users"

// admin is one connection to the console. Columns are found by name: they differ between versions.
type admin struct {
	conn *pgconn.PgConn
}

// row is one line of an answer; what is NULL or not there is empty.
type row map[string]string

func (r row) count(column string) int {
	n, _ := strconv.Atoi(r[column])
	return n
}

func dialConsole(ctx context.Context, address secret.String, timeout time.Duration) (*admin, error) {
	const op = "connect to the door's console"
	cfg, err := pgconn.ParseConfig(address.Reveal())
	if err != nil {
		return nil, traffic.Fail(op, traffic.ErrInvalid, "it has to be a URL: postgresql://user:password@host:port/pgbouncer", "the connection string cannot be parsed")
	}
	cfg.Database, cfg.ConnectTimeout = console, timeout
	cfg.RuntimeParams = map[string]string{}
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, traffic.FromServer(op, consoleHint, err)
	}
	return &admin{conn}, nil
}

func (a *admin) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = a.conn.Close(ctx) // it is gone either way
}

// ask sends one command and reads what it answers.
func (a *admin) ask(ctx context.Context, command string) ([]row, error) {
	results, err := a.conn.Exec(ctx, command).ReadAll()
	if err != nil {
		return nil, traffic.FromServer("ask the door: "+command, consoleHint, err)
	}
	var rows []row
	for _, result := range results {
		for _, values := range result.Rows {
			r := row{}
			for i, field := range result.FieldDescriptions {
				r[field.Name] = string(values[i])
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// of keeps the rows whose column has a value.
func of(rows []row, column, value string) (kept []row) {
	for _, r := range rows {
		if r[column] == value {
			kept = append(kept, r)
		}
	}
	return kept
}

// seconds reads a setting in seconds, as the console writes them.
func seconds(text string) time.Duration {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return time.Duration(n * float64(time.Second))
}
