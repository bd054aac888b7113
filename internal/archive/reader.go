package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/seal"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// ErrObject says that an object of a backup is not what the manifest says. The error names the object and
// says whether it is missing, cut off, changed, or sealed for others.
var ErrObject = errors.New("object is not what the manifest says")

// ReaderConfig says which chunk to read.
type ReaderConfig struct {
	Store      store.Store
	Identities []age.Identity
	Chunk      manifest.Chunk
}

// Reader streams the plaintext of a chunk. Each part is checked as a whole, ciphertext before and plaintext
// after it is opened, before a byte of it is given out; the next one is fetched meanwhile.
type Reader struct {
	ctx    context.Context
	cancel context.CancelFunc
	cfg    ReaderConfig
	parts  chan opened
	taken  int // how many of the parts have come
	now    bytes.Reader
	err    error
}

type opened struct {
	text []byte
	err  error
}

// NewReader begins to read a chunk. Close it.
func NewReader(ctx context.Context, cfg ReaderConfig) (*Reader, error) {
	if len(cfg.Identities) == 0 {
		return nil, errors.New("archive: there is no identity that opens backups")
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &Reader{ctx: ctx, cancel: cancel, cfg: cfg, parts: make(chan opened)}
	go r.fetch()
	return r, nil
}

func (r *Reader) fetch() {
	defer close(r.parts)
	for _, p := range r.cfg.Chunk.Parts {
		text, err := openPart(r.ctx, r.cfg.Store, r.cfg.Identities, p)
		select {
		case r.parts <- opened{text, err}:
		case <-r.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// Read implements [io.Reader].
func (r *Reader) Read(p []byte) (int, error) {
	for r.err == nil && r.now.Len() == 0 {
		next, more := <-r.parts
		switch {
		case !more && r.taken < len(r.cfg.Chunk.Parts):
			// The end of the context is not the end of the chunk.
			r.err = fmt.Errorf("read chunk %s: %w", r.cfg.Chunk.ID, context.Cause(r.ctx))
		case !more:
			r.err = io.EOF
		case next.err != nil:
			r.err = next.err
		default:
			r.taken++
			r.now.Reset(next.text)
		}
	}
	if r.err != nil {
		return 0, r.err
	}
	return r.now.Read(p)
}

// Close stops reading.
func (r *Reader) Close() error {
	r.cancel()
	for range r.parts {
	}
	if r.err == nil {
		r.err = errors.New("archive: reader is closed")
	}
	return nil
}

// openPart fetches and opens one part and checks its plaintext.
func openPart(ctx context.Context, s store.Store, ids []age.Identity, p manifest.Part) ([]byte, error) {
	if p.Bytes > MaxPlain {
		return nil, fmt.Errorf("%w: %s claims %d bytes of plaintext", ErrObject, p.Key, p.Bytes)
	}
	text, err := OpenObject(ctx, s, ids, p.Object, p.Bytes)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	if int64(len(text)) != p.Bytes || hex.EncodeToString(sum[:]) != p.PlainSHA256 {
		return nil, fmt.Errorf("%w: %s opens to other rows", ErrObject, p.Key)
	}
	return text, nil
}

// OpenObject fetches one object, checks its ciphertext against the manifest and opens it. Its plaintext
// has at most limit bytes.
func OpenObject(ctx context.Context, s store.Store, ids []age.Identity, o manifest.Object, limit int64) ([]byte, error) {
	sealed, err := fetch(ctx, s, o)
	if err != nil {
		return nil, err
	}
	text, err := seal.Open(sealed, ids, limit)
	if errors.Is(err, seal.ErrWrongKey) {
		return nil, fmt.Errorf("%w: %s is sealed for other keys than those at hand", ErrObject, o.Key)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrObject, o.Key, err)
	}
	return text, nil
}

// fetch reads the ciphertext that the manifest means: the pinned version, or in a vault that the backup was
// copied to, and behind whatever was written over the name, the version with the right digest.
func fetch(ctx context.Context, s store.Store, o manifest.Object) ([]byte, error) {
	data, err := read(ctx, s, o, o.Version)
	if err == nil || !errors.Is(err, ErrObject) {
		return data, err
	}
	for version, listErr := range s.Versions(ctx, o.Key) {
		if listErr != nil {
			return nil, listErr
		}
		if version.Key != o.Key || version.DeleteMarker || version.Version == o.Version || version.Size != o.Size {
			continue
		}
		if other, otherErr := read(ctx, s, o, version.Version); otherErr == nil || !errors.Is(otherErr, ErrObject) {
			return other, otherErr
		}
	}
	return nil, err
}

func read(ctx context.Context, s store.Store, o manifest.Object, version string) ([]byte, error) {
	if o.Size > store.MaxBody {
		return nil, fmt.Errorf("%w: %s claims %d bytes", ErrObject, o.Key, o.Size)
	}
	body, _, err := s.Open(ctx, o.Key, version)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrInvalid) {
		return nil, fmt.Errorf("%w: %s is missing", ErrObject, o.Key)
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var data bytes.Buffer
	data.Grow(int(o.Size) + bytes.MinRead)
	_, err = io.Copy(&data, io.LimitReader(body, o.Size+1))
	if errors.Is(err, store.ErrCorrupt) {
		return nil, fmt.Errorf("%w: %s was changed in the store", ErrObject, o.Key)
	}
	if err != nil {
		return nil, err
	}
	if n := int64(data.Len()); n != o.Size {
		return nil, fmt.Errorf("%w: %s has not its %d bytes", ErrObject, o.Key, o.Size)
	}
	if sum := sha256.Sum256(data.Bytes()); hex.EncodeToString(sum[:]) != o.SHA256 {
		return nil, fmt.Errorf("%w: %s was changed", ErrObject, o.Key)
	}
	return data.Bytes(), nil
}
