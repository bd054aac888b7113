package postgres

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/zeebo/xxh3"
	"pgregory.net/rapid"
)

// pieces reads in pieces of drawn sizes.
type pieces struct {
	from io.Reader
	r    *rapid.T
}

func (p pieces) Read(b []byte) (int, error) {
	n := rapid.IntRange(1, 40_000).Draw(p.r, "piece")
	return p.from.Read(b[:min(n, len(b))])
}

func encoded(t interface{ Fatal(...any) }, messages ...pgproto3.BackendMessage) []byte {
	var stream []byte
	for _, m := range messages {
		var err error
		if stream, err = m.Encode(stream); err != nil {
			t.Fatal(err)
		}
	}
	return stream
}

func TestTheSinkGetsTheRowsAndTheDriverTheRest(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var messages []pgproto3.BackendMessage
		var rows []byte
		others := 0
		for range rapid.IntRange(0, 30).Draw(r, "messages") {
			if rapid.Bool().Draw(r, "other") {
				messages = append(messages, &pgproto3.NoticeResponse{Message: rapid.StringN(0, 100, -1).Draw(r, "notice")})
				others++
				continue
			}
			row := bytes.Repeat([]byte{byte(len(messages))}, rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(0, 3*tapBytes)).Draw(r, "row"))
			messages = append(messages, &pgproto3.CopyData{Data: row})
			rows = append(rows, row...)
		}
		messages = append(messages, &pgproto3.ReadyForQuery{TxStatus: 'T'})
		tap := &tap{from: pieces{bytes.NewReader(encoded(r, messages...)), r}, buf: make([]byte, tapBytes)}
		var got []byte
		tap.divert(func(p []byte) error {
			if len(p) == 0 || len(p) > tapBytes {
				r.Fatalf("a piece of %d bytes", len(p))
			}
			got = append(got, p...)
			return nil
		})
		driver := pgproto3.NewFrontend(tap, io.Discard)
		for range others {
			if m, err := driver.Receive(); err != nil {
				r.Fatal(err)
			} else if _, ok := m.(*pgproto3.NoticeResponse); !ok {
				r.Fatalf("%T, want a notice", m)
			}
		}
		m, err := driver.Receive()
		if ready, ok := m.(*pgproto3.ReadyForQuery); err != nil || !ok || ready.TxStatus != 'T' {
			r.Fatalf("%T, %v at the end", m, err)
		}
		if !bytes.Equal(got, rows) {
			r.Fatalf("%d bytes of rows, want %d, or other ones", len(got), len(rows))
		}
	})
}

func TestWithoutASinkEverythingPasses(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 3*tapBytes)
	stream := encoded(t, &pgproto3.CopyData{Data: []byte("row")}, &pgproto3.CopyData{Data: long}, &pgproto3.ReadyForQuery{TxStatus: 'I'})
	for name, from := range map[string]io.Reader{
		"at once": bytes.NewReader(stream), "byte by byte": iotest.OneByteReader(bytes.NewReader(stream)), "with the end": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		got, err := io.ReadAll(&tap{from: from, buf: make([]byte, tapBytes)})
		if err != nil || !bytes.Equal(got, stream) {
			t.Errorf("%s: %d bytes of %d: %v", name, len(got), len(stream), err)
		}
	}
}

func TestAStreamThatCannotBeIsRefused(t *testing.T) {
	row := encoded(t, &pgproto3.CopyData{Data: bytes.Repeat([]byte("x"), 100)})
	for name, stream := range map[string][]byte{
		"cut off in a row": row[:50], "cut off in a header": row[:3], "impossible length": {'d', 0, 0, 0, 1, 'x'}, "negative length": {'d', 255, 255, 255, 255, 'x'},
	} {
		tap := &tap{from: bytes.NewReader(stream), buf: make([]byte, tapBytes)}
		tap.divert(func([]byte) error { return nil })
		if m, err := pgproto3.NewFrontend(tap, io.Discard).Receive(); err == nil {
			t.Errorf("%s: the driver got a %T", name, m)
		}
	}
}

func TestAfterTheSinkFailedNothingGoesOn(t *testing.T) {
	stream := encoded(t, &pgproto3.CopyData{Data: []byte("row\n")}, &pgproto3.ReadyForQuery{TxStatus: 'I'})
	tap := &tap{from: bytes.NewReader(stream), buf: make([]byte, tapBytes)}
	tap.divert(func([]byte) error { return io.ErrShortWrite })
	driver := pgproto3.NewFrontend(tap, io.Discard)
	for range 2 {
		if m, err := driver.Receive(); !errors.Is(err, errSink) {
			t.Fatalf("%T, %v", m, err)
		}
		tap.divert(nil)
	}
}

func TestPiecesDoNotChangeAFingerprint(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var text []byte
		var want tally
		for range rapid.IntRange(0, 20).Draw(r, "rows") {
			row := bytes.Repeat([]byte{byte('a' + len(text)%26)}, rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(0, 5000)).Draw(r, "row"))
			sum := xxh3.Hash128(row)
			want.sum = want.sum.Add(Fingerprint{hi: sum.Hi, lo: sum.Lo})
			want.rows++
			text = append(append(text, row...), '\n')
		}
		want.bytes = int64(len(text))
		var got tally
		for rest := text; len(rest) > 0; {
			n := min(len(rest), rapid.IntRange(1, 3000).Draw(r, "piece"))
			got.write(rest[:n])
			rest = rest[n:]
		}
		if got.stats() != want.stats() || got.begun {
			r.Fatalf("%+v, want %+v", got.stats(), want.stats())
		}
	})
}
