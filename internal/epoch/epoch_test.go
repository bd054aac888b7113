package epoch_test

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/lifeboat-dr/lifeboat/internal/epoch"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/dir"
)

var brief = strings.Repeat("ab", 32)

// switched is a vault that can be away, as a dead region's is.
type switched struct {
	store.Store
	mu   sync.Mutex
	away bool
}

func (s *switched) set(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func (s *switched) down() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return &store.Error{Op: "reach", Kind: store.ErrUnavailable}
	}
	return nil
}

func (s *switched) Create(ctx context.Context, key string, body []byte, opt store.CreateOptions) (store.Object, error) {
	if err := s.down(); err != nil {
		return store.Object{}, err
	}
	return s.Store.Create(ctx, key, body, opt)
}

func (s *switched) Versions(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	if err := s.down(); err != nil {
		return func(yield func(store.Object, error) bool) { yield(store.Object{}, err) }
	}
	return s.Store.Versions(ctx, prefix)
}

// world is some vaults and a key that signs for them.
type world struct {
	t       *testing.T
	vaults  []*switched
	signer  *signature.Signer
	signers *signature.Verifier
}

func newWorld(t *testing.T, vaults int) *world {
	t.Helper()
	w := &world{t: t}
	for range vaults {
		s, err := dir.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		w.vaults = append(w.vaults, &switched{Store: s})
	}
	w.signer, w.signers = key(t)
	return w
}

func key(t *testing.T) (*signature.Signer, *signature.Verifier) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := signature.NewSigner(pem.EncodeToMemory(block))
	if err != nil {
		t.Fatal(err)
	}
	signers, err := signature.ParseAllowedSigners([]byte("worker@example " + signer.PublicKey() + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return signer, signers
}

// ledger is a process of its own: it remembers nothing of the others.
func (w *world) ledger() *epoch.Ledger {
	l := &epoch.Ledger{Application: "medlink", Signer: w.signer, Signers: w.signers, Patience: 5 * time.Second}
	for i, v := range w.vaults {
		l.Vaults = append(l.Vaults, epoch.Vault{Name: fmt.Sprint("v", i), Store: v})
	}
	return l
}

func (w *world) away(which ...int) {
	for i, v := range w.vaults {
		v.set(false)
		for _, n := range which {
			if n == i {
				v.set(true)
			}
		}
	}
}

func (w *world) look() epoch.Seen {
	w.t.Helper()
	seen, err := w.ledger().Look(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return seen
}

func claim(execution string, believed int64, site string) epoch.Claim {
	return epoch.Claim{Believed: believed, Primaries: map[string]string{"database": site}, Execution: execution, Brief: brief}
}

func (w *world) take(c epoch.Claim) (epoch.Record, error) {
	w.t.Helper()
	return w.ledger().Take(w.t.Context(), c)
}

func (w *world) mustTake(c epoch.Claim, want int64) {
	w.t.Helper()
	got, err := w.take(c)
	if err != nil || got.Number != want || got.Execution != c.Execution {
		w.t.Fatalf("take: epoch %d of %q, %v; want %d of %q", got.Number, got.Execution, err, want, c.Execution)
	}
}

func (w *world) mustFail(c epoch.Claim, want error) {
	w.t.Helper()
	if _, err := w.take(c); !errors.Is(err, want) {
		w.t.Fatalf("take by %s: %v, want %v", c.Execution, err, want)
	}
}

func TestTakingIsCompareAndSet(t *testing.T) {
	w := newWorld(t, 3)
	if seen := w.look(); seen.Current.Number != 0 || seen.Primary("database", "east") != "east" {
		t.Fatalf("before any failover: %+v", seen.Current)
	}
	w.mustTake(claim("a", 0, "west"), 1)
	w.mustTake(claim("a", 0, "west"), 1) // again, by the same
	w.mustFail(claim("b", 0, "west"), epoch.ErrOvertaken)
	w.mustTake(claim("b", 1, "east"), 2)
	seen := w.look()
	if seen.Current.Number != 2 || seen.Primary("database", "west") != "east" || seen.Primary("uploads", "west") != "west" || seen.Blind() {
		t.Fatalf("after two: %+v", seen)
	}
	w.mustFail(claim("a", 0, "west"), epoch.ErrOvertaken) // even its own is history
	// Whatever was moved before stays moved.
	uploads := claim("c", 2, "")
	uploads.Primaries = map[string]string{"uploads": "west"}
	w.mustTake(uploads, 3)
	if p := w.look().Current.Primaries; p["uploads"] != "west" || p["database"] != "east" {
		t.Fatalf("primaries after epoch 3: %v", p)
	}
}

func TestOneOfManyWins(t *testing.T) {
	w := newWorld(t, 3)
	const racers = 12
	errs := make([]error, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() { _, errs[i] = w.ledger().Take(context.Background(), claim(fmt.Sprint("racer", i), 0, "west")) })
	}
	wg.Wait()
	winner := w.look().Current
	won := 0
	for i, err := range errs {
		switch {
		case err == nil:
			won++
			if winner.Execution != fmt.Sprint("racer", i) {
				t.Errorf("racer%d thinks that it won, and the vaults say %s", i, winner.Execution)
			}
		case !errors.Is(err, epoch.ErrOvertaken):
			t.Errorf("racer%d: %v", i, err)
		}
	}
	if won != 1 {
		t.Errorf("%d racers won", won)
	}
}

func TestHowManyVaultsAreNeeded(t *testing.T) {
	for _, c := range []struct {
		vaults int
		away   []int
		err    error
		blind  bool
	}{
		{1, []int{0}, epoch.ErrAway, false},
		{2, []int{0}, epoch.ErrAway, false},
		{3, []int{0}, nil, false},
		{3, []int{0, 1}, epoch.ErrAway, true},
		{4, []int{0, 1}, epoch.ErrAway, false},
		{5, []int{0, 1}, nil, false},
	} {
		w := newWorld(t, c.vaults)
		w.away(c.away...)
		_, err := w.take(claim("a", 0, "west"))
		if !errors.Is(err, c.err) {
			t.Errorf("%d vaults, %v away: %v, want %v", c.vaults, c.away, err, c.err)
		}
		if len(c.away) < c.vaults {
			if seen := w.look(); seen.Blind() != c.blind {
				t.Errorf("%d vaults, %v away: blind is %v", c.vaults, c.away, seen.Blind())
			}
		}
	}
}

func TestAnEpochIsSeenByAnyVaultsThatAreEnough(t *testing.T) {
	w := newWorld(t, 3)
	w.away(2)
	w.mustTake(claim("a", 0, "west"), 1) // v0 and v1
	for _, away := range [][]int{{0}, {1}, {2}, {}, {0, 2}} {
		w.away(away...)
		if seen := w.look(); seen.Current.Number != 1 {
			t.Errorf("with %v away the epoch is %d", away, seen.Current.Number)
		}
	}
	w.away(0, 1)
	if seen := w.look(); seen.Current.Number != 0 || !seen.Blind() {
		t.Errorf("the one vault that does not hold it: epoch %d, blind %v", seen.Current.Number, seen.Blind())
	}
}

func TestWhatIsHalfTaken(t *testing.T) {
	w := newWorld(t, 3)
	w.away(1, 2)
	w.mustFail(claim("a", 0, "west"), epoch.ErrAway)
	// Written to one vault by a process that saw all three, and was killed.
	w.plant(0, w.signer, epoch.Record{Format: 1, Number: 1, Application: "medlink", Primaries: map[string]string{"database": "west"}, Execution: "a", Brief: brief, Taken: time.Now()})
	w.away()
	if seen := w.look(); seen.Current.Number != 0 || seen.Highest != 1 {
		t.Fatalf("half taken: epoch %d, highest %d", seen.Current.Number, seen.Highest)
	}
	w.away(2)
	if seen := w.look(); seen.Current.Number != 1 {
		t.Fatalf("it may have been taken, and the epoch is %d", seen.Current.Number)
	}
	w.mustFail(claim("b", 0, "west"), epoch.ErrOvertaken)
	w.away()
	w.mustTake(claim("a", 0, "west"), 1) // it finishes what it began
	w.away(0)
	if got := w.look().Current; got.Number != 1 || got.Execution != "a" {
		t.Fatalf("finished: %+v", got)
	}
}

func TestANumberThatNobodyCanWin(t *testing.T) {
	w := newWorld(t, 3)
	other, _ := key(t)
	record := epoch.Record{Format: 1, Number: 1, Application: "medlink", Execution: "thief", Brief: brief, Taken: time.Now()}
	w.plant(0, other, record) // signed by nobody who may
	w.plant(1, w.signer, func() epoch.Record { r := record; r.Application = "another"; return r }())
	if seen := w.look(); seen.Current.Number != 0 || seen.Highest != 0 || len(seen.Problems) != 2 {
		t.Fatalf("rubbish is believed: %+v", seen)
	}
	w.mustTake(claim("a", 0, "west"), 2)
	w.mustTake(claim("a", 0, "west"), 2)
	w.mustFail(claim("b", 0, "west"), epoch.ErrOvertaken)
	w.mustFail(claim("b", 1, "west"), epoch.ErrOvertaken)
	w.mustTake(claim("b", 2, "west"), 3)
}

func TestAnswersAreBelievedForSeconds(t *testing.T) {
	w := newWorld(t, 3)
	now := time.Now()
	l := w.ledger()
	l.Fresh, l.Now = 2*time.Second, func() time.Time { return now }
	number := func() int64 {
		seen, err := l.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return seen.Current.Number
	}
	number()
	w.mustTake(claim("a", 0, "west"), 1)
	if number() != 0 {
		t.Error("it was asked again at once")
	}
	if now = now.Add(2 * time.Second); number() != 1 {
		t.Error("it was not asked again")
	}
}

// plant puts a record into one vault, as somebody with its credentials can.
func (w *world) plant(vault int, signer *signature.Signer, r epoch.Record) {
	w.t.Helper()
	data, err := epoch.Sign(signer, r)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.vaults[vault].Store.Create(w.t.Context(), manifest.EpochKey(r.Number), data, store.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}
