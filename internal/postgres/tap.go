package postgres

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// tap sits between a connection, after TLS, and the driver. The driver holds every message of the server in
// memory as a whole, and COPY sends a row a message: a value of hundreds of megabytes would be there twice.
// While a sink is set, the tap takes the CopyData messages out of the stream and gives their bodies to it in
// pieces no larger than its buffer; everything else passes, so the driver goes on minding errors, notices,
// deadlines and the state of the session.
type tap struct {
	from io.Reader
	// buf[start:end] is what was read and not yet dealt with.
	buf        []byte
	start, end int
	// left is how much of the message that began is still to come, its header included if it passes.
	left int
	// data says that this message is CopyData on its way to the sink.
	data bool

	sink func([]byte) error // nil: everything passes
	// broken says that the sink failed: rows are lost, so the session is, too.
	broken bool
}

const (
	tapBytes   = 256 << 10
	headBytes  = 5 // a type and a length, which counts itself
	copyData   = 'd'
	tapOfConn  = "lifeboat tap"
	lengthSelf = 4
)

// tapped makes sessions of cfg read through a tap, which [tapOf] finds.
func tapped(cfg *pgx.ConnConfig) (after func(*pgx.Conn)) {
	var last *tap // of several hosts the last one that was tried is the one connected to
	cfg.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		last = &tap{from: r, buf: make([]byte, tapBytes)}
		return pgproto3.NewFrontend(last, w)
	}
	return func(conn *pgx.Conn) { conn.PgConn().CustomData()[tapOfConn] = last }
}

func tapOf(conn *pgx.Conn) (*tap, error) {
	t, ok := conn.PgConn().CustomData()[tapOfConn].(*tap)
	if !ok {
		return nil, &Error{Op: "copy", Kind: ErrInvalid, Err: errors.New("the session was not opened by Connect")}
	}
	return t, nil
}

var errSink = errors.New("the rows could not be handed on")

// divert sends the data of COPY to sink, nil to let it pass again. It must not be called while the driver reads.
func (t *tap) divert(sink func([]byte) error) { t.sink = sink }

// Read implements [io.Reader] for the driver.
func (t *tap) Read(p []byte) (int, error) {
	for !t.broken {
		switch {
		case t.data:
			if err := t.take(); err != nil {
				return 0, err
			}
		case t.left > 0 && t.end > t.start:
			n := copy(p, t.buf[t.start:min(t.end, t.start+t.left)])
			t.start, t.left = t.start+n, t.left-n
			return n, nil
		case t.left > 0 && len(p) >= len(t.buf):
			// A long message of another kind needs no second copy.
			n, err := t.from.Read(p[:min(len(p), t.left)])
			t.left -= n
			return n, err
		case t.left > 0:
			if err := t.fill(); err != nil {
				return 0, err
			}
		default:
			if err := t.begin(); err != nil {
				return 0, err
			}
		}
	}
	return 0, errSink
}

// begin looks at the next message's header.
func (t *tap) begin() error {
	for t.end-t.start < headBytes {
		if err := t.fill(); err != nil {
			return err
		}
	}
	t.left, t.data = t.head()
	if t.data {
		t.start, t.left = t.start+headBytes, t.left-headBytes
	}
	return nil
}

// head reads the header at the start of the buffer: the length of its message, and whether it is the sink's.
// A length that cannot be is the driver's to refuse: it gets the header and no more of the stream as data.
func (t *tap) head() (length int, data bool) {
	length = int(binary.BigEndian.Uint32(t.buf[t.start+1:]))
	if length < lengthSelf {
		return headBytes, false
	}
	return length - lengthSelf + headBytes, t.sink != nil && t.buf[t.start] == copyData
}

// fill reads more behind what is there.
func (t *tap) fill() error {
	if t.start > 0 {
		t.end = copy(t.buf, t.buf[t.start:t.end])
		t.start = 0
	}
	n, err := t.from.Read(t.buf[t.end:])
	t.end += n
	if n > 0 {
		return nil // an error comes again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// take gives the sink the data that is in the buffer. Most rows are short: their bodies are moved together, so
// that the sink gets many at a time.
func (t *tap) take() error {
	if t.left > 0 && t.start == t.end {
		if err := t.fill(); err != nil {
			return err
		}
	}
	from := t.start
	to := from
	for {
		n := min(t.left, t.end-t.start)
		to += copy(t.buf[to:], t.buf[t.start:t.start+n])
		t.start, t.left = t.start+n, t.left-n
		if t.left > 0 || t.end-t.start < headBytes {
			t.data = t.left > 0
			break
		}
		length, data := t.head()
		if !data {
			t.data = false // left is zero: the header is looked at again
			break
		}
		t.start, t.left = t.start+headBytes, length-headBytes
	}
	if to == from {
		return nil
	}
	if err := t.sink(t.buf[from:to]); err != nil {
		t.broken = true
		return errSink
	}
	return nil
}
