package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/lifeboat-dr/lifeboat/internal/ledger"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
)

// WriteLedger keeps the rows that are lost when one state of a database is given up for another, sealed to the recipients
// of backups, in the component's vault, under a work order. It is safe to repeat: the ledger that an earlier try finished
// is found by its name. What is told are counts and the digest of the index, for the journal.
func (s *Steps) WriteLedger(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Component string     `json:"component"`
		Keep      onDatabase `json:"keep"`
		Lose      onDatabase `json:"lose"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode != plan.ModePlan {
		if err := s.Orders.CheckStep(ctx, in, plan.CreateInVault); err != nil {
			return StepDone{}, err
		}
	}
	c, err := s.Crew.Component(p.Component)
	if err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode == plan.ModePlan {
		return intended(in.With, ledgerOutputs(c.Vault.Name, ledger.Index{}, "", "0s")), nil
	}
	moved := &counter{}
	defer alive(ctx, moved)()
	began := time.Now()
	fleet, err := receiptBox(s.Keys, in.Guard.Execution)
	if err != nil {
		return StepDone{}, err
	}
	index, digest, err := ledger.Find(ctx, c.Vault.Store, fleet, in.Guard.Execution, in.Guard.Step)
	if errors.Is(err, ledger.ErrAltered) {
		return StepDone{}, hinted(TypeUntrusted, err, "find out who can write to the vault; the ledger is written by another step", "what is in vault %s in the place of the ledger is not this step's", c.Vault.Name)
	}
	if err != nil {
		return StepDone{}, classify(err, "look for the ledger")
	}
	if index == nil {
		if index, digest, err = s.writeLedger(ctx, in.Guard, c, fleet, p.Keep, p.Lose, moved); err != nil {
			return StepDone{}, classify(err, "write the ledger")
		}
	}
	return s.done(in.Guard, ledgerOutputs(c.Vault.Name, *index, digest, tookSince(began)))
}

func (s *Steps) writeLedger(ctx context.Context, g plan.Guard, c *Component, fleet ledger.Fleet, keep, lose onDatabase, moved *counter) (*ledger.Index, string, error) {
	earlier, err := s.reading(ctx, g, keep)
	if err != nil {
		return nil, "", err
	}
	defer earlier.Close(context.WithoutCancel(ctx))
	later, err := s.reading(ctx, g, lose)
	if err != nil {
		return nil, "", err
	}
	defer later.Close(context.WithoutCancel(ctx))
	now := activity.GetInfo(ctx).ScheduledTime.UTC()
	var until time.Time
	if g.Mode == plan.ModeLive && c.Vault.Retain > 0 { // nobody needs a drill's for years
		until = now.Add(c.Vault.Retain)
	}
	w, err := ledger.NewWriter(c.Vault.Store, fleet, s.Crew.Recipients, until, ledger.Index{Execution: g.Execution, Step: g.Step, Component: c.Name, Written: now})
	if err != nil {
		return nil, "", err
	}
	defer w.Abandon()
	_, err = postgres.LostRows(ctx, earlier, later, func(r postgres.LostRow) error {
		moved.chunks.Add(1)
		return w.Add(ctx, ledger.Row{Table: r.Schema + "." + r.Name, Change: string(r.Change), Was: valuesOf(r.Columns, r.Was), Is: valuesOf(r.Columns, r.Is)})
	})
	if err != nil {
		return nil, "", err
	}
	index, digest, err := w.Close(ctx)
	return &index, digest, err
}

// reading opens a session that only reads, in one moment of a database.
func (s *Steps) reading(ctx context.Context, g plan.Guard, on onDatabase) (*postgres.Conn, error) {
	address, err := s.addressOf(ctx, g, on)
	if err != nil {
		return nil, err
	}
	conn, err := postgres.Connect(ctx, address, postgres.Options{ReadOnly: true, AppName: "lifeboat ledger"})
	return conn, classify(err, "connect to the database")
}

func valuesOf(columns []string, values [][]byte) map[string]ledger.Value {
	if values == nil {
		return nil
	}
	row := make(map[string]ledger.Value, len(columns))
	for i, name := range columns {
		row[name] = values[i]
	}
	return row
}

func ledgerOutputs(vault string, index ledger.Index, digest, took string) map[string]any {
	return map[string]any{
		"vault": vault, "inserted": float64(index.Inserted), "updated": float64(index.Updated), "deleted": float64(index.Deleted),
		"parts": float64(len(index.Parts)), "digest": digest, "took": took,
	}
}
