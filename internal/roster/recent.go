package roster

import (
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// maxRecent is how many dockets and runbooks stay read: those of executions that run at the same time.
const maxRecent = 16

// recently keeps what was read lately, by the digest of the texts that it follows from. Every activity of an execution
// asks for its own again, and reading takes longer than all its signatures. It keeps no judgement: what is kept
// follows from the texts alone, and nobody changes it.
type recently[V any] struct {
	mu   sync.Mutex
	read map[[sha256.Size]byte]V
}

var (
	recentDockets  recently[plan.Docket]
	recentRunbooks recently[*runbooks.Runbook]
)

func (r *recently[V]) get(key [sha256.Size]byte) (v V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok = r.read[key]
	return v, ok
}

func (r *recently[V]) put(key [sha256.Size]byte, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.read == nil || len(r.read) >= maxRecent {
		r.read = map[[sha256.Size]byte]V{}
	}
	r.read[key] = v
}

// textsOf is the digest of everything that a docket's runbook follows from.
func textsOf(d plan.Docket, names map[string]string) ([sha256.Size]byte, error) {
	texts := [][]string{{d.Runbook}}
	for _, nested := range d.Nested {
		texts = append(texts, []string{nested.Text})
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		texts = append(texts, []string{name, names[name]})
	}
	all, err := json.Marshal(texts)
	return sha256.Sum256(all), err
}
