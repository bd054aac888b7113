package activities

import (
	"context"
	"sync"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
)

// Selection says which tables of a backup are restored, by patterns as [postgres.Selection] reads them. Nil and
// empty mean everything.
type Selection struct {
	Tables  []string `json:"tables,omitempty"`
	Schemas []string `json:"schemas,omitempty"`
	// Exclude are patterns of tables that are not restored though the others fit.
	Exclude []string `json:"exclude,omitempty"`
}

// Empty says that everything is restored.
func (s *Selection) Empty() bool { return s == nil || postgres.Selection(*s).Empty() }

// SelectTablesInput is a selection to be held against a backup.
type SelectTablesInput struct {
	Component string `json:"component"`
	Backup    string `json:"backup"`
	// Vault is where the backup is read from; empty means the component's own.
	Vault     string    `json:"vault,omitempty"`
	Selection Selection `json:"selection"`
}

// SelectedTables counts what a selection fits.
type SelectedTables struct {
	// Tables are those with rows of their own, Of all of the backup.
	Tables int   `json:"tables"`
	Of     int   `json:"of"`
	Chunks int   `json:"chunks"`
	Rows   int64 `json:"rows"`
	// Batches are as in [Found], of the selected chunks.
	Batches []int `json:"batches"`
}

// maxLeftOut bounds the list of what a selection left out: it goes through histories.
const maxLeftOut = 1000

// resolved keeps the selection that was used last: every batch of a selective restore needs it.
type resolved struct {
	mu       sync.Mutex
	digest   string
	patterns postgres.Selection
	selected *postgres.Selected
}

// SelectTables holds a selection against a backup, before anything is changed. A pattern that fits nothing is an
// error that names what is there. It reads the contents and the schema of the backup, and none of its rows.
func (r *Restores) SelectTables(ctx context.Context, in SelectTablesInput) (SelectedTables, error) {
	c, err := r.Crew.ComponentIn(in.Component, in.Vault)
	if err != nil {
		return SelectedTables{}, err
	}
	if in.Selection.Empty() {
		return SelectedTables{}, InvalidInput("the selection is empty")
	}
	b, err := r.Finder.Load(ctx, c, in.Backup)
	if err != nil {
		return SelectedTables{}, err
	}
	contents, err := r.Crew.Contents(ctx, c, b)
	if err != nil {
		return SelectedTables{}, err
	}
	s := &restoring{component: c, backup: b, contents: contents}
	if err := r.restrict(ctx, s, &in.Selection); err != nil {
		return SelectedTables{}, err
	}
	out := SelectedTables{Tables: s.selected.Tables, Of: s.selected.Of, Chunks: len(s.contents.Chunks)}
	sizes := make([]int64, len(s.contents.Chunks))
	for i, chunk := range s.contents.Chunks {
		sizes[i] = chunk.Bytes
		out.Rows += chunk.Rows
	}
	out.Batches = batches(sizes)
	return out, nil
}

// restrict narrows what is being restored to a selection. From then on the contents hold its chunks only.
func (r *Restores) restrict(ctx context.Context, s *restoring, selection *Selection) error {
	if selection.Empty() {
		return nil
	}
	patterns := postgres.Selection(*selection)
	r.resolved.mu.Lock()
	defer r.resolved.mu.Unlock()
	if r.resolved.selected == nil || r.resolved.digest != s.backup.SHA256 || !r.resolved.patterns.Equal(patterns) {
		archive, err := r.schema(ctx, s)
		if err != nil {
			return err
		}
		selected, err := postgres.Resolve(patterns, *s.contents, archive)
		if err != nil {
			return classify(err, "read the selection")
		}
		r.resolved.digest, r.resolved.patterns, r.resolved.selected = s.backup.SHA256, patterns, selected
	}
	s.selected = r.resolved.selected
	s.contents = &s.selected.Contents
	return nil
}

// leftOut lists what a selection leaves out of the target, and counts it.
func (s *restoring) leftOut(ctx context.Context, engine *postgres.Restorer) ([]manifest.NotCovered, int, error) {
	if s.selected == nil {
		return nil, 0, nil
	}
	list, err := engine.LeftOut(ctx)
	if err != nil {
		return nil, 0, classify(err, "list what was left out")
	}
	list = append(list, s.selected.LeftOut...)
	return list[:min(len(list), maxLeftOut)], len(list), nil
}
