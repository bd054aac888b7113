package activities

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

// Dumps reads databases into vaults.
type Dumps struct {
	Crew   *Crew
	Orders *Orders
	Keys   workrecord.Keys
}

func (d *Dumps) job(component, backup, snapshot string) (*job, error) {
	c, err := d.Crew.Component(component)
	if err != nil {
		return nil, err
	}
	if !manifest.ValidBackupID(backup) || snapshot == "" {
		return nil, InvalidInput("backup %q, snapshot %q: not what a workflow passes", backup, snapshot)
	}
	notes, err := workrecord.New(d.Keys, component, backup)
	if err != nil {
		return nil, Misconfigured(err, "fleet keys")
	}
	return &job{crew: d.Crew, component: c, backup: backup, snapshot: snapshot, notes: notes}, nil
}

// PlanBackup reads the catalog of a frozen branch, splits its tables into chunks, and leaves the plan as
// a sealed note. It is safe to repeat: the first plan holds.
func (d *Dumps) PlanBackup(ctx context.Context, in PlanBackupInput) (BackupPlan, error) {
	if err := d.Orders.CheckFor(in.Guard, in.Component, plan.CreateInVault); err != nil {
		return BackupPlan{}, err
	}
	j, err := d.job(in.Component, in.Backup, in.Snapshot.ID)
	if err != nil {
		return BackupPlan{}, err
	}
	defer alive(ctx, &counter{})()
	var p planned
	found, err := j.read(ctx, planNote, &p)
	if err != nil || found {
		return p.summary(), err
	}
	at, err := whereIs(ctx, j.component, in.Snapshot.Branch)
	if err != nil {
		return BackupPlan{}, err
	}
	at.Point = in.Snapshot.Point
	session, err := d.session(ctx, j.component, in.Snapshot.Branch, "")
	if err != nil {
		return BackupPlan{}, err
	}
	defer session.Close(context.WithoutCancel(ctx))
	return j.plan(ctx, session, at)
}

// CopyChunks copies a run of chunks of a frozen branch into the vault. Chunks that an earlier attempt
// finished are not read again; one that it left half-way is read again and its finished parts adopted.
func (d *Dumps) CopyChunks(ctx context.Context, in CopyChunksInput) (Copied, error) {
	if err := d.Orders.CheckFor(in.Guard, in.Component, plan.CreateInVault); err != nil {
		return Copied{}, err
	}
	j, err := d.job(in.Component, in.Backup, in.Snapshot.ID)
	if err != nil {
		return Copied{}, err
	}
	p, err := j.planned(ctx)
	if err != nil {
		return Copied{}, err
	}
	if in.From < 0 || in.To > len(p.Chunks) || in.From >= in.To {
		return Copied{}, InvalidInput("chunks %d to %d of %d", in.From, in.To, len(p.Chunks))
	}
	var count counter
	defer alive(ctx, &count)()
	address, err := d.address(ctx, j.component, in.Snapshot.Branch)
	if err != nil {
		return Copied{}, err
	}
	w := reader{job: j, plan: p, address: address, count: &count}
	defer w.close(ctx)
	return w.copy(ctx, in.From, in.To)
}

// DumpSchema writes the archive of all schema sections into the vault. It is safe to repeat.
func (d *Dumps) DumpSchema(ctx context.Context, in DumpSchemaInput) (Copied, error) {
	if err := d.Orders.CheckFor(in.Guard, in.Component, plan.CreateInVault); err != nil {
		return Copied{}, err
	}
	j, err := d.job(in.Component, in.Backup, in.Snapshot.ID)
	if err != nil {
		return Copied{}, err
	}
	defer alive(ctx, &counter{})()
	address, err := d.address(ctx, j.component, in.Snapshot.Branch)
	if err != nil {
		return Copied{}, err
	}
	return j.dumpSchema(ctx, address, "")
}

// CopyServer copies a server without branches: plan, chunks and schema through one snapshot that this
// activity holds. When it dies the snapshot is gone, so a repetition reads everything again under the
// next snapshot id, and nothing of the two is ever mixed.
func (d *Dumps) CopyServer(ctx context.Context, in CopyServerInput) (ServerCopy, error) {
	if err := d.Orders.CheckFor(in.Guard, in.Component, plan.CreateInVault); err != nil {
		return ServerCopy{}, err
	}
	snapshot := fmt.Sprintf("s%d", activity.GetInfo(ctx).Attempt)
	j, err := d.job(in.Component, in.Backup, snapshot)
	if err != nil {
		return ServerCopy{}, err
	}
	var count counter
	if err := d.Orders.checkPrimary(ctx, j.component); err != nil {
		return ServerCopy{}, err
	}
	defer alive(ctx, &count)()
	address, err := d.address(ctx, j.component, "")
	if err != nil {
		return ServerCopy{}, err
	}
	held, err := postgres.Export(ctx, address, "lifeboat snapshot")
	if err != nil {
		return ServerCopy{}, classify(err, "hold a snapshot of "+in.Component)
	}
	defer held.Close(context.WithoutCancel(ctx))
	at := positionOf(held.Position)
	session, err := d.session(ctx, j.component, "", held.ID)
	if err != nil {
		return ServerCopy{}, err
	}
	summary, err := j.plan(ctx, session, at)
	_ = session.Close(context.WithoutCancel(ctx))
	if err != nil {
		return ServerCopy{}, err
	}
	p, err := j.planned(ctx)
	if err != nil {
		return ServerCopy{}, err
	}

	results := make([]Copied, len(p.Chunks))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, j.component.Connections) + 1)
	group.Go(func() error {
		_, err := j.dumpSchema(groupCtx, address, held.ID)
		return err
	})
	lanes := make(chan int)
	for range max(1, j.component.Connections) {
		group.Go(func() error {
			w := reader{job: j, plan: p, address: address, snapshot: held.ID, count: &count}
			defer w.close(groupCtx)
			for i := range lanes {
				copied, err := w.copy(groupCtx, i, i+1)
				if err != nil {
					return err
				}
				results[i] = copied
			}
			return nil
		})
	}
	for i := range p.Chunks {
		select {
		case lanes <- i:
		case <-groupCtx.Done():
		}
	}
	close(lanes)
	if err := group.Wait(); err != nil {
		return ServerCopy{}, err
	}
	result := ServerCopy{Snapshot: Snapshot{ID: snapshot, Point: at.Point}, Plan: summary}
	for _, r := range results {
		result.Copied = result.Copied.Add(r)
	}
	return result, nil
}

// session opens a connection that reads one snapshot.
func (d *Dumps) session(ctx context.Context, c *Component, branch, snapshot string) (*postgres.Conn, error) {
	address, err := d.address(ctx, c, branch)
	if err != nil {
		return nil, err
	}
	conn, err := postgres.Connect(ctx, address, postgres.Options{Snapshot: snapshot, ReadOnly: true})
	return conn, classify(err, "connect to "+c.Name)
}

func (d *Dumps) address(ctx context.Context, c *Component, branch string) (secret.String, error) {
	address, err := c.Source.Address(ctx, branch)
	return address, classify(err, "find the way to "+c.Name)
}
