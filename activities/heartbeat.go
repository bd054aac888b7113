package activities

import (
	"context"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
)

// beatEvery is well below every heartbeat timeout of the workflows' profiles.
const beatEvery = 5 * time.Second

// beat is what an activity says of itself while it works: counts only.
type beat struct {
	Chunks int64 `json:"chunks"`
	Rows   int64 `json:"rows"`
	Bytes  int64 `json:"bytes"`
}

// counter is a beat that many goroutines add to.
type counter struct{ chunks, rows, bytes atomic.Int64 }

func (c *counter) beat() beat {
	return beat{Chunks: c.chunks.Load(), Rows: c.rows.Load(), Bytes: c.bytes.Load()}
}

// alive heartbeats until the returned function is called. A cancellation that the server answers with
// reaches the activity through its context.
func alive(ctx context.Context, c *counter) (stop func()) {
	done := make(chan struct{})
	// What ends sooner says nothing: each heartbeat is a write to Temporal's database.
	go func() {
		tick := time.NewTicker(beatEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
				activity.RecordHeartbeat(ctx, c.beat())
			}
		}
	}()
	return func() { close(done) }
}
