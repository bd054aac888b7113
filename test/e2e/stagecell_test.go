package e2e

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// disturbance is what happens at a boundary.
type disturbance string

// The disturbances.
const (
	undisturbed    disturbance = "undisturbed"
	workerKilled   disturbance = "worker killed"
	temporalKilled disturbance = "Temporal killed"
	answerLost     disturbance = "answer lost"
	canceled       disturbance = "canceled"
)

var disturbances = []disturbance{workerKilled, temporalKilled, answerLost, canceled}

// stageCell is one execution that is disturbed once.
type stageCell struct {
	row         stageRow
	disturbance disturbance
	number      int
	// door is the door of its target; no other execution that runs at the same time has it.
	door      string
	id, brief string
	run       client.WorkflowRun

	// arrived is closed when the boundary is reached, released when the execution may go on.
	arrived, released chan struct{}
	// wake tells the people of the execution to look.
	wake chan struct{}
	// ended is closed when its people have seen its end.
	ended chan struct{}

	mu       sync.Mutex
	met      bool
	calls    map[string]int
	branches map[string]bool
	// refused is why the cancellation was refused; empty when it was accepted.
	refused string
	// problems are what went wrong while it ran.
	problems []string
	result   workflows.RunbookResult
	err      error
	took     time.Duration
}

func (c *stageCell) String() string { return c.row.String() + ", " + string(c.disturbance) }

// stageTargets is how many targets there are, one for each execution.
const stageTargets = 512

func stageTarget(i int) string { return fmt.Sprintf("cell-%d", i) }

// cell makes a cell. It does not begin.
func (s *stage) cell(row stageRow, d disturbance) *stageCell {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &stageCell{
		row: row, disturbance: d, number: len(s.cells), arrived: make(chan struct{}), released: make(chan struct{}),
		door: stageDoor(0), wake: make(chan struct{}, 1), ended: make(chan struct{}), calls: map[string]int{}, branches: map[string]bool{},
	}
	// The target is its own, so that each may be live.
	c.id = workflows.ExecutionID("every-step", stageTarget(c.number), time.Now())
	s.cells[c.id] = c
	return c
}

// begin starts the execution of a cell, live, in the name of alice.
func (s *stage) begin(t *testing.T, c *stageCell) {
	t.Helper()
	if c.row.part == "follow" {
		s.emptyStandby(t)
	}
	text := []byte(everyStep)
	started := time.Now().UTC().Truncate(time.Second)
	target := stageTarget(c.number)
	inputs := c.row.inputs()
	inputs["target"], inputs["door"], inputs["backup"] = target, c.door, s.backed
	seen, err := s.engine.Epochs().LookNow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	brief := plan.Brief{
		Format: 1, Runbook: "every-step", Epoch: seen.Highest, RunbookDigest: runbooks.Digest(text), Application: "medlink", Mode: plan.ModeLive, Target: target,
		Approach: plan.Graceful, Until: started.Add(3 * time.Hour), Inputs: inputs,
		Nested: map[string]string{"every-inside": runbooks.Digest([]byte(everyInside))},
	}
	told, err := json.Marshal(brief)
	if err != nil {
		t.Fatal(err)
	}
	c.brief = runbooks.Digest(told)
	c.run, err = s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: c.id, TaskQueue: workflows.Queue, TypedSearchAttributes: workflows.Attributes(workflows.KindRunbook, target), WorkflowTaskTimeout: stageTask,
	}, workflows.RunbookName, workflows.RunbookInput{Docket: s.packed(t, c.id, plan.Docket{Runbook: everyStep, Nested: []plan.NestedText{{Text: everyInside}}}, brief)})
	if err != nil {
		t.Fatal(err)
	}
	go s.attend(t, c)
}

// meet notes what a worker tells, and says whether this is the moment to disturb.
func (c *stageCell) meet(m moment) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.Activity == "OpenTarget" && len(m.About) > 0 && m.inner() == "bring" {
		c.branches[m.About[0]] = true
	}
	if m.Activity == "AppendJournal" || m.Activity == "SendAlert" {
		c.look()
	}
	if c.met || c.disturbance == undisturbed || !c.row.at(m) {
		return false
	}
	c.met = true
	close(c.arrived)
	c.look()
	return true
}

// look lets the people of the execution look at it.
func (c *stageCell) look() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *stageCell) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.released:
	default:
		close(c.released)
	}
}

func (c *stageCell) isArrived() bool  { return isClosed(c.arrived) }
func (c *stageCell) isReleased() bool { return isClosed(c.released) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// called counts one call of an endpoint.
func (c *stageCell) called(method, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[method+" "+key]++
}

func (c *stageCell) problem(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}
