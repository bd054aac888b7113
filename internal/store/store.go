// Package store is the contract every object store of a vault fulfils: create-only writes, reads of a
// named version, listings that see every version, and retention that can only grow. It holds no client:
// those are the packages below it, and all of them pass the suite in storetest.
package store

import (
	"context"
	"io"
	"iter"
	"time"
)

// MaxBody is the largest body that Create takes, in bytes. Bodies are held in memory so that a single
// PUT carries a SHA-256 over the whole object and can be repeated.
const MaxBody = 64 << 20

// Object is one version of one object.
type Object struct {
	Key string
	// Version pins the bytes: an S3 version id, a GCS generation, or what the store calls it. Names do
	// not pin anything: behind a delete marker a name can be taken again.
	Version string
	// Size is in bytes.
	Size int64
	// SHA256 is the lower-case hex digest of the stored bytes, or empty where the store does not tell.
	SHA256 string
	// Modified is the store's own time of the version.
	Modified time.Time
	// Metadata is the user metadata, keys in lower case. Listings leave it nil.
	Metadata map[string]string
	// RetainUntil is the end of the version's lock, zero when it has none. Listings leave it zero.
	RetainUntil time.Time
	// DeleteMarker says that this version hides the older ones and has no bytes.
	DeleteMarker bool
}

// CreateOptions say how an object is written.
type CreateOptions struct {
	// Metadata is user metadata: short, ASCII, keys in lower case.
	Metadata map[string]string
	// RetainUntil locks the new version until then; zero leaves it unlocked. The store's configuration
	// decides between compliance and governance.
	RetainUntil time.Time
	// ContentType is a MIME type; empty means application/octet-stream.
	ContentType string
}

// Properties are what a store was found to do when it was asked, not what was declared.
type Properties struct {
	Versioning bool
	ObjectLock bool
	// Unverified names what could not be found out, one reason each. It is never to be read as a yes.
	Unverified []string
}

// Store is a vault's object store. Every method may be called from many goroutines and returns
// errors of type [*Error].
type Store interface {
	// Location names the store for people, for example "s3://vault-east (us-east-1)". Never a secret.
	Location() string

	// Create writes a new object and never replaces one: when the key holds an object, the error is
	// [ErrExists] and nothing was written. When an answer was lost and the write is found to have
	// happened with these very bytes, that object is returned.
	Create(ctx context.Context, key string, body []byte, opt CreateOptions) (Object, error)

	// Open reads a version, the current one when version is empty. The caller closes the reader. Where
	// the store has a digest of its own the reader checks it and fails with [ErrCorrupt] at the end.
	Open(ctx context.Context, key, version string) (io.ReadCloser, Object, error)

	// Stat describes a version, the current one when version is empty, with metadata and retention.
	Stat(ctx context.Context, key, version string) (Object, error)

	// Versions lists every version below a prefix, delete markers included, ordered by key and, within
	// a key, from the oldest to the newest.
	Versions(ctx context.Context, prefix string) iter.Seq2[Object, error]

	// Folders lists the names directly below a prefix that ends in "/", without the prefix and without
	// the trailing "/", sorted; also those whose every current object is hidden by a delete marker.
	Folders(ctx context.Context, prefix string) iter.Seq2[string, error]

	// Extend moves a version's lock to a later time and reads it back. An earlier time than the present
	// lock is no error and changes nothing.
	Extend(ctx context.Context, key, version string, until time.Time) error

	// Inspect asks the store what it does. It writes nothing.
	Inspect(ctx context.Context) (Properties, error)
}
