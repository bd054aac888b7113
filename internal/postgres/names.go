package postgres

import (
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// relation is a quoted, qualified name.
func relation(schema, name string) string { return pgx.Identifier{schema, name}.Sanitize() }

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

// literal is a quoted string; standard_conforming_strings is on in every session of ours.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// columns is a quoted list.
func columns(names []string) string { return strings.Join(idents(names), ", ") }

func idents(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = ident(name)
	}
	return out
}

func tableName(t manifest.Table) string { return relation(t.Schema, t.Name) }
