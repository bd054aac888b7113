package activities

import (
	"context"
	"io"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

// Restores brings backups back into databases.
type Restores struct {
	Crew   *Crew
	Orders *Orders
	Finder *Finder
	// Keys authenticate the receipts for what was done.
	Keys workrecord.Keys

	resolved resolved
}

// actionFor says what an order has to allow for a kind of target.
func actionFor(kind TargetKind) plan.Action {
	switch kind {
	case ScratchTarget:
		return plan.OwnDatabases
	case BranchTarget:
		return plan.OwnBranches
	default:
		return plan.FillEmptyTarget
	}
}

// site is a restore on its way: the backup, its contents and the target.
type restoring struct {
	component *Component
	backup    *Backup
	contents  *manifest.Contents
	place     Place
	// selected is nil when everything is restored.
	selected *postgres.Selected
}

// begin checks the order and opens the manifest. Every activity of a restore begins with it.
func (r *Restores) begin(ctx context.Context, in TargetInput) (*restoring, error) {
	named := in.Component
	if in.Target.Kind == NamedTarget {
		named = in.Target.Name // an order names targets one by one
	}
	if err := r.Orders.CheckFor(in.Guard, named, actionFor(in.Target.Kind)); err != nil {
		return nil, err
	}
	if in.Target.Kind == ScratchTarget && !in.Selection.Empty() {
		return nil, InvalidInput("a scratch database gets the whole backup: a part of it verifies nothing")
	}
	c, err := r.Crew.ComponentIn(in.Component, in.Vault)
	if err != nil {
		return nil, err
	}
	place, err := r.Crew.Place(c, in.Target)
	if err != nil {
		return nil, err
	}
	b, err := r.Finder.Load(ctx, c, in.Backup)
	if err != nil {
		return nil, err
	}
	contents, err := r.Crew.Contents(ctx, c, b)
	if err != nil {
		return nil, err
	}
	s := &restoring{component: c, backup: b, contents: contents, place: place}
	return s, r.restrict(ctx, s, in.Selection)
}

// target opens the engine on the target's database.
func (s *restoring) target(ctx context.Context, t Target) (*postgres.Restorer, error) {
	address, err := s.place.Address(ctx, t)
	if err != nil {
		return nil, classify(err, "find the way to the target")
	}
	r, err := postgres.NewRestorer(ctx, address, s.backup.Envelope.Backup)
	if err != nil {
		return nil, classify(err, "connect to the target")
	}
	r.MapOwners(s.component.Owners)
	if s.selected != nil {
		r.Select(s.selected)
	}
	return r, nil
}

// schema reads the schema archive into memory: it holds no rows.
func (r *Restores) schema(ctx context.Context, s *restoring) ([]byte, error) {
	in, err := r.Crew.open(ctx, s.component, s.contents.Schema)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data, err := io.ReadAll(in)
	return data, classify(err, "read the schema")
}

// OpenTarget makes the target's database exist and marks it as being restored. One that holds anything
// else is refused, before anything is written. It is safe to repeat.
func (r *Restores) OpenTarget(ctx context.Context, in TargetInput) (Target, error) {
	s, err := r.begin(ctx, in)
	if err != nil {
		return in.Target, err
	}
	defer alive(ctx, &counter{})()
	target, err := s.place.Open(ctx, in.Target, s.contents.Catalog)
	if err != nil {
		return in.Target, classify(err, "open the target")
	}
	engine, err := s.target(ctx, target)
	if err != nil {
		return target, err
	}
	defer engine.Close(context.WithoutCancel(ctx))
	return target, classify(engine.Prepare(ctx), "prepare the target")
}

// CreateTables restores everything that comes before the data. It is safe to repeat, and goes on where it was.
func (r *Restores) CreateTables(ctx context.Context, in TargetInput) (Restored, error) {
	s, err := r.begin(ctx, in)
	if err != nil {
		return Restored{}, err
	}
	defer alive(ctx, &counter{})()
	schema, err := r.schema(ctx, s)
	if err != nil {
		return Restored{}, err
	}
	engine, err := s.target(ctx, in.Target)
	if err != nil {
		return Restored{}, err
	}
	defer engine.Close(context.WithoutCancel(ctx))
	waived, err := engine.PreData(ctx, schema)
	return Restored{Waived: len(waived)}, classify(err, "create the tables")
}

// LoadChunks loads a run of chunks, each with its marker in one transaction: a chunk that an earlier
// attempt loaded is not loaded again.
func (r *Restores) LoadChunks(ctx context.Context, in LoadChunksInput) (sum Copied, err error) {
	s, err := r.begin(ctx, in.TargetInput)
	if err != nil {
		return sum, err
	}
	if in.From < 0 || in.To > len(s.contents.Chunks) || in.From >= in.To {
		return sum, InvalidInput("chunks %d to %d of %d", in.From, in.To, len(s.contents.Chunks))
	}
	var count counter
	defer alive(ctx, &count)()
	engine, err := s.target(ctx, in.Target)
	if err != nil {
		return sum, err
	}
	defer engine.Close(context.WithoutCancel(ctx))
	for _, chunk := range s.contents.Chunks[in.From:in.To] {
		done, err := engine.Loaded(ctx, chunk)
		if err != nil {
			return sum, classify(err, "look for chunk "+chunk.ID)
		}
		if !done {
			if err := r.load(ctx, s, engine, chunk); err != nil {
				return sum, err
			}
		}
		sum = sum.Add(counted(chunk, done))
		count.chunks.Add(1)
		count.rows.Add(chunk.Rows)
	}
	return sum, nil
}

func (r *Restores) load(ctx context.Context, s *restoring, engine *postgres.Restorer, chunk manifest.Chunk) error {
	in, err := r.Crew.open(ctx, s.component, chunk)
	if err != nil {
		return err
	}
	defer in.Close()
	return classify(engine.Load(ctx, s.contents.Catalog, chunk, in), "load chunk "+chunk.ID)
}

// CreateConstraints restores everything that comes after the data: indexes, constraints, triggers, views,
// sequences. It is safe to repeat.
func (r *Restores) CreateConstraints(ctx context.Context, in TargetInput) (Restored, error) {
	s, err := r.begin(ctx, in)
	if err != nil {
		return Restored{}, err
	}
	defer alive(ctx, &counter{})()
	schema, err := r.schema(ctx, s)
	if err != nil {
		return Restored{}, err
	}
	engine, err := s.target(ctx, in.Target)
	if err != nil {
		return Restored{}, err
	}
	defer engine.Close(context.WithoutCancel(ctx))
	waived, err := engine.PostData(ctx, schema, s.contents.Catalog, s.component.Connections)
	if err != nil {
		return Restored{}, classify(err, "create indexes and constraints")
	}
	left, count, err := s.leftOut(ctx, engine)
	return Restored{Waived: len(waived), LeftOut: left, LeftOutCount: count}, err
}

// CompareTarget reads everything back and compares it with what was read at the source. When all
// is equal a receipt says so. It changes nothing, and is safe to repeat.
func (r *Restores) CompareTarget(ctx context.Context, in TargetInput) (Compared, error) {
	s, err := r.begin(ctx, in)
	if err != nil {
		return Compared{}, err
	}
	defer alive(ctx, &counter{})()
	engine, err := s.target(ctx, in.Target)
	if err != nil {
		return Compared{}, err
	}
	defer engine.Close(context.WithoutCancel(ctx))
	schema, err := r.schema(ctx, s)
	if err != nil {
		return Compared{}, err
	}
	checks, err := engine.Compare(ctx, *s.contents, schema, s.component.Connections)
	if err != nil {
		return Compared{}, classify(err, "compare")
	}
	summed, err := summarize(checks)
	if err != nil {
		return Compared{}, err
	}
	return r.vouch(receiptCompared, in, s, summed)
}

// AnalyzeTarget gathers the planner's statistics of a target that is kept. What could not be analyzed counts
// as waived. It is safe to repeat.
func (r *Restores) AnalyzeTarget(ctx context.Context, in TargetInput) (Restored, error) {
	s, err := r.begin(ctx, in)
	if err != nil {
		return Restored{}, err
	}
	defer alive(ctx, &counter{})()
	engine, err := s.target(ctx, in.Target)
	if err != nil {
		return Restored{}, err
	}
	defer engine.Close(context.WithoutCancel(ctx))
	waived, err := engine.Analyze(ctx, s.component.Connections)
	return Restored{Waived: len(waived)}, classify(err, "gather statistics")
}

// FinishTarget removes the mark of being incomplete from a target that was compared, which the receipt has to
// prove. It is safe to repeat. It is not part of CompareTarget: what was waived is noted beside the mark, so
// a comparison could not be repeated when its worker dies between the two.
func (r *Restores) FinishTarget(ctx context.Context, in FinishTargetInput) error {
	s, err := r.begin(ctx, in.TargetInput)
	if err != nil {
		return err
	}
	kind := receiptCompared
	if s.selected != nil {
		kind += ofAPart
	}
	if err := in.Compared.holds(kind, r.Keys, in.Guard, s.backup); err != nil {
		return err
	}
	if in.Compared.Target != in.Target || in.Compared.Manifest != s.backup.SHA256 || len(in.Compared.Checks) == 0 {
		return refusedReceipt(receiptCompared, "it is of another target or manifest, or nothing was compared")
	}
	defer alive(ctx, &counter{})()
	engine, err := s.target(ctx, in.Target)
	if err != nil {
		return err
	}
	defer engine.Close(context.WithoutCancel(ctx))
	return classify(engine.Finish(ctx), "remove the restore's mark")
}

// vouch gives out checks with a receipt for them.
func (r *Restores) vouch(kind string, in TargetInput, s *restoring, checks []manifest.Check) (Compared, error) {
	if s.selected != nil {
		kind += ofAPart // a part of a backup is no proof of it
	}
	var rows int64
	for _, chunk := range s.contents.Chunks {
		rows += chunk.Rows
	}
	receipt, err := issue(r.Keys, Receipt{
		Kind: kind, Execution: in.Execution, Component: in.Component, Backup: in.Backup, Manifest: s.backup.SHA256, Target: in.Target, Checks: checks, Rows: rows,
	})
	return Compared{Checks: checks, Receipt: receipt}, err
}

// DropTarget removes a scratch database. It is safe to repeat; every other target is refused.
func (r *Restores) DropTarget(ctx context.Context, in DropTargetInput) (Dropped, error) {
	if err := r.Orders.CheckFor(in.Guard, in.Component, plan.OwnDatabases); err != nil {
		return Dropped{}, err
	}
	if in.Target.Kind != ScratchTarget {
		return Dropped{}, InvalidInput("only scratch databases are dropped, not a %s", in.Target.Kind)
	}
	c, err := r.Crew.Component(in.Component)
	if err != nil {
		return Dropped{}, err
	}
	place, err := r.Crew.Place(c, in.Target)
	if err != nil {
		return Dropped{}, err
	}
	defer alive(ctx, &counter{})()
	if err := place.Drop(ctx, in.Target); err != nil {
		return Dropped{}, classify(err, "drop the scratch database")
	}
	receipt, err := issue(r.Keys, Receipt{
		Kind: receiptDropped, Execution: in.Execution, Component: in.Component, Backup: in.Backup, Target: in.Target, After: in.After,
	})
	return Dropped{Receipt: receipt}, err
}
