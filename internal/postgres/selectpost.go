package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// ofTheDatabase are kinds of entries that belong to the database and not to one of its tables: they would act on
// whatever is done in the target from then on.
var ofTheDatabase = map[string]bool{
	"EVENT TRIGGER": true, "PUBLICATION": true, "PUBLICATION TABLE": true, "PUBLICATION TABLES IN SCHEMA": true, "SUBSCRIPTION": true,
}

// unlisted are kinds of entries that only say more about another entry, which is listed itself.
var unlisted = map[string]bool{"COMMENT": true, "ACL": true, "SECURITY LABEL": true, "INDEX ATTACH": true}

// relevant takes out of a section what belongs to tables that are not selected, or to the database as a whole, and
// notes it. Without a selection everything is relevant. It is safe to repeat.
func (r *Restorer) relevant(ctx context.Context, list []entry) ([]entry, error) {
	if r.selected == nil {
		return list, nil
	}
	absent, err := r.absent(ctx, "table", "foreign table", "view", "materialized view")
	if err != nil {
		return nil, err
	}
	var rest []entry
	err = r.atomically(ctx, "leave out what is not selected", func(tx pgx.Tx) error {
		for _, e := range list {
			of, known := subject(e)
			var err error
			switch {
			case ofTheDatabase[e.Type]:
				err = noteAbsent(ctx, tx, e, "it belongs to the database, not to one of its tables", true)
			case known && absent[of.String()]:
				err = noteAbsent(ctx, tx, e, "", false)
			default:
				rest = append(rest, e)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return rest, err
}

// absent are the quoted names of what is not in the target, of these kinds or of all.
func (r *Restorer) absent(ctx context.Context, kinds ...string) (map[string]bool, error) {
	rows, err := r.conn.Query(ctx, `SELECT qualified FROM `+bookkeeping+`.absent WHERE $1 OR kind = ANY ($2::text[])`, len(kinds) == 0, append([]string{}, kinds...))
	if err != nil {
		return nil, fail("list what is not selected", "", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fail("list what is not selected", "", err)
	}
	absent := make(map[string]bool, len(names))
	for _, name := range names {
		absent[canonical(name)] = true
	}
	return absent, nil
}

// canonical quotes a name that the server or pg_dump wrote as we do.
func canonical(name string) string {
	if n, rest, ok := takeRelation(name); ok && rest == "" {
		return n.String()
	}
	return name
}

// noteAbsent notes an entry that is not made, and the name of what it would have made: others may need that.
func noteAbsent(ctx context.Context, tx pgx.Tx, e entry, reason string, listed bool) error {
	if name, word, ok := made(e); ok {
		if _, err := tx.Exec(ctx, `INSERT INTO `+bookkeeping+`.absent VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, e.Type, e.Name, name, word); err != nil {
			return err
		}
	}
	return noteLeft(ctx, tx, e.Type, e.Name, reason, listed)
}

// made is what an entry makes, as comments on it and what builds on it name it.
func made(e entry) (qualified, word string, ok bool) {
	if ofTheDatabase[e.Type] {
		return ident(e.Name), e.Name, true
	}
	if at := createOther.FindStringIndex(e.SQL); at != nil {
		word, _, ok = takeIdent(e.SQL[at[1]:])
		return ident(word), word, ok
	}
	of, known := subject(e)
	if !known {
		return "", "", false
	}
	if at := createIndex.FindStringIndex(e.SQL); at != nil {
		word, _, ok = takeIdent(e.SQL[at[1]:])
	} else {
		_, rest, found := strings.Cut(e.SQL, "ADD CONSTRAINT ")
		if !found {
			return "", "", false
		}
		word, _, ok = takeIdent(rest)
	}
	return relation(of.schema, word), word, ok
}

// foreignKeyViolation: rows are referred to that are, for example, in an excluded partition.
const foreignKeyViolation = "23503"

// leaveOut decides about an entry that failed: where the server says that something is not there which a selection
// left out, the entry is left out, too, and noted. Everything else is a failure.
func (r *Restorer) leaveOut(ctx context.Context, tx pgx.Tx, e entry, failed *Error) (bool, error) {
	if r.selected == nil {
		return false, nil
	}
	reason, listed := "", !unlisted[e.Type]
	switch {
	case strings.HasSuffix(e.Type, "ACL") && failed.Code == "42704":
		return false, nil // it is a role that is not there, whatever its name
	case unresolved[failed.Code]:
		needed, err := missing(ctx, tx, failed.Err.Error())
		if err != nil || needed.Word == "" {
			return false, err
		}
		reason = "it needs " + needed.Identity + ", which is not here"
		// Of what belongs to a table that is not selected nobody asks.
		if n, _, ok := takeRelation(needed.Qualified); ok && strings.HasPrefix(e.Name, n.schema+"."+n.name+" ") && strings.Contains(e.SQL, " "+needed.Qualified) {
			listed = false
		}
	case failed.Code == foreignKeyViolation && e.Type == "FK CONSTRAINT":
		reason = "rows that it refers to are not here"
	default:
		return false, nil
	}
	if err := noteAbsent(ctx, tx, e, reason, listed); err != nil {
		return false, err
	}
	view, ok := completedView(e)
	kind := "v"
	if e.Type == refreshEntry {
		if view, _, ok = takeRelation(strings.TrimPrefix(e.SQL, refreshStatement)); ok {
			kind = "m"
		}
	}
	if !ok {
		return true, nil
	}
	// What stands there is a view of nulls, or one that could not be filled: it would look like data.
	return true, remove(ctx, tx, fmt.Sprintf(`SELECT %s::regclass::oid AS oid, '%s'::"char" AS relkind`, literal(view.String()), kind), reason)
}

// refreshed says what became of a materialized view: one that could not be filled, as its functions read what is not
// selected, is left out.
func (r *Restorer) refreshed(ctx context.Context, tx pgx.Tx, name string, err error) error {
	failed := fail("refresh materialized view", name, err)
	var known *Error
	if errors.As(failed, &known) && ctx.Err() == nil {
		if left, err := r.leaveOut(ctx, tx, entry{Type: refreshEntry, Name: name, SQL: refreshStatement + name}, known); left || err != nil {
			return err
		}
	}
	return failed
}

const (
	refreshEntry     = "MATERIALIZED VIEW DATA"
	refreshStatement = "REFRESH MATERIALIZED VIEW "
)

// absentee is an object that a selection left out.
type absentee struct{ Word, Identity, Qualified string }

// missing finds which absent object a message names; none where it names none. It stands between anything but
// letters and digits: messages quote names, or do not.
func missing(ctx context.Context, tx pgx.Tx, message string) (best absentee, err error) {
	rows, err := tx.Query(ctx, `SELECT word, identity, qualified FROM `+bookkeeping+`.absent WHERE word <> '' AND pg_catalog.strpos($1, word) > 0 ORDER BY 1, 2, 3`, message)
	if err != nil {
		return best, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[absentee])
	if err != nil {
		return best, err
	}
	for _, n := range found {
		if len(n.Word) > len(best.Word) && regexp.MustCompile(`(^|[^\pL\pN_$])`+regexp.QuoteMeta(n.Word)+`([^\pL\pN_$]|$)`).MatchString(message) {
			best = n
		}
	}
	return best, nil
}

// present takes out of a catalog the sequences and materialized views that a selection left out.
func (r *Restorer) present(ctx context.Context, catalog manifest.Catalog) (manifest.Catalog, error) {
	if r.selected == nil {
		return catalog, nil
	}
	absent, err := r.absent(ctx, "sequence", "materialized view")
	if err != nil {
		return catalog, err
	}
	catalog.Sequences = slices.DeleteFunc(slices.Clone(catalog.Sequences), func(s manifest.Sequence) bool { return absent[relation(s.Schema, s.Name)] })
	catalog.MatViews = slices.DeleteFunc(slices.Clone(catalog.MatViews), func(v manifest.MatView) bool { return absent[relation(v.Schema, v.Name)] })
	return catalog, nil
}
