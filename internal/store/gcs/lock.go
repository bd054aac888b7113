package gcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// Extend implements [store.Store]. A lock keeps its mode; a version without one gets the configured mode.
func (s *Store) Extend(ctx context.Context, key, version string, until time.Time) error {
	if err := store.CheckKey("extend", key); err != nil {
		return err
	}
	present, err := s.attrs(ctx, "extend", key, version)
	if err != nil {
		return err
	}
	if until.IsZero() {
		return nil
	}
	until = wholeSecond(until)
	ctx, cancel := s.within(ctx, 0)
	defer cancel()
	if o, _ := s.object(key, present); !until.After(o.RetainUntil) {
		return nil
	}
	mode := s.cfg.LockMode.retention()
	switch {
	case present.Retention != nil && present.Retention.Mode != "":
		mode = present.Retention.Mode
	case s.cfg.LockMode == LockNone:
		return &store.Error{Op: "extend", Key: key, Kind: store.ErrInvalid,
			Hint: "the version has no lock and the lock mode of " + s.Location() + " is none: set locked or unlocked"}
	}
	// The condition keeps this from shortening what somebody else lengthened in between.
	pinned := s.bucket.Object(present.Name).Generation(present.Generation)
	_, err = pinned.If(storage.Conditions{MetagenerationMatch: present.Metageneration}).Update(ctx, storage.ObjectAttrsToUpdate{
		Retention: &storage.ObjectRetention{Mode: mode, RetainUntil: until},
	})
	if err != nil {
		failed := s.failure("extend", key, because(ctx, err))
		if !errors.Is(failed, store.ErrExists) {
			return failed
		}
		// Changed in between, or changed by us with the answer lost: what counts is what is there now.
	}
	now, err := pinned.Attrs(ctx)
	if err != nil {
		return s.failure("extend", key, because(ctx, err))
	}
	if o, _ := s.object(key, now); o.RetainUntil.Before(until) {
		return &store.Error{Op: "extend", Key: key, Kind: store.ErrUnavailable,
			Err: fmt.Errorf("the lock should last until %s and lasts until %s", until.Format(time.RFC3339), o.RetainUntil.Format(time.RFC3339))}
	}
	return nil
}

// Inspect implements [store.Store].
func (s *Store) Inspect(ctx context.Context) (store.Properties, error) {
	ctx, cancel := s.within(ctx, 0)
	defer cancel()
	a, err := s.bucket.Attrs(ctx)
	var answer *googleapi.Error
	if errors.As(err, &answer) && answer.Code == http.StatusForbidden {
		return store.Properties{Unverified: []string{
			"versioning: Google does not say; allow storage.buckets.get",
			"object lock: Google does not say; allow storage.buckets.get",
		}}, nil
	}
	if err != nil {
		failed := s.failure("inspect", "", because(ctx, err))
		if errors.Is(failed, store.ErrNotFound) {
			failed.Kind, failed.Hint = store.ErrDenied, s.noBucket()
		}
		return store.Properties{}, failed
	}
	return store.Properties{Versioning: a.VersioningEnabled, ObjectLock: a.ObjectRetentionMode == "Enabled"}, nil
}
