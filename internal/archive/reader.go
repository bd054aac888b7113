package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"filippo.io/age"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/seal"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// ErrNoKey says that an object is what the manifest says, and that none of the identities at hand opens it.
var ErrNoKey = errors.New("no key for it")

// ErrObject says that an object of a backup is not what the manifest says. The error names the object and
// says whether it is missing, cut off or changed.
var ErrObject = errors.New("object is not what the manifest says")

// ReaderConfig says which chunk to read.
type ReaderConfig struct {
	Store      store.Store
	Identities []age.Identity
	Chunk      manifest.Chunk
	Budget     *Budget // nil is no bound
}

// Reader streams the plaintext of a chunk. The ciphertext of each part is checked as a whole before it is
// opened; its plaintext is checked when its end is reached, and then Read fails instead of going on. So what
// is read has to be undone unless all of it could be read. The next part is fetched meanwhile.
type Reader struct {
	ctx    context.Context
	cancel context.CancelFunc
	cfg    ReaderConfig
	parts  chan fetched
	taken  int // how many of the parts have come
	now    *opened
	err    error
}

// fetched is a part whose ciphertext is what the manifest says.
type fetched struct {
	part manifest.Part
	room []byte
	err  error
}

// NewReader begins to read a chunk. Close it.
func NewReader(ctx context.Context, cfg ReaderConfig) (*Reader, error) {
	if len(cfg.Identities) == 0 {
		return nil, errors.New("archive: there is no identity that opens backups")
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &Reader{ctx: ctx, cancel: cancel, cfg: cfg, parts: make(chan fetched)}
	go r.fetch()
	return r, nil
}

func (r *Reader) fetch() {
	defer close(r.parts)
	for _, p := range r.cfg.Chunk.Parts {
		next := r.fetchPart(p)
		select {
		case r.parts <- next:
		case <-r.ctx.Done():
			if next.err == nil {
				r.cfg.Budget.give(next.room)
			}
			return
		}
		if next.err != nil {
			return
		}
	}
}

func (r *Reader) fetchPart(p manifest.Part) fetched {
	if p.Bytes > MaxPlain {
		return fetched{err: fmt.Errorf("%w: %s claims %d bytes of plaintext", ErrObject, p.Key, p.Bytes)}
	}
	room, err := r.cfg.Budget.take(r.ctx)
	if err != nil {
		return fetched{err: fmt.Errorf("wait for memory: %w", err)}
	}
	if room, err = fetch(r.ctx, r.cfg.Store, p.Object, room); err != nil {
		r.cfg.Budget.give(room)
		return fetched{err: err}
	}
	return fetched{part: p, room: room}
}

// Read implements [io.Reader].
func (r *Reader) Read(p []byte) (int, error) {
	for r.err == nil {
		if r.now == nil {
			r.err = r.next()
			continue
		}
		n, err := r.now.Read(p)
		if err == io.EOF { //nolint:errorlint // an error that wraps it is damage, not the end
			r.drop()
		} else {
			r.err = err
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, r.err
}

// next opens the next part.
func (r *Reader) next() error {
	next, more := <-r.parts
	switch {
	case !more && r.taken < len(r.cfg.Chunk.Parts):
		// The end of the context is not the end of the chunk.
		return fmt.Errorf("read chunk %s: %w", r.cfg.Chunk.ID, context.Cause(r.ctx))
	case !more:
		return io.EOF
	case next.err != nil:
		return next.err
	}
	r.taken++
	var err error
	if r.now, err = openPart(next, r.cfg.Identities); err != nil {
		r.cfg.Budget.give(next.room)
	}
	return err
}

// drop gives back what the part that was given out took.
func (r *Reader) drop() {
	if r.now != nil {
		r.now.text.Close()
		r.cfg.Budget.give(r.now.room)
		r.now = nil
	}
}

// Close stops reading.
func (r *Reader) Close() error {
	r.cancel()
	for next := range r.parts {
		if next.err == nil {
			r.cfg.Budget.give(next.room)
		}
	}
	r.drop()
	if r.err == nil {
		r.err = errors.New("archive: reader is closed")
	}
	return nil
}

// opened is a part whose plaintext is given out.
type opened struct {
	fetched
	text  *seal.Reader
	plain hash.Hash
	bytes int64
}

func openPart(f fetched, ids []age.Identity) (*opened, error) {
	text, err := seal.NewReader(bytes.NewReader(f.room), ids)
	if err != nil {
		return nil, unsealed(err, f.part.Key)
	}
	return &opened{fetched: f, text: text, plain: sha256.New()}, nil
}

// Read gives the plaintext and io.EOF only when all of it was what the manifest says.
func (o *opened) Read(p []byte) (int, error) {
	n, err := o.text.Read(p)
	o.plain.Write(p[:n])
	o.bytes += int64(n)
	ended := err == io.EOF //nolint:errorlint // an error that wraps it is damage, not the end
	if err != nil && !ended {
		return 0, unsealed(err, o.part.Key)
	}
	if o.bytes > o.part.Bytes || ended && (o.bytes != o.part.Bytes || hex.EncodeToString(o.plain.Sum(nil)) != o.part.PlainSHA256) {
		return 0, fmt.Errorf("%w: %s opens to other rows", ErrObject, o.part.Key)
	}
	return n, err
}

// unsealed says what opening an object came to.
func unsealed(err error, key string) error {
	if errors.Is(err, seal.ErrWrongKey) {
		return fmt.Errorf("%s is sealed for other keys than those at hand: %w", key, ErrNoKey)
	}
	return fmt.Errorf("%w: %s: %w", ErrObject, key, err)
}

// OpenObject fetches one object, checks its ciphertext against the manifest and opens it. Its plaintext
// has at most [MaxPlain] bytes.
func OpenObject(ctx context.Context, s store.Store, ids []age.Identity, o manifest.Object) ([]byte, error) {
	var none *Budget
	room, err := none.take(ctx)
	if err != nil {
		return nil, err
	}
	sealed, err := fetch(ctx, s, o, room)
	if err != nil {
		return nil, err
	}
	text, err := seal.Open(sealed, ids, MaxPlain)
	if err != nil {
		return nil, unsealed(err, o.Key)
	}
	return text, nil
}

// fetch reads into room the ciphertext that the manifest means: the pinned version, or in a vault that the backup
// was copied to, and behind whatever was written over the name, the version with the right digest.
func fetch(ctx context.Context, s store.Store, o manifest.Object, room []byte) ([]byte, error) {
	if o.Size < 0 || o.Size > int64(cap(room)) {
		return room, fmt.Errorf("%w: %s claims %d bytes", ErrObject, o.Key, o.Size)
	}
	room = room[:o.Size]
	err := read(ctx, s, o, o.Version, room)
	if err == nil || !errors.Is(err, ErrObject) {
		return room, err
	}
	for version, listErr := range s.Versions(ctx, o.Key) {
		if listErr != nil {
			return room, listErr
		}
		if version.Key != o.Key || version.DeleteMarker || version.Version == o.Version || version.Size != o.Size {
			continue
		}
		if otherErr := read(ctx, s, o, version.Version, room); otherErr == nil || !errors.Is(otherErr, ErrObject) {
			return room, otherErr
		}
	}
	return room, err
}

// read fills data with one version of an object.
func read(ctx context.Context, s store.Store, o manifest.Object, version string, data []byte) error {
	body, _, err := s.Open(ctx, o.Key, version)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrInvalid) {
		return fmt.Errorf("%w: %s is missing", ErrObject, o.Key)
	}
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.ReadFull(body, data)
	if err == nil {
		// Stores tell of damage at the end.
		var more int64
		if more, err = io.CopyN(io.Discard, body, 1); errors.Is(err, io.EOF) && more == 0 {
			err = nil
		} else if err == nil {
			err = io.ErrUnexpectedEOF
		}
	}
	switch {
	case store.Retryable(err): // cut off on the way, which says nothing of the object
		return err
	case errors.Is(err, store.ErrCorrupt):
		return fmt.Errorf("%w: %s was changed in the store", ErrObject, o.Key)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %s has not its %d bytes", ErrObject, o.Key, o.Size)
	case err != nil:
		return err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != o.SHA256 {
		return fmt.Errorf("%w: %s was changed", ErrObject, o.Key)
	}
	return nil
}
