package archive

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"

	"filippo.io/age"

	"github.com/lifeboat-dr/lifeboat/internal/seal"
)

// A part is full when it has one of these bytes, of plaintext or sealed, and then ends at the next end of a row.
// When a row is too long for that, the part ends where it has no more room, and the row goes on in the next one.
// So an object stays below partRoom whatever the rows are, and cuts depend on nothing but the rows.
const (
	partPlain  = 32 << 20
	partSealed = 6 << 20
	// partRoom is what a part takes of the memory budget. No object is larger.
	partRoom = 8 << 20
	// partSlack is more than the compressor and age hold back before it is in a part's room.
	partSlack = 512 << 10
	// MaxPlain bounds the plaintext of one part.
	MaxPlain = 40 << 20
	// blockBytes is how much is sealed at a time. Blocks begin at multiples of it in the chunk, so where
	// parts are cut does not depend on the pieces that rows come in.
	blockBytes = 256 << 10
)

// part is a part that is being filled.
type part struct {
	number int
	offset int64
	bytes  int64
	plain  hash.Hash
	body   body
	sealed *seal.Writer
}

// body is the sealed bytes of a part, which never outgrow its room.
type body struct{ room []byte }

func (b *body) Write(p []byte) (int, error) {
	if len(b.room)+len(p) > cap(b.room) {
		return 0, errors.New("a part outgrew its room")
	}
	b.room = append(b.room, p...)
	return len(p), nil
}

func newPart(number int, offset int64, room []byte, recipients []age.Recipient) (*part, error) {
	p := &part{number: number, offset: offset, plain: sha256.New(), body: body{room}}
	var err error
	p.sealed, err = seal.NewWriter(&p.body, recipients)
	return p, err
}

// take seals what of the block belongs to the part and says whether the part ends there.
func (p *part) take(block []byte) (n int, ends bool, err error) {
	n = len(block)
	full := p.bytes >= partPlain || len(p.body.room) >= partSealed
	if full {
		if end := bytes.IndexByte(block, '\n'); end >= 0 {
			n, ends = end+1, true
		}
	}
	p.plain.Write(block[:n])
	if _, err := p.sealed.Write(block[:n]); err != nil {
		return 0, false, fmt.Errorf("seal part %d: %w", p.number, err)
	}
	p.bytes += int64(n)
	if full && (p.bytes > MaxPlain-blockBytes || len(p.body.room) > partRoom-partSlack-blockBytes) {
		ends = true
	}
	return n, ends, nil
}
