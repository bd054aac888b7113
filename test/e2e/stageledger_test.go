package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/evidence"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// ledger is all that an execution has left: its journal, and what was seen outside of it.
type ledger struct {
	state plan.ExecutionState
	steps map[string]plan.StepState
	// events are the journal's, as kind and step, in their order.
	events []string
	// effects count what happened outside: "http scale", "http scale/undo", "program once", "notice page/call/1".
	effects map[string]int
	backups int
	// door is the state of the execution's door, "" when it was never asked.
	door string
	// standby is what became of the standby, "" where none was asked to follow.
	standby string
	// branches are those that a restore made and that are there.
	branches []string
}

// ledgerOf reads it, and holds the journal against the state machine, the chain, the signatures and all vaults.
func (s *stage) ledgerOf(t *testing.T, c *stageCell) (ledger, error) {
	t.Helper()
	l := ledger{state: c.result.State, steps: c.result.Steps, effects: map[string]int{}}
	read, err := s.engine.Journal(t.Context(), c.id)
	if err != nil {
		return l, err
	}
	if len(read.Problems) > 0 || len(read.Gaps) > 0 || read.Head.Seq != c.result.Journal.Seq || read.Head.Hash != c.result.Journal.Hash {
		return l, fmt.Errorf("the journal ends at %d, the execution at %d, with gaps %v and problems %v", read.Head.Seq, c.result.Journal.Seq, read.Gaps, read.Problems)
	}
	if l.events, err = followed(read.Entries, c.result.State); err != nil {
		return l, err
	}
	for _, vault := range s.engine.JournalVaults() {
		entries := int64(0)
		for _, err := range vault.Store.Versions(t.Context(), manifest.ExecutionPrefix(c.id)) {
			if err != nil {
				return l, err
			}
			entries++
		}
		if entries != read.Head.Seq {
			return l, fmt.Errorf("vault %s holds %d versions of %d entries", vault.Name, entries, read.Head.Seq)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for call, n := range c.calls {
		method, key, _ := strings.Cut(call, " ")
		l.effects[strings.ToLower(method)+" "+strings.TrimPrefix(key, c.id+"/")] = n
	}
	for step, n := range s.programs(t, c.id) {
		l.effects["program "+step] = n
	}
	for id, n := range s.notices(c.id) {
		l.effects["notice "+id] = n
	}
	s.mu.Lock()
	if d := s.doors[c.door]; d != nil {
		l.door = d.state
		delete(s.doors, c.door) // the next execution finds it as if it were new
	}
	s.mu.Unlock()
	if c.row.part == "follow" {
		l.standby = s.standbyOf(t)
	}
	l.backups, err = s.backupsOf(t, c)
	if err != nil {
		return l, err
	}
	l.branches, err = s.branchesOf(t, c)
	return l, err
}

// followed applies the entries of a journal to the state machine, and names them.
func followed(entries []evidence.Entry, end plan.ExecutionState) (events []string, err error) {
	state := execution.New()
	for _, entry := range entries {
		var event execution.Event
		if err := json.Unmarshal(entry.Data, &event); err != nil {
			return nil, err
		}
		if err := state.Apply(everyStepParsed, event); err != nil {
			return nil, err
		}
		events = append(events, strings.TrimSpace(string(event.Kind)+" "+event.Step))
	}
	if state.Final != end {
		return events, fmt.Errorf("by its journal the execution ended as %q, by its result as %q", state.Final, end)
	}
	return events, nil
}

// backupsOf counts the backups that an execution made, and makes sure that each was verified at most once.
func (s *stage) backupsOf(t *testing.T, c *stageCell) (int, error) {
	t.Helper()
	var made workflows.BackupResult
	value := s.client.GetWorkflow(t.Context(), c.id+"/save/1", "")
	if c.row.inputs()["save"] == false || value.Get(t.Context(), &made) != nil {
		return 0, nil
	}
	if n := s.records(t, made.Backup, "verified"); n > 1 {
		return 1, fmt.Errorf("backup %s was verified %d times", made.Backup, n)
	}
	if n := s.records(t, made.Backup, "attempts"); n > 0 && c.disturbance != canceled {
		return 1, fmt.Errorf("backup %s has %d records of failures", made.Backup, n)
	}
	return 1, nil
}

// branchesOf lists the branches of an execution's restores that are still there.
func (s *stage) branchesOf(t *testing.T, c *stageCell) (there []string, err error) {
	t.Helper()
	if len(c.branches) == 0 {
		return nil, nil
	}
	api, err := s.standby().Neon()
	if err != nil {
		return nil, err
	}
	all, err := api.Branches(t.Context(), s.standby().Project)
	if err != nil {
		return nil, err
	}
	for _, b := range all {
		if c.branches[b.Name] {
			there = append(there, b.Name)
		}
	}
	return there, nil
}

// summary is what a table shows of the effects.
func (l ledger) summary(step string) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(l.effects)) {
		if strings.Contains(name, step) {
			words = append(words, fmt.Sprintf("%s ×%d", name, l.effects[name]))
		}
	}
	return strings.Join(words, ", ")
}
