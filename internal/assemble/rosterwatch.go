package assemble

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/roster"
)

const (
	// rosterPatience bounds how long one vault may take to tell of the roster's versions.
	rosterPatience = 10 * time.Second
	// rosterEvery is how often the vaults are asked: a key that was stolen counts for so long at most on a
	// machine whose file is old. Not at every use, which would make each activity wait for every vault.
	rosterEvery = 5 * time.Minute
)

// rosterWatch keeps a process from working with an older roster than the newest that lies in a vault.
type rosterWatch struct {
	file   *roster.File
	vaults *roster.Vaults
	log    *slog.Logger

	first sync.Once
	// said is what was logged last, so that the same is not said every few minutes.
	mu   sync.Mutex
	said string
}

// watchRoster makes what watches; nil where the configuration names no roster.
func (e *Engine) watchRoster() *rosterWatch {
	if e.roster == nil {
		return nil
	}
	shelves := &roster.Vaults{Fingerprint: e.roster.Fingerprint, Patience: rosterPatience}
	for _, name := range sortedNames(e.vaults) {
		v := e.vaults[name]
		shelves.Vaults = append(shelves.Vaults, roster.Vault{Name: name, Store: v.Store, Retain: v.Retain})
	}
	return &rosterWatch{file: e.roster, vaults: shelves, log: e.opt.Log}
}

// WatchRoster asks the vaults for the newest version of the roster, now and every few minutes until the context
// ends, and brings them the versions that they lack. A vault that is away is logged and stops nothing. A roster
// that does not hold stops what people have to allow, and not this process: it still tells what gets late.
func (e *Engine) WatchRoster(ctx context.Context) {
	w := e.watch
	if w == nil {
		return
	}
	if w.file.Fingerprint == "" {
		_, err := w.file.Load(time.Now())
		w.log.Error("the roster does not hold: nothing that people have to allow will be done", "error", err)
		return
	}
	w.once(ctx)
	go func() {
		ticker := time.NewTicker(rosterEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				w.look(ctx)
			}
		}
	}()
}

// CheckRoster asks the vaults once, writes nothing, and says what they hold. The error says why the roster's
// file does not hold, also because a newer version lies in a vault.
func (e *Engine) CheckRoster(ctx context.Context) (roster.Looked, error) {
	w := e.watch
	if w == nil || e.roster.Fingerprint == "" {
		return roster.Looked{}, nil
	}
	local, err := roster.ReadChain(w.file.Path)
	if err != nil {
		local = nil
	}
	now := time.Now()
	looked := w.vaults.Look(ctx, local, now)
	w.file.See(looked.Marks...)
	if err != nil {
		return looked, err
	}
	_, err = w.file.Load(now)
	return looked, err
}

// NewestRoster is the newest chain that the vaults and the roster's file give together, verified. It writes nothing.
func (e *Engine) NewestRoster(ctx context.Context) (*roster.Chain, roster.Looked, error) {
	w := e.watch
	local, err := roster.ReadChain(w.file.Path)
	if err != nil {
		local = nil // it is what is to be fetched
	}
	now := time.Now()
	looked := w.vaults.Look(ctx, local, now)
	if len(looked.Reached) == 0 {
		return nil, looked, errors.Join(append([]error{errors.New("no vault could be asked for the newest version of the roster")}, looked.Unreached...)...)
	}
	chain, err := looked.Chain(w.file.Fingerprint)
	if err != nil {
		return nil, looked, err
	}
	_, err = chain.Verify(w.file.Fingerprint, now, looked.Marks...)
	return chain, looked, err
}

// load is the roster that holds now; before the first one is believed the vaults were asked.
func (w *rosterWatch) load() (*roster.Roster, error) {
	if w.file.Fingerprint != "" {
		w.once(context.Background())
	}
	return w.file.Load(time.Now())
}

func (w *rosterWatch) once(ctx context.Context) { w.first.Do(func() { w.look(ctx) }) }

// look asks the vaults, remembers what they hold, and brings them what they lack.
func (w *rosterWatch) look(ctx context.Context) {
	now := time.Now()
	chain, err := roster.ReadChain(w.file.Path)
	looked := w.vaults.Look(ctx, chain, now)
	if ctx.Err() != nil {
		return // this process ends; that says nothing of the vaults
	}
	w.file.See(looked.Marks...)
	var held *roster.Roster
	if err == nil {
		if held, err = chain.Verify(w.file.Fingerprint, now, looked.Marks...); err == nil {
			_, err = w.file.Load(now) // by all that this process has ever seen
		}
	}
	var missed []error
	if err == nil {
		missed = w.vaults.Publish(ctx, chain, looked, now)
	}
	w.tell(looked, held, err, missed)
}

// tell logs what was found when it is not what was found the last time.
func (w *rosterWatch) tell(looked roster.Looked, held *roster.Roster, failed error, missed []error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	said := errors.Join(errors.Join(looked.Unreached...), errors.Join(looked.Problems...), failed, errors.Join(missed...))
	if held != nil {
		said = errors.Join(said, errors.New(held.Mark().Digest))
	}
	if said != nil && said.Error() == w.said {
		return
	}
	w.said = ""
	if said != nil {
		w.said = said.Error()
	}
	for _, err := range looked.Unreached {
		w.log.Warn("a vault could not be asked for the newest version of the roster", "error", err)
	}
	if len(looked.Reached) == 0 {
		w.log.Error("no vault could be asked for the newest version of the roster: if the file on this machine is an older one, nobody notices")
	}
	for _, err := range looked.Problems {
		w.log.Error("an object pretends to be a version of the roster: find out who can write to the vault", "error", err)
	}
	for _, err := range missed {
		w.log.Warn("the newest roster could not be brought to a vault", "error", err)
	}
	if failed != nil {
		w.log.Error("the roster does not hold: nothing that people have to allow will be done", "error", failed)
		return
	}
	w.log.Info("the roster holds", "version", held.Version.Number, "vaults", looked.Reached)
}
