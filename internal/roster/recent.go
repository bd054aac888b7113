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

// maxRecent is how many runbooks are kept read: those of executions that run at the same time.
const maxRecent = 16

// recentRunbooks are runbooks that were read lately, by the digest of the texts they follow from. Every activity of
// an execution asks for its own again, and reading a runbook takes longer than all its signatures. It keeps no
// judgement: what is kept follows from the texts alone, and nobody changes it.
type recentRunbooks struct {
	mu   sync.Mutex
	read map[[sha256.Size]byte]*runbooks.Runbook
}

var recent = recentRunbooks{read: map[[sha256.Size]byte]*runbooks.Runbook{}}

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

func (r *recentRunbooks) get(key [sha256.Size]byte) *runbooks.Runbook {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.read[key]
}

func (r *recentRunbooks) put(key [sha256.Size]byte, book *runbooks.Runbook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.read) >= maxRecent {
		clear(r.read)
	}
	r.read[key] = book
}
