package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// AskWith is [Ask] with values for $1, $2, … of the query: texts, numbers and truth values, which never
// become part of its text.
func AskWith(ctx context.Context, conn *pgx.Conn, query string, args []any) (rows int64, value *string, err error) {
	if len(args) == 0 {
		return Ask(ctx, conn, query)
	}
	found, err := conn.Query(ctx, query, append([]any{pgx.QueryResultFormats{pgx.TextFormatCode}}, args...)...)
	if err != nil {
		return 0, nil, fail("run query", "", err)
	}
	defer found.Close()
	for found.Next() {
		rows++
		value = nil
		if raw := found.RawValues(); rows == 1 && len(raw) == 1 && raw[0] != nil {
			text := string(raw[0])
			value = &text
		}
	}
	return rows, value, fail("run query", "", found.Err())
}
