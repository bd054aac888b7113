package gcs

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"maps"
	"time"

	"cloud.google.com/go/storage"
	"github.com/cenkalti/backoff/v5"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// Metadata the store adds and takes off again.
const (
	// writeID is different in every call of Create and the same in all attempts of one.
	writeID = "x-lifeboat-write"
	// noteSHA256 is the digest, which Google does not keep.
	noteSHA256 = "x-lifeboat-sha256"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Create implements [store.Store].
func (s *Store) Create(ctx context.Context, key string, body []byte, opt store.CreateOptions) (store.Object, error) {
	if err := store.CheckCreate(key, body, opt); err != nil {
		return store.Object{}, err
	}
	if !opt.RetainUntil.IsZero() && s.cfg.LockMode == LockNone {
		return store.Object{}, &store.Error{Op: "create", Key: key, Kind: store.ErrInvalid,
			Hint: "a lock was asked for and the lock mode of " + s.Location() + " is none: set locked or unlocked"}
	}
	sum := sha256.Sum256(body)
	w := write{id: rand.Text(), sha256: hex.EncodeToString(sum[:]), crc32c: crc32.Checksum(body, castagnoli)}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = min(firstPause, s.cfg.Backoff), s.cfg.Backoff
	// The client's own retrying would need a second copy of the body.
	o, err := backoff.Retry(ctx, func() (store.Object, error) {
		attrs, err := s.put(ctx, key, body, w, opt)
		if err == nil {
			o, _ := s.object(key, attrs)
			return o, nil
		}
		failed := s.failure("create", key, err)
		if errors.Is(failed, store.ErrNotFound) {
			failed.Kind, failed.Hint = store.ErrDenied, s.noBucket()
		}
		if !store.Retryable(failed) {
			return store.Object{}, backoff.Permanent(failed)
		}
		return store.Object{}, failed
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(uint(s.cfg.Attempts)), backoff.WithMaxElapsedTime(0))
	if err != nil {
		return s.lookAgain(ctx, key, w, s.failure("create", key, err))
	}
	return o, nil
}

// write is what one call of Create wants there to be.
type write struct {
	id     string
	sha256 string
	crc32c uint32
}

// put is one attempt, in one request.
func (s *Store) put(ctx context.Context, key string, body []byte, w write, opt store.CreateOptions) (*storage.ObjectAttrs, error) {
	ctx, cancel := s.within(ctx, len(body))
	defer cancel() // gives up the request when not all of the body could be handed over
	out := s.bucket.Object(s.cfg.Prefix + key).If(storage.Conditions{DoesNotExist: true}).
		Retryer(storage.WithPolicy(storage.RetryNever)).NewWriter(ctx)
	out.ChunkSize = 0
	out.SendCRC32C, out.CRC32C = true, w.crc32c
	out.ContentType = opt.ContentType
	if out.ContentType == "" {
		out.ContentType = "application/octet-stream"
	}
	out.StorageClass, out.KMSKeyName = s.cfg.StorageClass, s.cfg.KMSKey
	out.Metadata = map[string]string{writeID: w.id, noteSHA256: w.sha256}
	maps.Copy(out.Metadata, opt.Metadata)
	if !opt.RetainUntil.IsZero() {
		out.Retention = &storage.ObjectRetention{Mode: s.cfg.LockMode.retention(), RetainUntil: wholeSecond(opt.RetainUntil)}
	}
	if _, err := out.Write(body); err != nil {
		return nil, because(ctx, err)
	}
	if err := out.Close(); err != nil {
		return nil, because(ctx, err)
	}
	return out.Attrs(), nil
}

// lookAgain finds out whether a write that failed happened all the same: an answer may be lost on any
// attempt, and then the next one meets our own object.
func (s *Store) lookAgain(ctx context.Context, key string, w write, failed *store.Error) (store.Object, error) {
	exists := errors.Is(failed, store.ErrExists)
	if !exists && !errors.Is(failed, store.ErrUnavailable) || ctx.Err() != nil {
		return store.Object{}, failed
	}
	attrs, err := s.attrs(ctx, "create", key, "")
	if err == nil {
		if o, id := s.object(key, attrs); id == w.id && o.SHA256 == w.sha256 {
			return o, nil
		}
		return store.Object{}, &store.Error{Op: "create", Key: key, Kind: store.ErrExists, Err: failed.Err}
	}
	switch {
	case exists && errors.Is(err, store.ErrDenied):
		failed.Hint = "these credentials may not read it, so whose it is could not be found out: allow storage.objects.get"
	case exists && errors.Is(err, store.ErrNotFound):
		failed.Hint = "it was deleted at the same time: look at the versions of this key"
	case exists:
		return store.Object{}, &store.Error{Op: "create", Key: key, Kind: store.ErrUnavailable, Err: err}
	}
	return store.Object{}, failed
}

// wholeSecond rounds up: a lock must not end before it was asked to, whatever fractions are kept.
func wholeSecond(t time.Time) time.Time {
	t = t.UTC()
	if r := t.Truncate(time.Second); !r.Equal(t) {
		return r.Add(time.Second)
	}
	return t
}
