package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// waivable are the kinds of entries without which the rows are whole: an owner who is not a superuser, a
// server without the source's roles or extensions, may be unable to restore them. They are never left out
// silently. Schemas, types, tables, their indexes and constraints are not among them.
var waivable = map[string]bool{
	"COMMENT": true, "ACL": true, "ACL LANGUAGE": true, "DEFAULT ACL": true, "SECURITY LABEL": true, "OWNER": true,
	"EVENT TRIGGER": true, "PUBLICATION": true, "PUBLICATION TABLE": true, "PUBLICATION TABLES IN SCHEMA": true,
	"EXTENSION": true, "PROCEDURAL LANGUAGE": true, "FUNCTION": true, "PROCEDURE": true, "AGGREGATE": true,
	"OPERATOR": true, "OPERATOR CLASS": true, "OPERATOR FAMILY": true, "ACCESS METHOD": true, "CAST": true, "TRANSFORM": true,
	"CONVERSION": true, "TEXT SEARCH PARSER": true, "TEXT SEARCH TEMPLATE": true, "POLICY": true,
	"FOREIGN DATA WRAPPER": true, "SERVER": true, "USER MAPPING": true, "FOREIGN TABLE": true,
}

// dependent are kinds that are waived only when something that they need was.
var dependent = map[string]bool{
	"VIEW": true, "MATERIALIZED VIEW": true, "RULE": true, "TRIGGER": true, "TABLE ATTACH": true, "DEFAULT": true, "STATISTICS": true,
	"TEXT SEARCH DICTIONARY": true, "TEXT SEARCH CONFIGURATION": true, "COLLATION": true, "INDEX": true,
}

// lacking are the codes of a role that may not, and of a role, program or library that is not there.
var lacking = map[string]bool{"42501": true, "42704": true, "0A000": true, "58P01": true, "22023": true}

// key names an entry in the list of what was waived.
func (e entry) key() string { return e.Type + " " + e.Name }

// waiver is what was left out, and why.
type waiver struct{ entry, reason string }

func (r *Restorer) leftOut(ctx context.Context) ([]waiver, error) {
	rows, err := r.conn.Query(ctx, `SELECT entry, reason FROM `+bookkeeping+`.waived ORDER BY 1`)
	if err != nil {
		return nil, fail("list waived entries", "", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (w waiver, err error) {
		return w, row.Scan(&w.entry, &w.reason)
	})
	return list, fail("list waived entries", "", err)
}

func (r *Restorer) waived(ctx context.Context) ([]string, error) {
	list, err := r.leftOut(ctx)
	names := make([]string, len(list))
	for i, w := range list {
		names[i] = w.entry
	}
	return names, err
}

func waive(ctx context.Context, tx pgx.Tx, entry, reason string) error {
	_, err := tx.Exec(ctx, `INSERT INTO `+bookkeeping+`.waived VALUES ($1, $2) ON CONFLICT DO NOTHING`, entry, reason)
	return err
}

// runEntry runs one entry. One that may be waived, and that the role is not allowed to run or that needs
// what is not there, is noted and left out; lost names the entry that was left out before and that this
// one needs, or is empty. The rights of one object are tried one by one.
func (r *Restorer) runEntry(ctx context.Context, tx pgx.Tx, e entry, lost string) error {
	if e.Access != "" && lost == "ACCESS METHOD "+e.Access {
		e.Access = "" // the rows are the same in the default one
	}
	pieces := []string{e.SQL}
	if e.Type == "ACL" || e.Type == "ACL LANGUAGE" || e.Type == "DEFAULT ACL" {
		pieces = grants(e.SQL)
	}
	for _, sql := range pieces {
		if err := r.runPiece(ctx, tx, e, sql, lost); err != nil {
			return err
		}
	}
	if sql := ownership(e); sql != "" && r.roles.keepsOwners() && e.Owner != r.roles.restorer {
		owner := entry{Type: "OWNER", Name: e.key(), SQL: sql}
		return r.runPiece(ctx, tx, owner, sql, lost)
	}
	return nil
}

func (r *Restorer) runPiece(ctx context.Context, tx pgx.Tx, e entry, sql, lost string) error {
	if strings.TrimSpace(sql) == "" {
		return nil
	}
	delete(tx.Conn().PgConn().CustomData(), unprivileged)
	err := inSavepoint(ctx, tx, storage(e)+sql)
	if err == nil {
		if _, warned := tx.Conn().PgConn().CustomData()[unprivileged]; warned {
			return waive(ctx, tx, e.key(), "the role may not grant or revoke all of these rights")
		}
		return nil
	}
	failed := fail("restore "+strings.ToLower(e.Type), e.Name, err)
	var known *Error
	if !errors.As(failed, &known) || ctx.Err() != nil {
		return failed
	}
	if runsFunctions[e.Type] && unresolved[known.Code] {
		// A function without a search_path of its own only works with that of its applications.
		if inSavepoint(ctx, tx, searchPath(e.Schema)+storage(e)+sql+";\n"+noSearchPath) == nil {
			return nil
		}
	}
	if left, err := r.leaveOut(ctx, tx, e, known); left || err != nil {
		return err
	}
	switch {
	case waivable[e.Type] && lacking[known.Code]:
		return waive(ctx, tx, e.key(), known.Err.Error())
	case lost != "" && (waivable[e.Type] || dependent[e.Type]) && strings.HasPrefix(known.Code, "42"):
		return waive(ctx, tx, e.key(), "it needs "+lost+", which was left out")
	case lost != "":
		known.Hint = "it needs " + lost + ", which could not be restored: install what is missing, or restore as a role that may"
	}
	return failed
}

// inSavepoint runs SQL in a savepoint and undoes it when it fails: one round trip when it does not.
func inSavepoint(ctx context.Context, tx pgx.Tx, sql string) error {
	_, err := tx.Exec(ctx, "SAVEPOINT entry;\n"+sql+"\n;RELEASE SAVEPOINT entry", pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		if _, undone := tx.Exec(ctx, "ROLLBACK TO SAVEPOINT entry; RELEASE SAVEPOINT entry", pgx.QueryExecModeSimpleProtocol); undone != nil {
			return err
		}
	}
	return err
}

// storage puts a table or an index where it was, and stores it as it was. Tablespaces that are not there were
// taken off the entry before.
func storage(e entry) string {
	var sql string
	switch e.Type {
	case "TABLE", "MATERIALIZED VIEW", "INDEX", "CONSTRAINT":
		sql = "SET LOCAL default_tablespace = " + literal(e.Tablespace) + ";\n"
	}
	if e.Access != "" {
		sql += "SET LOCAL default_table_access_method = " + literal(e.Access) + ";\n"
	}
	return sql
}

// runsFunctions are the kinds whose creation runs functions of the database.
var runsFunctions = map[string]bool{"INDEX": true, "CONSTRAINT": true, "CHECK CONSTRAINT": true}

// unresolved are the codes of names that the search path does not find.
var unresolved = map[string]bool{"42P01": true, "42883": true, "42704": true, "3F000": true, "42703": true}

const noSearchPath = "SET LOCAL search_path = ''"

// searchPath is where an application of the object's schema would look for names.
func searchPath(schema string) string {
	path := "public"
	if schema != "" && schema != "public" {
		path = ident(schema) + ", public"
	}
	return "SET LOCAL search_path = " + path + ";\n"
}

// grants cuts the rights of an object into what can be run one by one. What another role granted is run
// as that role, or not at all.
func grants(sql string) []string {
	var list []string
	var as string
	for _, s := range statements(sql) {
		switch {
		case strings.HasPrefix(s, "SET SESSION AUTHORIZATION "):
			as = s
		case strings.HasPrefix(s, "RESET SESSION AUTHORIZATION"):
			as = ""
		case as != "":
			list = append(list, as+"\n"+s+"\nRESET SESSION AUTHORIZATION;")
		default:
			list = append(list, s)
		}
	}
	return list
}

// unprivileged is where a session remembers that rights were not given or taken: the server only warns of it.
const unprivileged = "lifeboat.unprivileged"

func noteUnprivileged(conn *pgconn.PgConn, notice *pgconn.Notice) {
	if notice.Code == "01006" || notice.Code == "01007" {
		conn.CustomData()[unprivileged] = true
	}
}
