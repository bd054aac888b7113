package gcs_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/store/fault"
	"github.com/lifeboat-dr/lifeboat/internal/store/storetest"
)

// ofKind chooses requests by what they are for.
var ofKind = map[storetest.Request]fault.Match{
	storetest.Writing: post,
	storetest.Reading: func(r *http.Request) bool { return get(r) && r.URL.Query().Get("alt") == "media" },
	storetest.Listing: func(r *http.Request) bool { return get(r) && strings.HasSuffix(r.URL.Path, "/o") },
	storetest.Locking: fault.Method(http.MethodPatch),
}

// silence is what the suite's stores bear, and what slow answers stay below.
const (
	silence = 400 * time.Millisecond
	hangs   = time.Minute
)

var behaviors = map[storetest.Trouble]fault.Behavior{
	storetest.Throttled:  fault.Refuse(http.StatusTooManyRequests, ""),
	storetest.Broken:     fault.Refuse(http.StatusInternalServerError, ""),
	storetest.Reset:      fault.Reset(),
	storetest.LostAnswer: fault.Lose(),
	storetest.Slow:       fault.Slow(1<<20, silence/2),
	storetest.Stalled:    fault.Stall(hangs),
	storetest.Silent:     fault.Hang(hangs),
	storetest.CutOff:     fault.Partial(1 << 20),
	storetest.Shortened:  fault.Shorten(1),
	storetest.Flipped:    fault.Flip(),
	storetest.Full:       fault.Full(),
	storetest.ReadOnly:   fault.Refuse(http.StatusForbidden, ""),
}

func TestTroubles(t *testing.T) {
	srv := emulator(t)
	var can []storetest.Trouble
	for trouble := range behaviors {
		can = append(can, trouble)
	}
	storetest.RunFaulty(t, func(t *testing.T) storetest.Faulty {
		_, proxy, cfg := faulty(t, srv)
		cfg.Silence = silence
		return storetest.Faulty{
			Store: opened(t, cfg),
			Cause: func(_ *testing.T, trouble storetest.Trouble, on storetest.Request, times int) bool {
				do, known := behaviors[trouble]
				proxy.Inject(times, ofKind[on], do)
				return known
			},
			Heal:     func(*testing.T) { proxy.Heal() },
			Requests: func(on storetest.Request) int { return proxy.Requests(ofKind[on]) },
			Attempts: attempts,
		}
	}, can...)
}
