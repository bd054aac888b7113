package storetest

import (
	"errors"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/fault"
)

// Trouble is something that happens between a store and its bytes.
type Trouble string

// The troubles of the suite. Passing ones are over after some requests.
const (
	// Throttled: the server asks for fewer requests.
	Throttled Trouble = "throttled"
	// Broken: the server answers that it failed.
	Broken Trouble = "broken"
	// Reset: the connection ends before the request gets there.
	Reset Trouble = "reset"
	// LostAnswer: the server does what it is asked, and the connection ends before it can say so.
	LostAnswer Trouble = "lost answer"
	// Slow: the answer comes in pieces with pauses, each shorter than a store has to bear.
	Slow Trouble = "slow"
	// Stalled: the answer begins and does not go on, the connection stays.
	Stalled Trouble = "stalled"
	// Silent: no answer begins, the connection stays.
	Silent Trouble = "silent"
	// CutOff: the connection ends in the middle of the answer.
	CutOff Trouble = "cut off"
	// Shortened: the body is complete as far as the protocol can tell, and bytes at its end are missing.
	Shortened Trouble = "shortened"
	// Flipped: a bit of the body is another one.
	Flipped Trouble = "flipped"
	// Full: no room, or a quota is used up.
	Full Trouble = "full"
	// ReadOnly: what is there can be read, and nothing written.
	ReadOnly Trouble = "read only"
)

// Request is a kind of request that trouble can befall.
type Request string

// The kinds of request.
const (
	Writing Request = "writing"
	Reading Request = "reading"
	Listing Request = "listing"
	Locking Request = "locking"
)

// Faulty is an empty store to which trouble can be caused.
type Faulty struct {
	Store store.Store
	// Cause makes the next times requests of a kind meet the trouble, or all of them until Heal when times is
	// [fault.Always]. It says whether such a thing can happen to this store at all.
	Cause func(t *testing.T, trouble Trouble, on Request, times int) bool
	// Heal ends all trouble and the count of requests.
	Heal func(t *testing.T)
	// Requests counts since Heal. Nil where a store sends none.
	Requests func(on Request) int
	// Attempts is how often the store tries a request by itself.
	Attempts int
}

// RunFaulty tests what the contract says about failures: what passes is waited out, what does not is told
// apart by its kind, no write is half done or done twice, and no read is short without an error.
// can lists the troubles this store can have, so that one that stops to be caused is noticed.
func RunFaulty(t *testing.T, open func(t *testing.T) Faulty, can ...Trouble) {
	r := &faultyRun{open: open, can: map[Trouble]bool{}}
	for _, trouble := range can {
		r.can[trouble] = true
	}
	t.Run("writes in passing trouble", r.writesInPassingTrouble)
	t.Run("writes in lasting trouble", r.writesInLastingTrouble)
	t.Run("every answer lost", r.everyAnswerLost)
	t.Run("refused", r.refused)
	t.Run("reads", r.reads)
	t.Run("damaged reads", r.damagedReads)
	t.Run("silence", r.silence)
	t.Run("listings", r.listings)
	t.Run("locks", r.locks)
}

type faultyRun struct {
	open func(t *testing.T) Faulty
	can  map[Trouble]bool
}

// each runs a test for those of the troubles that the store can have, each with a store of its own.
func (r *faultyRun) each(t *testing.T, test func(*testing.T, Faulty, Trouble), troubles ...Trouble) {
	t.Helper()
	for _, trouble := range troubles {
		if r.can[trouble] {
			t.Run(string(trouble), func(t *testing.T) { test(t, r.open(t), trouble) })
		}
	}
}

// cause fails when the trouble cannot be caused after all.
func (f Faulty) cause(t *testing.T, trouble Trouble, on Request, times int) {
	t.Helper()
	if !f.Cause(t, trouble, on, times) {
		t.Fatalf("%s while %s cannot be caused", trouble, on)
	}
}

// met fails when trouble was caused and no request met it, or when there were others than so many attempts.
func (f Faulty) met(t *testing.T, on Request, least, most int) {
	t.Helper()
	if f.Requests == nil {
		return
	}
	if n := f.Requests(on); n < least || n > most {
		t.Errorf("there were %d requests of %s, want %d to %d", n, on, least, most)
	}
}

// hinted checks that a person is told what to do.
func hinted(t *testing.T, err error) {
	t.Helper()
	var e *store.Error
	if !errors.As(err, &e) || e.Hint == "" {
		t.Errorf("%v: no hint says what to do", err)
	}
}

const many = fault.Always
