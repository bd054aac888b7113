package postgres

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// DumpSchema writes one archive of all schema sections (pg_dump's custom format, not compressed) as of a
// snapshot, or of a frozen server when snapshot is empty. It returns what pg_dump warned of. A pg_dump that is older
// than the server is refused.
func DumpSchema(ctx context.Context, address secret.String, snapshot string, w io.Writer) (warnings []string, err error) {
	path, err := program("pg_dump")
	if err != nil {
		return nil, err
	}
	if err := refuseOlder(ctx, path, address); err != nil {
		return nil, err
	}
	public, password, err := withoutPassword(address)
	if err != nil {
		return nil, err
	}
	args := []string{"--format=custom", "--compress=0", "--schema-only", "--no-password", "--no-subscriptions", "--exclude-schema=" + bookkeeping, "--exclude-schema=" + StandbySchema, "--exclude-schema=" + DoneSchema}
	if snapshot != "" {
		args = append(args, "--snapshot="+snapshot, fmt.Sprintf("--lock-wait-timeout=%d", readerWait.Milliseconds()))
	}
	return run(ctx, path, password, nil, w, append(args, "--dbname="+public)...)
}

// refuseOlder names both versions when the program cannot know what the server has.
func refuseOlder(ctx context.Context, path string, address secret.String) error {
	conn, err := Connect(ctx, address, Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	at, err := Where(ctx, conn)
	if err != nil {
		return err
	}
	ours, err := programMajor(ctx, path)
	if err != nil {
		return err
	}
	if server := at.ServerVersion / 10000; ours < server {
		return &Error{Op: "dump schema", Kind: ErrVersion, Err: fmt.Errorf("pg_dump is of version %d, the server of %d", ours, server),
			Hint: fmt.Sprintf("install the client programs of PostgreSQL %d, or set %s to their folder", server, binEnv)}
	}
	return nil
}

// entries lists one section of an archive in the order in which pg_restore would run it: everything else
// first, then rights, then event triggers, which would fire while we work. Without a section it lists all.
func entries(archive []byte, section int) ([]entry, error) {
	all, err := toc(archive)
	if err != nil {
		return nil, err
	}
	var passes [3][]entry
	for _, e := range all {
		if (section != 0 && e.section != section) || notOurs(e) || onlyComment(e.SQL) {
			continue
		}
		pass := passOf(e)
		passes[pass] = append(passes[pass], e)
	}
	return slices.Concat(passes[0], passes[1], passes[2]), nil
}

// notOurs are entries that are no part of a restore: settings that a session of ours has already, and the
// database itself with its properties, rights and comment, which [Inspect] reports. An entry that is all
// comment says who owns the public schema.
func notOurs(e entry) bool {
	switch e.Type {
	case "ENCODING", "STDSTRINGS", "SEARCHPATH", "DATABASE", "DATABASE PROPERTIES":
		return true
	case "ACL", "COMMENT", "SECURITY LABEL":
		return e.Schema == "" && strings.HasPrefix(e.Tag, "DATABASE ")
	}
	return false
}

func passOf(e entry) int {
	switch {
	case e.Type == "ACL" || e.Type == "ACL LANGUAGE" || e.Type == "DEFAULT ACL":
		return 1
	case e.Type == "EVENT TRIGGER" || (e.Type == "COMMENT" || e.Type == "SECURITY LABEL") && strings.HasPrefix(e.Tag, "EVENT TRIGGER "):
		return 2
	}
	return 0
}

func onlyComment(sql string) bool {
	for line := range strings.Lines(sql) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
			return false
		}
	}
	return true
}

// Ask runs one query, read only, and returns how many rows came and, when it was one row of one column that
// is not null, its text. Its errors hold no values.
func Ask(ctx context.Context, conn *pgx.Conn, query string) (rows int64, value *string, err error) {
	results, err := conn.PgConn().Exec(ctx, query).ReadAll()
	if err != nil {
		return 0, nil, fail("run query", "", err)
	}
	if len(results) != 1 {
		return 0, nil, &Error{Op: "run query", Kind: ErrInvalid, Err: fmt.Errorf("it has %d statements, one is expected", len(results))}
	}
	all := results[0].Rows
	if len(all) == 1 && len(all[0]) == 1 && all[0][0] != nil {
		text := string(all[0][0])
		value = &text
	}
	return int64(len(all)), value, nil
}
