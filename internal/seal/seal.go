// Package seal turns bytes into what may lie in a vault and back: zstd, then age for several recipients.
// The result is what `age -d | zstd -d` opens; nothing here is Lifeboat's own format.
//
// Age gives confidentiality and integrity, not a sender: who wrote something is said by the signature of
// the manifest that lists its digest.
package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

var (
	// ErrWrongKey says that none of the identities opens the object.
	ErrWrongKey = errors.New("no identity opens it")
	// ErrDamaged says that the object was changed or cut off.
	ErrDamaged = errors.New("it is damaged")
	// ErrTooLarge says that the object holds more than its manifest says, as a bomb does.
	ErrTooLarge = errors.New("it holds more than it should")
)

// ParseRecipients reads age public keys. An empty list is refused: what is sealed to nobody would have to
// be written in the clear.
func ParseRecipients(names []string) ([]age.Recipient, error) {
	if len(names) == 0 {
		return nil, errors.New("there are no recipients, and nothing is ever written in the clear")
	}
	var list []age.Recipient
	var errs []error
	for i, name := range names {
		r, err := age.ParseX25519Recipient(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("recipient %d is not an age public key (age1…)", i))
			continue
		}
		list = append(list, r)
	}
	return list, errors.Join(errs...)
}

// encoders are reused: one holds some megabytes. One goroutine each and the quickest level, so that equal
// bytes give equal output and memory stays flat.
var encoders = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true), zstd.WithWindowSize(1<<20))
	if err != nil {
		panic(err) // the options are constants
	}
	return e
}}

var decoders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		panic(err)
	}
	return d
}}

// Writer seals what is written to it. Close it, or what was written is not whole.
type Writer struct {
	encoder *zstd.Encoder
	sealed  io.WriteCloser
}

// NewWriter begins a sealed object for all of the recipients.
func NewWriter(dst io.Writer, recipients []age.Recipient) (*Writer, error) {
	if len(recipients) == 0 {
		return nil, errors.New("seal: there are no recipients, and nothing is ever written in the clear")
	}
	sealed, err := age.Encrypt(dst, recipients...)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	encoder := encoders.Get().(*zstd.Encoder)
	encoder.Reset(sealed)
	return &Writer{encoder: encoder, sealed: sealed}, nil
}

// Write implements [io.Writer].
func (w *Writer) Write(p []byte) (int, error) { return w.encoder.Write(p) }

// Close ends the object.
func (w *Writer) Close() error {
	if w.encoder == nil {
		return nil
	}
	err := w.encoder.Close()
	w.encoder.Reset(nil)
	encoders.Put(w.encoder)
	w.encoder = nil
	if err = errors.Join(err, w.sealed.Close()); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	return nil
}

// Bytes seals a small text in one go.
func Bytes(text []byte, recipients []age.Recipient) ([]byte, error) {
	var b bytes.Buffer
	w, err := NewWriter(&b, recipients)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Reader opens what is read from it. Its text is authentic as far as it came, and all of it has come only when
// Read returned io.EOF. Close it.
type Reader struct {
	sealed  io.Reader
	decoder *zstd.Decoder
}

// NewReader begins to open a sealed object.
func NewReader(sealed io.Reader, identities []age.Identity) (*Reader, error) {
	text, err := age.Decrypt(sealed, identities...)
	var nobody *age.NoIdentityMatchError
	if errors.As(err, &nobody) {
		return nil, fmt.Errorf("open: %w", ErrWrongKey)
	}
	if err != nil {
		return nil, fmt.Errorf("open: %w: %w", ErrDamaged, err)
	}
	r := &Reader{sealed: text, decoder: decoders.Get().(*zstd.Decoder)}
	if err := r.decoder.Reset(text); err != nil {
		r.Close()
		return nil, fmt.Errorf("open: %w: %w", ErrDamaged, err)
	}
	return r, nil
}

// Read implements [io.Reader].
func (r *Reader) Read(p []byte) (int, error) {
	if r.decoder == nil {
		return 0, errors.New("seal: reader is closed")
	}
	n, err := r.decoder.Read(p)
	switch {
	case err == io.EOF: //nolint:errorlint // an error that wraps it is damage, not the end
		// Age tells of a cut-off end only when it is read to its end.
		if more, err := io.Copy(io.Discard, r.sealed); err != nil || more > 0 {
			return n, fmt.Errorf("open: %w: something follows the end", ErrDamaged)
		}
	case err != nil:
		return n, fmt.Errorf("open: %w: %w", ErrDamaged, err)
	}
	return n, err
}

// Close gives back what the reader took; it says nothing of the object.
func (r *Reader) Close() {
	if r.decoder != nil {
		_ = r.decoder.Reset(nil)
		decoders.Put(r.decoder)
		r.decoder = nil
	}
}

// Open opens a whole sealed object, which holds at most limit bytes of plaintext.
func Open(sealed []byte, identities []age.Identity, limit int64) ([]byte, error) {
	r, err := NewReader(bytes.NewReader(sealed), identities)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var text bytes.Buffer
	if _, err := io.Copy(&text, io.LimitReader(r, limit+1)); err != nil {
		return nil, err
	}
	if int64(text.Len()) > limit {
		return nil, fmt.Errorf("open: %w", ErrTooLarge)
	}
	return text.Bytes(), nil
}
