package archive

import "context"

// Budget bounds the sealed parts that a process holds at a time, over all chunks that are written or read. Its
// rooms are used again and again, so that memory stays where it is and the collector has nothing to do.
type Budget struct {
	// free holds the rooms that nobody uses; one that was never used is nil.
	free chan []byte
}

// NewBudget makes a budget of so many bytes; less than one part's room is raised to that.
func NewBudget(limit int64) *Budget {
	rooms := max(limit/partRoom, 1)
	b := &Budget{free: make(chan []byte, rooms)}
	for range rooms {
		b.free <- nil
	}
	return b
}

// take waits for room for one part; a nil budget always has some. Who waits holds at most parts that end by
// themselves, an upload or the part that a reader gives out, so that nobody can block others for ever.
func (b *Budget) take(ctx context.Context) ([]byte, error) {
	var room []byte
	if b != nil {
		select {
		case room = <-b.free:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if room == nil {
		room = make([]byte, 0, partRoom)
	}
	return room[:0], nil
}

// give returns room that take gave.
func (b *Budget) give(room []byte) {
	if b != nil {
		b.free <- room
	}
}
