package postgres

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// compareSelection says whether exactly the selected tables are in the target.
func (r *Restorer) compareSelection(ctx context.Context) (manifest.Check, error) {
	var surplus, gone []string
	err := r.conn.QueryRow(ctx, `SELECT
		ARRAY(SELECT pg_catalog.format('%I.%I', o.schema, o.name) FROM (`+ownTables+`) o LEFT JOIN `+bookkeeping+`.kept k USING (schema, name) WHERE k.name IS NULL ORDER BY 1),
		ARRAY(SELECT pg_catalog.format('%I.%I', k.schema, k.name) FROM `+bookkeeping+`.kept k LEFT JOIN (`+ownTables+`) o USING (schema, name) WHERE o.name IS NULL ORDER BY 1)`).
		Scan(&surplus, &gone)
	if err != nil {
		return manifest.Check{}, fail("look for selected tables", "", err)
	}
	c := manifest.Check{Name: "selection:tables", OK: len(surplus)+len(gone) == 0, Detail: fmt.Sprintf("%d of %d tables, and no other", r.selected.Tables, r.selected.Of)}
	if !c.OK {
		c.Detail = fmt.Sprintf("not selected and there: %s; selected and not there: %s", strings.Join(surplus, ", "), strings.Join(gone, ", "))
	}
	return c, nil
}

// names are the qualified names in SQL that PostgreSQL wrote.
var names = regexp.MustCompile(`(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)\.(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)`)

// compareSelectedSchema compares what is in the target with the backup's archive, entry by entry. Everything that is
// there has to be as in the archive, but for tables that lost a parent. Everything that is not there has to have been
// noted, or to be about something that is not there.
func (r *Restorer) compareSelectedSchema(ctx context.Context, archive, there []entry, waived []waiver) (manifest.Check, error) {
	absent, err := r.absent(ctx)
	if err != nil {
		return manifest.Check{}, err
	}
	left, orphans, err := r.noted(ctx)
	if err != nil {
		return manifest.Check{}, err
	}
	isOrphan := func(e entry) bool {
		return isTable(e) && orphans[relation(e.Schema, e.Tag)]
	}
	want, have := r.texts(archive, waived), r.texts(there, waived)
	var wrong []string
	equal, missing := 0, 0
	for text, e := range have {
		if _, ok := want[text]; ok {
			equal++
		} else if !isOrphan(e) {
			wrong = append(wrong, e.key())
		}
	}
	for text, e := range want {
		if _, ok := have[text]; ok {
			continue
		}
		missing++
		switch {
		case left[e.key()], isOrphan(e):
		case e.Type != "TABLE ATTACH" && r.keeps(e),
			!slices.ContainsFunc(names.FindAllString(e.SQL, -1), func(name string) bool { return absent[canonical(name)] }):
			wrong = append(wrong, e.key())
		}
	}
	slices.Sort(wrong)
	c := manifest.Check{Name: "schema:schema", OK: len(wrong) == 0, Detail: fmt.Sprintf("%d entries, %d left out", equal, missing)}
	if !c.OK {
		c.Detail = "differs at " + strings.Join(wrong[:min(len(wrong), shownNames)], ", ")
	}
	return c, nil
}

// keeps says whether an entry belongs to a selected table.
func (r *Restorer) keeps(e entry) bool {
	of, ok := subject(e)
	if !ok && isTable(e) {
		of, ok = relationName{e.Schema, e.Tag}, true
	}
	return ok && slices.Contains(r.selected.keep, of)
}

// texts are entries by what is compared of them.
func (r *Restorer) texts(list []entry, waived []waiver) map[description]entry {
	byKey := make(map[string]entry, len(list))
	for _, e := range list {
		byKey[e.key()] = e
	}
	found := make(map[description]entry, len(list))
	for _, d := range r.described(list, waived) {
		found[d] = byKey[d.key]
	}
	return found
}

// noted reads which entries were left out, and which tables lost a parent.
func (r *Restorer) noted(ctx context.Context) (left, orphans map[string]bool, err error) {
	rows, err := r.conn.Query(ctx, `SELECT kind, name FROM `+bookkeeping+`.left_out`)
	if err != nil {
		return nil, nil, fail("list what was left out", "", err)
	}
	left, orphans = map[string]bool{}, map[string]bool{}
	var kind, name string
	_, err = pgx.ForEachRow(rows, []any{&kind, &name}, func() error {
		left[kind+" "+name] = true
		if child, _, ok := takeRelation(name); ok && kind == kindParent {
			orphans[child.String()] = true
		}
		return nil
	})
	return left, orphans, fail("list what was left out", "", err)
}
