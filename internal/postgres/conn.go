package postgres

import "github.com/jackc/pgx/v5"

// Conn is a session of this package, so that callers need not know the driver.
type Conn = pgx.Conn
