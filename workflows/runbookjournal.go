package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
)

// journal is what of the execution is in the vaults, and what is not yet.
type journal struct {
	head    activities.JournalHead
	pending []execution.Event
	// late is why no vault takes the journal; empty while one does. Meanwhile nothing that changes
	// anything begins.
	late string
	// missed are the vaults that lack entries which another one has.
	missed []string
	// holes says that a vault lacked an entry at some time.
	holes bool
}

// journalRest is how long the journal waits after no vault took it.
const journalRest = 15 * time.Second

// keepJournal writes what is pending, in order, for as long as the execution runs.
func (e *engine) keepJournal(ctx workflow.Context) {
	// What happens during a cancellation has to be written most of all.
	ctx, done := workflow.NewDisconnectedContext(ctx)
	defer done()
	for {
		if err := workflow.Await(ctx, func() bool { return len(e.journal.pending) > 0 }); err != nil {
			return
		}
		batch := len(e.journal.pending)
		var executions *activities.Executions
		var written activities.Journaled
		err := workflow.ExecuteActivity(journaling.on(ctx, "", "Write the journal"), executions.AppendJournal, activities.JournalInput{
			Guard: e.withDocket(e.guard("journal")), Head: e.journal.head, Events: e.journal.pending[:batch],
		}).Get(ctx, &written)
		var refused *temporal.ApplicationError
		switch {
		case err == nil:
			e.journal.head, e.journal.late, e.journal.missed = written.Head, "", written.Missed
			e.journal.pending = e.journal.pending[batch:]
			e.journal.holes = e.journal.holes || len(written.Missed) > 0
			e.dirty = true
		case errors.As(err, &refused) && refused.NonRetryable():
			// Another engine writes this journal, or we may not: going on would be a second truth.
			e.broken, e.dirty = err, true
			e.stop()
			return
		default:
			e.journal.late = "no vault takes the journal: nothing that changes anything begins until one does"
			e.show(ctx)
			_ = workflow.Sleep(ctx, journalRest)
		}
	}
}

// journaled waits until everything that happened so far is in a vault.
func (e *engine) journaled(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return len(e.journal.pending) == 0 || e.broken != nil }); err != nil {
		return err
	}
	return e.broken
}

// heal gives vaults that were away for a while the entries that they lack, when all is written. One that is still
// away is left alone: `lifeboat evidence heal` does it when it is back.
func (e *engine) heal(ctx workflow.Context) {
	if !e.journal.holes || workflow.GetVersion(ctx, "2026-11-25-heal-journal", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return
	}
	var executions *activities.Executions
	var healed activities.Healed
	err := workflow.ExecuteActivity(mending.on(ctx, "", "Fill the gaps of the journal"), executions.HealJournal, activities.HealInput{
		Guard: e.withDocket(e.guard("journal")),
	}).Get(ctx, &healed)
	if err != nil {
		workflow.GetLogger(ctx).Warn("heal journal", "error", err)
		return
	}
	e.journal.missed = healed.Left
	e.show(ctx)
}
