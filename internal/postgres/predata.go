package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// The steps of a restore as they are marked.
const (
	stepPreData  = "pre-data"
	stepPostData = "post-data"
)

// preDataBatch is how many entries are created in one transaction: each holds locks until its end, and a
// server has room for some thousands.
const preDataBatch = 200

// PreData creates everything that comes before the data, in batches that are noted with what they made,
// and returns what an unprivileged owner had to leave out. It is safe to repeat, and goes on where it was.
func (r *Restorer) PreData(ctx context.Context, archive []byte) (waived []string, err error) {
	done, err := r.done(ctx, stepPreData)
	if err != nil {
		return nil, err
	}
	if !done {
		if err := r.preData(ctx, archive); err != nil {
			return nil, err
		}
	}
	return r.waived(ctx)
}

func (r *Restorer) preData(ctx context.Context, archive []byte) error {
	if err := r.refuseEncoding(ctx, archive); err != nil {
		return err
	}
	p, err := r.plan(ctx, archive, sectionPreData)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(p.todo, preDataBatch) {
		err := r.atomically(ctx, "create tables", func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, quietly, pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
			for _, e := range batch {
				if err := r.runEntry(ctx, tx, e, p.lost(e)); err != nil {
					return err
				}
				if err := p.note(ctx, tx, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := r.narrow(ctx); err != nil {
		return err
	}
	return r.atomically(ctx, "create tables", func(tx pgx.Tx) error {
		if err := r.narrowed(ctx, tx); err != nil {
			return err
		}
		if err := r.refuseForcedRowSecurity(ctx, tx, archive); err != nil {
			return err
		}
		if err := r.deferChecks(ctx, tx); err != nil {
			return err
		}
		return mark(ctx, tx, stepPreData)
	})
}

const quietly = "SET LOCAL check_function_bodies = false; SET LOCAL client_min_messages = warning"

// refuseEncoding says at once that the target's encoding is another: its texts would not be the same bytes.
func (r *Restorer) refuseEncoding(ctx context.Context, archive []byte) error {
	all, err := toc(archive)
	if err != nil {
		return err
	}
	var here string
	if err := r.conn.QueryRow(ctx, "SHOW server_encoding").Scan(&here); err != nil {
		return fail("ask for encoding", "", err)
	}
	for _, e := range all {
		if e.Type == "ENCODING" && !strings.Contains(e.SQL, literal(here)) {
			return &Error{Op: "create tables", Kind: ErrInvalid, Err: fmt.Errorf("the target's encoding is %s and not the source's (%s)", here, strings.TrimSpace(e.SQL)),
				Hint: "make the target with the source's encoding, from template0"}
		}
	}
	return nil
}

// refuseForcedRowSecurity says before any row is loaded that row security will hide the rows from who
// restores them, so that nothing could be compared.
func (r *Restorer) refuseForcedRowSecurity(ctx context.Context, tx pgx.Tx, archive []byte) error {
	post, err := entries(archive, sectionPostData)
	if err != nil {
		return err
	}
	secured := map[string]bool{}
	for _, e := range post {
		if e.Type == "ROW SECURITY" {
			secured[relation(e.Schema, e.Tag)] = true
		}
	}
	rows, err := tx.Query(ctx, `SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, pg_catalog.pg_roles u
		WHERE c.relforcerowsecurity AND u.rolname = CURRENT_USER AND NOT u.rolsuper AND NOT u.rolbypassrls ORDER BY 1, 2`)
	if err != nil {
		return err
	}
	var schema, name string
	var hidden []string
	_, err = pgx.ForEachRow(rows, []any{&schema, &name}, func() error {
		if name := relation(schema, name); secured[name] {
			hidden = append(hidden, name)
		}
		return nil
	})
	if err != nil || len(hidden) == 0 {
		return err
	}
	return &Error{Op: "create tables", Kind: ErrPermission,
		Err:  errors.New("forced row security would hide rows from who restores them in " + strings.Join(hidden, ", ")),
		Hint: "as an administrator, run: ALTER ROLE " + ident(r.roles.restorer) + " BYPASSRLS"}
}

// planned are the entries of a section that are still to be created.
type planned struct {
	todo []entry
	mu   sync.Mutex
	// left are the ids of entries that were left out, with their keys.
	left map[int]string
}

// plan reads a section, gives its entries the target's roles and tablespaces, and takes away those that
// an earlier attempt created.
func (r *Restorer) plan(ctx context.Context, archive []byte, section int) (*planned, error) {
	all, err := entries(archive, 0)
	if err != nil {
		return nil, err
	}
	made, err := r.steps(ctx)
	if err != nil {
		return nil, err
	}
	left, err := r.leftOut(ctx)
	if err != nil {
		return nil, err
	}
	keys := map[string]bool{}
	for _, w := range left {
		keys[w.entry] = true
	}
	p := &planned{left: map[int]string{}}
	unmapped := map[string]int{}
	for _, e := range all {
		source := e.Owner
		e = r.roles.apply(e)
		if keys[e.key()] {
			p.left[e.ID] = e.key()
		}
		if ownership(e) != "" && r.roles.owner(source) == r.roles.restorer && source != r.roles.restorer && r.roles.to[source] == "" {
			unmapped[source]++
		}
		if e.section == section && !made[entryStep(e)] {
			p.todo = append(p.todo, e)
		}
	}
	if section == sectionPreData {
		if err := r.reportOwners(ctx, unmapped); err != nil {
			return nil, err
		}
	}
	return p, r.placeEntries(ctx, p.todo)
}

// reportOwners notes whose objects will belong to who restores them.
func (r *Restorer) reportOwners(ctx context.Context, unmapped map[string]int) error {
	return r.atomically(ctx, "report owners", func(tx pgx.Tx) error {
		for role, count := range unmapped {
			if strings.HasPrefix(role, "pg_") {
				continue
			}
			if err := waive(ctx, tx, "OWNER "+role, fmt.Sprintf("%d objects of this role belong to who restored them, %s: restore.owners can map it", count, r.roles.restorer)); err != nil {
				return err
			}
		}
		return nil
	})
}

// placeEntries takes tablespaces off entries that the target does not have or does not let the role use.
func (r *Restorer) placeEntries(ctx context.Context, list []entry) error {
	rows, err := r.conn.Query(ctx, `SELECT spcname::text FROM pg_catalog.pg_tablespace WHERE pg_catalog.has_tablespace_privilege(oid, 'CREATE')`)
	if err != nil {
		return fail("list tablespaces", "", err)
	}
	usable, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fail("list tablespaces", "", err)
	}
	return r.atomically(ctx, "place tables", func(tx pgx.Tx) error {
		for i, e := range list {
			if e.Tablespace == "" || slices.Contains(usable, e.Tablespace) {
				continue
			}
			list[i].Tablespace = ""
			if err := waive(ctx, tx, "TABLESPACE "+e.Tablespace, "the target has no such tablespace that the role may use: what was in it is in the default one"); err != nil {
				return err
			}
		}
		return nil
	})
}

// lost is the key of an entry that was left out and that this one needs.
func (p *planned) lost(e entry) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range e.Needs {
		if key, ok := p.left[id]; ok {
			return key
		}
	}
	return ""
}

// note marks an entry as made, and remembers when it was left out.
func (p *planned) note(ctx context.Context, tx pgx.Tx, e entry) error {
	var left bool
	err := tx.QueryRow(ctx, `WITH made AS (INSERT INTO `+bookkeeping+`.done (step) VALUES ($1))
		SELECT EXISTS (SELECT FROM `+bookkeeping+`.waived WHERE entry = $2)`, entryStep(e), e.key()).Scan(&left)
	if left && !partly[e.Type] {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.left[e.ID] = e.key()
	}
	return err
}

// partly are kinds of which a part may have been left out and nothing depends on.
var partly = map[string]bool{"ACL": true, "ACL LANGUAGE": true, "DEFAULT ACL": true}

func entryStep(e entry) string { return "entry " + strconv.Itoa(e.ID) }

// steps lists what was committed.
func (r *Restorer) steps(ctx context.Context) (map[string]bool, error) {
	rows, err := r.conn.Query(ctx, `SELECT step FROM `+bookkeeping+`.done`)
	if err != nil {
		return nil, fail("list steps", "", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	made := make(map[string]bool, len(list))
	for _, step := range list {
		made[step] = true
	}
	return made, fail("list steps", "", err)
}
