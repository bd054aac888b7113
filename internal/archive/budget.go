package archive

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// Budget bounds the bytes of sealed parts that a process holds at a time, over all chunks.
type Budget struct {
	limit int64
	sem   *semaphore.Weighted
}

// NewBudget makes a budget of so many bytes; less than one part's room is raised to that.
func NewBudget(limit int64) *Budget {
	limit = max(limit, partRoom)
	return &Budget{limit: limit, sem: semaphore.NewWeighted(limit)}
}

// take waits for room. A writer holds at most the part it fills and the one it uploads, and takes room for
// one before it starts it, so that writers cannot block each other for ever: whoever uploads gives back.
func (b *Budget) take(ctx context.Context) error {
	if b == nil {
		return nil
	}
	return b.sem.Acquire(ctx, partRoom)
}

func (b *Budget) give() {
	if b != nil {
		b.sem.Release(partRoom)
	}
}
