package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// PostData creates everything that comes after the data, on so many connections: indexes, keys, foreign keys,
// triggers, rules and the rest, each after what it needs; then it puts back the checks that had to wait for
// all rows, refreshes the materialized views that were populated, sets the sequences and analyzes. Each
// entry is noted in the transaction that made it, so it is safe to repeat. It returns what an unprivileged
// owner had to leave out.
func (r *Restorer) PostData(ctx context.Context, archive []byte, catalog manifest.Catalog, connections int) (waived []string, err error) {
	done, err := r.done(ctx, stepPostData)
	if err != nil {
		return nil, err
	}
	if !done {
		p, err := r.plan(ctx, archive, sectionPostData)
		if err == nil {
			p.todo, err = r.relevant(ctx, p.todo)
		}
		if err != nil {
			return nil, err
		}
		// Rights come after all objects, since they may take away what creating the next one needs; event
		// triggers last, since they fire on what we do.
		var passes [3][]entry
		for _, e := range p.todo {
			passes[passOf(e)] = append(passes[passOf(e)], e)
		}
		if err := r.create(ctx, p, passes[0], archive, connections); err != nil {
			return nil, err
		}
		if err := r.create(ctx, p, passes[1], archive, 1); err != nil {
			return nil, err
		}
		if err := r.conclude(ctx, catalog); err != nil {
			return nil, err
		}
		if err := r.create(ctx, p, passes[2], archive, 1); err != nil {
			return nil, err
		}
		if err := r.atomically(ctx, "note end", func(tx pgx.Tx) error { return mark(ctx, tx, stepPostData) }); err != nil {
			return nil, err
		}
	}
	return r.waived(ctx)
}

// create runs entries on so many connections of their own.
func (r *Restorer) create(ctx context.Context, p *planned, todo []entry, archive []byte, connections int) error {
	all, err := toc(archive)
	if err != nil {
		return err
	}
	return newSchedule(todo, all).run(ctx, connections, func(ctx context.Context, in <-chan *job, done chan<- *job) error {
		helper, err := NewRestorer(ctx, r.address, r.backup)
		if err != nil {
			return err
		}
		defer helper.Close(ctx)
		helper.roles, helper.selected = r.roles, r.selected
		for j := range in {
			err := helper.atomically(ctx, "create "+strings.ToLower(j.Type), func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, quietly, pgx.QueryExecModeSimpleProtocol); err != nil {
					return err
				}
				if err := helper.runEntry(ctx, tx, j.entry, p.lost(j.entry)); err != nil {
					return err
				}
				return p.note(ctx, tx, j.entry)
			})
			if err != nil {
				return err
			}
			done <- j
		}
		return nil
	})
}

// once runs do in a transaction with its mark, unless that was committed already.
func (r *Restorer) once(ctx context.Context, step string, do func(pgx.Tx) error) error {
	done, err := r.done(ctx, step)
	if err != nil || done {
		return err
	}
	return r.atomically(ctx, "do step "+step, func(tx pgx.Tx) error {
		if err := do(tx); err != nil {
			return err
		}
		return mark(ctx, tx, step)
	})
}

// sequencesBatch is how many sequences are set in one transaction: each is locked until its end.
const sequencesBatch = 500

// conclude does what no archive holds. Each view is refreshed in a transaction of its own: it may take
// hours, and a repetition goes on after it.
func (r *Restorer) conclude(ctx context.Context, catalog manifest.Catalog) error {
	if err := r.restoreChecks(ctx); err != nil {
		return err
	}
	left, err := r.leftOut(ctx)
	if err == nil {
		catalog, err = r.present(ctx, catalog)
	}
	if err != nil {
		return err
	}
	for _, view := range catalog.MatViews {
		gone := func(w waiver) bool { return w.entry == "MATERIALIZED VIEW "+view.Schema+"."+view.Name }
		if !view.Populated || slices.ContainsFunc(left, gone) {
			continue
		}
		name := relation(view.Schema, view.Name)
		err := r.once(ctx, "refresh "+name, func(tx pgx.Tx) error {
			err := inSavepoint(ctx, tx, "REFRESH MATERIALIZED VIEW "+name)
			if err != nil && ctx.Err() == nil {
				// Its functions may only work with the search path of their applications.
				if inSavepoint(ctx, tx, searchPath(view.Schema)+"REFRESH MATERIALIZED VIEW "+name+";"+noSearchPath) == nil {
					return nil
				}
			}
			return r.refreshed(ctx, tx, name, err)
		})
		if err != nil {
			return err
		}
	}
	for batch := range slices.Chunk(catalog.Sequences, sequencesBatch) {
		err := r.atomically(ctx, "set sequences", func(tx pgx.Tx) error {
			calls := make([]string, len(batch))
			for i, s := range batch {
				calls[i] = fmt.Sprintf("SELECT pg_catalog.setval(%s::regclass, %d, %t)", literal(relation(s.Schema, s.Name)), s.LastValue, s.IsCalled)
			}
			_, err := tx.Exec(ctx, strings.Join(calls, ";\n"), pgx.QueryExecModeSimpleProtocol)
			return err
		})
		if err != nil {
			return err
		}
	}
	return r.restoreObjectNotes(ctx, catalog)
}
