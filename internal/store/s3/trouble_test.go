package s3_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/store/fault"
	"github.com/lifeboat-dr/lifeboat/internal/store/storetest"
)

// ofKind chooses requests by what they are for.
var ofKind = map[storetest.Request]fault.Match{
	storetest.Writing: func(r *http.Request) bool { return put(r) && !r.URL.Query().Has("retention") },
	storetest.Reading: func(r *http.Request) bool { return get(r) && r.URL.Path != "/" && !hasAny(r, "versions", "retention") },
	storetest.Listing: func(r *http.Request) bool { return get(r) && r.URL.Query().Has("versions") },
	storetest.Locking: func(r *http.Request) bool { return put(r) && r.URL.Query().Has("retention") },
}

func hasAny(r *http.Request, names ...string) bool {
	for _, name := range names {
		if r.URL.Query().Has(name) {
			return true
		}
	}
	return false
}

// silence is what the suite's stores bear, and what slow answers stay below.
const (
	silence = 400 * time.Millisecond
	hangs   = time.Minute
)

var behaviors = map[storetest.Trouble]fault.Behavior{
	storetest.Throttled:  fault.Throttle(),
	storetest.Broken:     fault.Refuse(http.StatusInternalServerError, "InternalError"),
	storetest.Reset:      fault.Reset(),
	storetest.LostAnswer: fault.Lose(),
	storetest.Slow:       fault.Slow(1<<20, silence/2),
	storetest.Stalled:    fault.Stall(hangs),
	storetest.Silent:     fault.Hang(hangs),
	storetest.CutOff:     fault.Partial(1 << 20),
	storetest.Shortened:  fault.Shorten(1),
	storetest.Flipped:    fault.Flip(),
	storetest.Full:       fault.Full(),
	storetest.ReadOnly:   fault.Refuse(http.StatusForbidden, "AccessDenied"),
}

func TestTroubles(t *testing.T) {
	srv := server(t)
	var can []storetest.Trouble
	for trouble := range behaviors {
		can = append(can, trouble)
	}
	storetest.RunFaulty(t, func(t *testing.T) storetest.Faulty {
		s := faulty(t, srv)
		s.cfg.Silence = silence
		s.Store = opened(t, s.cfg)
		return storetest.Faulty{
			Store: s.Store,
			Cause: func(_ *testing.T, trouble storetest.Trouble, on storetest.Request, times int) bool {
				do, known := behaviors[trouble]
				s.proxy.Inject(times, ofKind[on], do)
				return known
			},
			Heal:     func(*testing.T) { s.proxy.Heal() },
			Requests: func(on storetest.Request) int { return s.proxy.Requests(ofKind[on]) },
			Attempts: attempts,
		}
	}, can...)
}
