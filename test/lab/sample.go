package lab

import (
	"context"
	_ "embed"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Sample is a small database with what a backup treats apart: several chunks of one table, a chunk of several
// parts, a partitioned table, an empty one, large objects, sequences, materialized views.
//
//go:embed sample.sql
var Sample string

// Fill runs SQL in the source as its owner.
func (l *Lab) Fill(t testing.TB, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), l.Source)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("fill the source: %v", err)
	}
}
