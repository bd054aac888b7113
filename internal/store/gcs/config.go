// Package gcs is a vault's store in a Google Cloud Storage bucket. A version is a generation; create-only
// is the precondition that there is no live generation; locks are object retention.
//
// Google checks a CRC32C of every body on arrival and the client checks it again on reading. The store
// has no SHA-256 of its own, so the one of [store.Object] is a note in the object's metadata, made by
// Create and checked by every read; an object from elsewhere has none. A deleted object leaves no delete
// marker: its generations are listed, and none is current.
//
// The package never deletes, never overwrites and never shortens a lock. It needs the permissions
// storage.objects.create, .get, .list, with locks .update and .setRetention, and storage.buckets.get for
// [Store.Inspect].
//
// The tests run against fsouza/fake-gcs-server in this process. What it cannot show, and what is
// therefore unproven here: that Google refuses to delete a locked generation (the emulator deletes it),
// that a locked retention can be lengthened (the emulator refuses any change; unlocked ones are tested),
// the refusal of a lock in a bucket without object retention and what Inspect says of one with it, the
// answers of Google's permission checks, quotas and token service, and conflicts between two changes
// of a retention (the emulator ignores preconditions of updates).
package gcs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/option"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// LockMode is how strong a lock is.
type LockMode string

// Lock modes. A locked retention can only be lengthened, by anybody; an unlocked one can be lifted by
// those with the right.
const (
	LockNone     LockMode = "none"
	LockUnlocked LockMode = "unlocked"
	LockLocked   LockMode = "locked"
)

// Config says which bucket and how. The zero values of all but Bucket are usable.
type Config struct {
	Bucket string
	// Prefix is put before every name, for a vault that is a folder of a bucket.
	Prefix string
	// Credentials is the JSON key of a service account. Empty means the default chain: environment,
	// workload identity, metadata server.
	Credentials []byte
	// Endpoint is the URL of an emulator, which is spoken to without credentials.
	Endpoint string

	// LockMode is put on objects created with a time to retain until. Empty is [LockNone]: such a write fails.
	LockMode LockMode
	// StorageClass such as NEARLINE; empty is the bucket's default.
	StorageClass string
	// KMSKey encrypts at the server, on top of ours; empty is Google's own key.
	KMSKey string

	// Attempts of one request including the first, 5 when zero.
	Attempts int
	// Backoff is the longest pause between two attempts, 5 seconds when zero.
	Backoff time.Duration
	// Silence is how long nothing may come before a request is given up, 2 minutes when zero. A body gets
	// more, by its size.
	Silence time.Duration
}

// Store is a bucket. It is safe for use by many goroutines.
type Store struct {
	cfg    Config
	client *storage.Client
	bucket *storage.BucketHandle
}

var _ store.Store = (*Store)(nil)

// New makes a store. It sends nothing to the bucket; [Store.Inspect] does. Close gives its connections back.
func New(ctx context.Context, cfg Config) (*Store, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	opts := []option.ClientOption{storage.WithJSONReads()}
	switch {
	case cfg.Endpoint != "":
		opts = append(opts, option.WithEndpoint(strings.TrimSuffix(cfg.Endpoint, "/")+"/storage/v1/"), option.WithoutAuthentication())
	case len(cfg.Credentials) > 0:
		opts = append(opts, option.WithAuthCredentialsJSON(option.ServiceAccount, cfg.Credentials))
	}
	client, err := storage.NewClient(ctx, opts...)
	if err != nil {
		// The client's error may quote the key it could not read.
		return nil, &store.Error{Op: "configure", Key: cfg.Bucket, Kind: store.ErrDenied,
			Hint: "no usable credentials: give the JSON key of a service account, or the environment's own way (workload identity, metadata server)"}
	}
	client.SetRetry(
		storage.WithMaxAttempts(cfg.Attempts),
		storage.WithBackoff(gax.Backoff{Initial: min(firstPause, cfg.Backoff), Max: cfg.Backoff, Multiplier: 2}),
	)
	return &Store{cfg: cfg, client: client, bucket: client.Bucket(cfg.Bucket)}, nil
}

// firstPause is the longest pause before the second attempt.
const firstPause = 200 * time.Millisecond

// validate fills in defaults and refuses what cannot be right.
func (c *Config) validate() error {
	wrong := func(format string, args ...any) error {
		return &store.Error{Op: "configure", Key: c.Bucket, Kind: store.ErrInvalid, Hint: fmt.Sprintf(format, args...)}
	}
	if c.Bucket == "" {
		return wrong("name the bucket")
	}
	if c.Endpoint != "" && !strings.HasPrefix(c.Endpoint, "https://") && !strings.HasPrefix(c.Endpoint, "http://") {
		return wrong("the endpoint must start with https:// or http://")
	}
	if c.Endpoint != "" && len(c.Credentials) > 0 {
		return wrong("an endpoint is an emulator's, which must not be sent credentials: give one of the two")
	}
	if c.Prefix != "" {
		c.Prefix = strings.TrimSuffix(c.Prefix, "/")
		if err := store.CheckKey("configure", c.Prefix); err != nil {
			return err
		}
		c.Prefix += "/"
		if len(c.Prefix) > maxPrefix {
			return wrong("the prefix has at most %d bytes", maxPrefix)
		}
	}
	switch c.LockMode {
	case "":
		c.LockMode = LockNone
	case LockNone, LockUnlocked, LockLocked:
	default:
		return wrong("the lock mode is one of none, unlocked and locked, not %q", c.LockMode)
	}
	if c.Attempts == 0 {
		c.Attempts = 5
	}
	if c.Backoff == 0 {
		c.Backoff = 5 * time.Second
	}
	if c.Silence == 0 {
		c.Silence = 2 * time.Minute
	}
	return nil
}

// maxPrefix keeps prefix and key together below Google's 1024 bytes.
const maxPrefix = 100

// Close gives the connections back. The store cannot be used afterwards.
func (s *Store) Close() error { return s.client.Close() }

// Location implements [store.Store].
func (s *Store) Location() string {
	l := "gs://" + s.cfg.Bucket
	if s.cfg.Prefix != "" {
		l += "/" + strings.TrimSuffix(s.cfg.Prefix, "/")
	}
	return l
}

// retention is Google's word for ours.
func (m LockMode) retention() string {
	if m == LockUnlocked {
		return "Unlocked"
	}
	return "Locked"
}
