package activities

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// lockLanes is how many objects are locked at a time: each is one small request.
const lockLanes = 8

// lockAll makes the locks of pinned versions reach at least until. The store reads each lock back.
func lockAll(ctx context.Context, s store.Store, objects []manifest.Object, until time.Time, count *counter) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lockLanes)
	for _, o := range objects {
		group.Go(func() error {
			if err := s.Extend(ctx, o.Key, o.Version, until); err != nil {
				return fromStore(err, "lock object")
			}
			count.chunks.Add(1)
			return nil
		})
	}
	return group.Wait()
}
