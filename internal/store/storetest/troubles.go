package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// sealed is a body that is larger than what clients and sockets hold back.
var sealed = pattern(3 << 20)

// One attempt less fails than there are: the write succeeds, once, and nobody learns of the trouble.
func (r *faultyRun) writesInPassingTrouble(t *testing.T) {
	r.each(t, func(t *testing.T, f Faulty, trouble Trouble) {
		f.cause(t, trouble, Writing, f.Attempts-1)
		o, err := f.Store.Create(t.Context(), "k", sealed, store.CreateOptions{Metadata: map[string]string{"range": "a"}})
		if err != nil {
			t.Fatal(err)
		}
		f.met(t, Writing, 2, f.Attempts)
		f.Heal(t)
		got, stat := read(t, f.Store, "k", o.Version)
		if !bytes.Equal(got, sealed) || stat.SHA256 != sum(sealed) || stat.Metadata["range"] != "a" || len(stat.Metadata) != 1 {
			t.Errorf("created %+v, found %d bytes and %+v", o, len(got), stat)
		}
		if all := versions(t, f.Store, ""); len(all) != 1 {
			t.Errorf("there are %d versions", len(all))
		}
	}, Throttled, Broken, Reset, LostAnswer)
}

// Trouble that stays is told as such, after a bounded number of attempts, and leaves nothing.
func (r *faultyRun) writesInLastingTrouble(t *testing.T) {
	r.each(t, func(t *testing.T, f Faulty, trouble Trouble) {
		f.cause(t, trouble, Writing, many)
		_, err := f.Store.Create(t.Context(), "k", sealed, store.CreateOptions{})
		failed(t, err, store.ErrUnavailable, "create", "k")
		f.met(t, Writing, f.Attempts, f.Attempts)
		f.Heal(t)
		if all := versions(t, f.Store, ""); len(all) != 0 {
			t.Errorf("a failed write left %q", keys(all))
		}
		create(t, f.Store, "k", sealed, store.CreateOptions{})
	}, Throttled, Broken, Reset)
}

// The write happens and no attempt learns of it: only looking for the object tells. The same body of another
// call is another write, and is refused.
func (r *faultyRun) everyAnswerLost(t *testing.T) {
	r.each(t, func(t *testing.T, f Faulty, trouble Trouble) {
		until := soon(time.Hour)
		f.cause(t, trouble, Writing, many)
		o := create(t, f.Store, "k", sealed, store.CreateOptions{RetainUntil: until})
		if o.Version == "" || o.SHA256 != sum(sealed) || !o.RetainUntil.Equal(until) {
			t.Errorf("adopted %+v", o)
		}
		_, err := f.Store.Create(t.Context(), "k", sealed, store.CreateOptions{})
		failed(t, err, store.ErrExists, "create", "k")
		f.Heal(t)
		if all := versions(t, f.Store, ""); len(all) != 1 || all[0].Version != o.Version {
			t.Errorf("the versions are %+v, want %s alone", all, o.Version)
		}
	}, LostAnswer)
}

// What no retry mends is tried once, says what to do, keeps what is there readable, and leaves nothing.
func (r *faultyRun) refused(t *testing.T) {
	r.each(t, func(t *testing.T, f Faulty, trouble Trouble) {
		before := create(t, f.Store, "before", []byte("x"), store.CreateOptions{})
		f.Heal(t) // forgets the requests
		f.cause(t, trouble, Writing, many)
		_, err := f.Store.Create(t.Context(), "new", sealed, store.CreateOptions{})
		kind := store.ErrFull
		if trouble == ReadOnly {
			kind = store.ErrDenied
		}
		failed(t, err, kind, "create", "new")
		hinted(t, err)
		if store.Retryable(err) {
			t.Errorf("%v: no retry mends it", err)
		}
		f.met(t, Writing, 1, 1)
		if got, _ := read(t, f.Store, "before", before.Version); string(got) != "x" {
			t.Errorf("what was there holds %q", got)
		}
		f.Heal(t)
		if diff := cmp.Diff([]string{"before"}, keys(versions(t, f.Store, ""))); diff != "" {
			t.Errorf("after a refused write (-want +got):\n%s", diff)
		}
		create(t, f.Store, "new", sealed, store.CreateOptions{})
	}, Full, ReadOnly)
}

// A read is whole or it is an error that a retry mends. Stores may go on by themselves where they were.
func (r *faultyRun) reads(t *testing.T) {
	r.each(t, func(t *testing.T, f Faulty, trouble Trouble) {
		create(t, f.Store, "k", sealed, store.CreateOptions{})
		f.Heal(t)
		f.cause(t, trouble, Reading, 1)
		got, _, err := tryRead(t, f.Store, "k", "")
		switch {
		case err == nil && !bytes.Equal(got, sealed):
			t.Errorf("%d others of %d bytes came without an error", len(got), len(sealed))
		case err != nil && trouble != CutOff:
			t.Errorf("it was not waited out: %v", err)
		case err != nil:
			failed(t, err, store.ErrUnavailable, "open", "k")
		}
		f.met(t, Reading, 1, f.Attempts)
		f.Heal(t)
		if got, _ := read(t, f.Store, "k", ""); !bytes.Equal(got, sealed) {
			t.Errorf("afterwards %d others came", len(got))
		}
	}, Throttled, Broken, Reset, LostAnswer, Slow, CutOff)
}

// Bytes that are not those that were written never come without an error, and no retry is advised.
func (r *faultyRun) damagedReads(t *testing.T) {
	r.each(t, func(t *testing.T, f Faulty, trouble Trouble) {
		o := create(t, f.Store, "k", sealed, store.CreateOptions{})
		f.Heal(t)
		f.cause(t, trouble, Reading, many)
		for _, version := range []string{"", o.Version} {
			_, _, err := tryRead(t, f.Store, "k", version)
			failed(t, err, store.ErrCorrupt, "open", "k")
		}
	}, Shortened, Flipped)
}

// borne is far more than all attempts of a request take with the silence that a store is told to bear, and
// far less than it would take without.
const borne = 15 * time.Second

// A server that says nothing is given up, before and within an answer, without the caller's doing.
func (r *faultyRun) silence(t *testing.T) {
	r.each(t, func(t *testing.T, f Faulty, trouble Trouble) {
		create(t, f.Store, "k", sealed, store.CreateOptions{})
		for on, try := range map[Request]func(context.Context) (op, key string, err error){
			Reading: func(ctx context.Context) (op, key string, err error) {
				body, _, err := f.Store.Open(ctx, "k", "")
				if err == nil {
					_, err = io.Copy(io.Discard, body)
					_ = body.Close() // its end was told above
				}
				return "open", "k", err
			},
			Listing: func(ctx context.Context) (op, key string, err error) {
				for _, err = range f.Store.Versions(ctx, "k") {
				}
				return "list", "k", err
			},
			Writing: func(ctx context.Context) (op, key string, err error) {
				_, err = f.Store.Create(ctx, "new", []byte("x"), store.CreateOptions{})
				if err == nil {
					// The answer stalled behind the write: it was looked for, and found.
					err = &store.Error{Op: "create", Key: "new", Kind: store.ErrUnavailable}
				}
				return "create", "new", err
			},
		} {
			f.Heal(t)
			f.cause(t, trouble, on, many)
			ctx, cancel := context.WithTimeout(t.Context(), borne)
			op, key, err := try(ctx)
			failed(t, err, store.ErrUnavailable, op, key)
			if ctx.Err() != nil {
				t.Errorf("%s: it was borne until the caller gave up", on)
			}
			cancel()
		}
	}, Silent, Stalled)
}

// A listing is complete or it ends in an error.
func (r *faultyRun) listings(t *testing.T) {
	r.each(t, func(t *testing.T, f Faulty, trouble Trouble) {
		var want []string
		for i := range 5 {
			want = append(want, fmt.Sprintf("a/%d", i))
			create(t, f.Store, want[i], nil, store.CreateOptions{})
		}
		f.Heal(t)
		f.cause(t, trouble, Listing, 1)
		if diff := cmp.Diff(want, keys(versions(t, f.Store, "a/"))); diff != "" {
			t.Errorf("through passing trouble (-want +got):\n%s", diff)
		}
		f.met(t, Listing, 1, f.Attempts)
		f.Heal(t)
		f.cause(t, trouble, Listing, many)
		var last error
		for _, err := range f.Store.Versions(t.Context(), "a/") {
			last = err
		}
		failed(t, last, store.ErrUnavailable, "list", "a/")
		for _, err := range f.Store.Folders(t.Context(), "") {
			last = err
		}
		failed(t, last, store.ErrUnavailable, "list", "")
	}, Throttled, Broken, Reset)
}

// A lock whose answer was lost is there, and to lengthen it again is no error.
func (r *faultyRun) locks(t *testing.T) {
	r.each(t, func(t *testing.T, f Faulty, trouble Trouble) {
		o := create(t, f.Store, "k", []byte("x"), store.CreateOptions{RetainUntil: soon(time.Hour)})
		f.Heal(t)
		until := soon(48 * time.Hour)
		f.cause(t, trouble, Locking, 1)
		err := f.Store.Extend(t.Context(), "k", o.Version, until)
		if err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("extend: %v", err)
		}
		f.met(t, Locking, 1, f.Attempts)
		f.Heal(t)
		if err := f.Store.Extend(t.Context(), "k", o.Version, until); err != nil {
			t.Errorf("extend again: %v", err)
		}
		lockedUntil(t, f.Store, o, until)
	}, Throttled, Reset, LostAnswer)
}
