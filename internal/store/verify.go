package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Verify returns a reader over the body of o that fails with [ErrCorrupt] when the bytes are not those
// of o.SHA256 or not o.Size of them. It holds back the last bytes until they are checked, so that
// a caller who reads exactly o.Size bytes learns of it, too. An empty SHA256 leaves the size.
//
// Errors of the body pass through failed, which turns them into an [*Error]. It is for implementations
// of [Store].
func Verify(body io.ReadCloser, o Object, failed func(error) error) io.ReadCloser {
	return &verifier{body: body, object: o, failed: failed, hash: sha256.New(), left: o.Size}
}

type verifier struct {
	body   io.ReadCloser
	object Object
	failed func(error) error
	hash   hash.Hash
	left   int64
	end    error // once set, every Read returns it
}

func (v *verifier) Read(p []byte) (int, error) {
	if v.end != nil {
		return 0, v.end
	}
	if len(p) == 0 {
		return 0, nil
	}
	if v.left == 0 {
		v.end = v.verdict()
		return 0, v.end
	}
	n, err := v.body.Read(p[:min(int64(len(p)), v.left)])
	v.hash.Write(p[:n])
	v.left -= int64(n)
	switch {
	case v.left == 0:
		if end := v.verdict(); end != io.EOF { //nolint:errorlint // a reader's end is never wrapped
			v.end = end
			return 0, end
		}
	case err == io.EOF:
		v.end = v.corrupt(fmt.Errorf("%d of %d bytes are missing", v.left, v.object.Size))
	case err != nil:
		v.end = v.failed(err)
	default:
		return n, nil
	}
	return n, v.end
}

// verdict is io.EOF when everything is as it should be.
func (v *verifier) verdict() error {
	var more [1]byte
	switch n, err := io.ReadFull(v.body, more[:]); {
	case n > 0:
		return v.corrupt(fmt.Errorf("there are more than %d bytes", v.object.Size))
	case !errors.Is(err, io.EOF):
		return v.failed(err)
	}
	if got := hex.EncodeToString(v.hash.Sum(nil)); v.object.SHA256 != "" && got != v.object.SHA256 {
		return v.corrupt(fmt.Errorf("the bytes have SHA-256 %s, the store says %s", got, v.object.SHA256))
	}
	v.end = io.EOF
	return io.EOF
}

func (v *verifier) corrupt(why error) error {
	return &Error{Op: "open", Key: v.object.Key, Kind: ErrCorrupt, Err: why, Hint: "read the copy in another vault"}
}

func (v *verifier) Close() error { return v.body.Close() }
