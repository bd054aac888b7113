package postgres

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"sort"
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
	args := []string{"--format=custom", "--compress=0", "--schema-only", "--no-password", "--no-subscriptions", "--exclude-schema=" + bookkeeping}
	if snapshot != "" {
		args = append(args, "--snapshot="+snapshot)
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

// entry is one entry of a schema archive, as SQL.
type entry struct {
	// Name and Type are the archive's own, for example "claims claims_pkey" and "CONSTRAINT".
	Name, Type string
	SQL        string
}

var header = regexp.MustCompile(`(?m)^--\n-- Name: (.*); Type: ([A-Z ]+); Schema: (.*); Owner:.*\n--\n`)

// entries turns one section of an archive into SQL, entry by entry, in the order in which pg_restore would
// run them. Owners are left out: who restores owns.
func entries(ctx context.Context, archive []byte, section string) ([]entry, error) {
	path, err := program("pg_restore")
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	args := []string{"--no-owner", "--file=-"}
	if section != "" {
		args = append(args, "--section="+section)
	}
	if _, err := run(ctx, path, "", bytes.NewReader(archive), &text, args...); err != nil {
		return nil, err
	}
	return splitEntries(withoutRestrict(text.String())), nil
}

func splitEntries(text string) []entry {
	found := header.FindAllStringSubmatchIndex(text, -1)
	list := make([]entry, 0, len(found))
	for i, at := range found {
		end := len(text)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		schema, name := text[at[6]:at[7]], text[at[2]:at[3]]
		if schema != "-" {
			name = schema + "." + name
		}
		sql := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text[at[1]:end]), "--\n-- PostgreSQL database dump complete\n--"))
		list = append(list, entry{Name: name, Type: text[at[4]:at[5]], SQL: sql})
	}
	return list
}

var restrict = regexp.MustCompile(`(?m)^\\(un)?restrict [A-Za-z0-9]+\n`)

// withoutRestrict drops psql's guard against injected meta-commands: we speak to the server, not to psql.
func withoutRestrict(text string) string { return restrict.ReplaceAllString(text, "") }

// normalized is what two equal schemas have in common: their entries without order, and the columns of each
// table without order, since a child's inherited columns may move.
func normalized(list []entry, waived map[string]bool) string {
	texts := make([]string, 0, len(list))
	for _, e := range list {
		// An entry that is all comment says who owns the public schema: owners are not compared.
		if waived[e.Type+" "+e.Name] || onlyComment(e.SQL) {
			continue
		}
		sql := e.SQL
		if e.Type == "TABLE" || e.Type == "FOREIGN TABLE" {
			lines := strings.Split(sql, "\n")
			for i := range lines {
				lines[i] = strings.TrimSuffix(strings.TrimSpace(lines[i]), ",")
			}
			sort.Strings(lines)
			sql = strings.Join(lines, "\n")
		}
		texts = append(texts, e.Type+" "+e.Name+"\n"+sql)
	}
	sort.Strings(texts)
	return strings.Join(texts, "\n\n")
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
