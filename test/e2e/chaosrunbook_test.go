package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/neon"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// stagePatience bounds one execution on a stage, with everything that befalls it.
const stagePatience = 5 * time.Minute

// TestChaosRunbook disturbs executions of a runbook with every type of step at every boundary of every step. Each must
// end as if nothing had happened, or as undone when it was canceled, and leave the same behind.
// LIFEBOAT_CHAOS=full runs the whole matrix; otherwise a sample, which LIFEBOAT_CHAOS_SEED repeats.
// LIFEBOAT_CHAOS_ONLY takes the rows whose name contains it.
func TestChaosRunbook(t *testing.T) {
	began := time.Now()
	rows := slices.DeleteFunc(stageRows(), func(r stageRow) bool { return !strings.Contains(r.String(), os.Getenv("LIFEBOAT_CHAOS_ONLY")) })
	s := newStage(t)
	s.act()
	s.backed = s.backup().Backup
	if _, err := s.verify(s.backed); err != nil {
		t.Fatal(err)
	}
	if !full() && os.Getenv("LIFEBOAT_CHAOS_ONLY") == "" {
		rows = sample(t, rows)
	}
	t.Logf("everything is up after %s", time.Since(began).Round(100*time.Millisecond))
	m := &matrix{stage: s, t: t, calm: map[stageKind]ledger{}}
	m.disturb(rows)
	if left := running(t, s.client); len(left) > 0 {
		t.Errorf("workflows are still running: %v", left)
	}
	s.nothingLeft(t)
	t.Logf("%d cells in %s:\n%s", len(m.done), time.Since(began).Round(time.Second), m.table())
}

// sample chooses some rows of steps that are quick.
func sample(t *testing.T, rows []stageRow) []stageRow {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("LIFEBOAT_CHAOS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("LIFEBOAT_CHAOS_SEED=%d", seed)
	rows = slices.DeleteFunc(rows, func(r stageRow) bool { return r.part != "" })
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	return rows[:min(len(rows), 6)]
}

// matrix runs cells and keeps how they ended.
type matrix struct {
	*stage
	t *testing.T
	// calm are the ledgers of undisturbed executions of each kind.
	calm map[stageKind]ledger
	done []verdict
}

// verdict is how a cell ended.
type verdict struct {
	cell  *stageCell
	wrong []string
	shows string
}

// disturb runs a cell for each row and disturbance, and first the undisturbed executions that they are compared with.
// What is killed is killed once for many cells, when each of them has reached its boundary.
func (m *matrix) disturb(rows []stageRow) {
	light, heavy, alone := map[disturbance][]*stageCell{}, map[disturbance][]*stageCell{}, map[disturbance][]*stageCell{}
	calm := map[stageKind]bool{}
	for _, row := range rows {
		cells := light
		switch row.part {
		case "":
		case "over", "follow":
			cells = alone // an epoch overtakes whatever else goes on, and there is one standby
		default:
			cells = heavy
		}
		if kind := row.kind(); !calm[kind] {
			calm[kind] = true
			cells[answerLost] = append([]*stageCell{m.cell(stageRow{part: row.part, undo: row.undo}, undisturbed)}, cells[answerLost]...)
		}
		for _, d := range disturbances {
			if d != canceled || !row.undo { // what is taken back is canceled already
				cells[d] = append(cells[d], m.cell(row, d))
			}
		}
	}
	for at, cells := range []map[disturbance][]*stageCell{light, heavy, alone} {
		size := []int{24, 4, 1}[at]
		for _, kind := range [][]*stageCell{slices.Concat(cells[answerLost], cells[canceled]), cells[workerKilled], cells[temporalKilled]} {
			for some := range slices.Chunk(kind, size) {
				m.round(some)
			}
		}
	}
}

// round runs some cells at the same time and says how they ended.
func (m *matrix) round(cells []*stageCell) {
	began := time.Now()
	m.run(cells)
	failed := 0
	for _, c := range cells {
		v := verdict{cell: c}
		l, err := m.ledgerOf(m.t, c)
		if err != nil {
			v.wrong = append(v.wrong, err.Error())
		}
		if c.disturbance == undisturbed {
			m.calmly(c, l, err)
		} else {
			if !c.isArrived() {
				v.wrong = append(v.wrong, "the boundary was never reached")
			}
			v.wrong = append(v.wrong, c.check(m.calm[c.row.kind()], l)...)
			v.shows = l.summary(c.row.step)
			m.done = append(m.done, v)
		}
		if len(v.wrong) > 0 {
			failed++
			m.t.Errorf("%s (%s): %s", c, c.id, strings.Join(v.wrong, "\n  "))
		}
		m.tidy(c)
	}
	last := cells[len(cells)-1]
	m.t.Logf("%d cells up to %q: %d failed, %s", len(cells), last, failed, time.Since(began).Round(100*time.Millisecond))
}

// calmly keeps what an undisturbed execution has left: everything happened once.
func (m *matrix) calmly(c *stageCell, l ledger, err error) {
	want := plan.ExecutionCompleted
	if c.row.undo {
		want = plan.ExecutionCanceled
	}
	if err != nil || l.state != want || len(c.problems) > 0 {
		m.t.Fatalf("undisturbed, it ended as %q: %v, %v, %v\n%v", l.state, c.err, err, c.problems, l.events)
	}
	for name, n := range l.effects {
		if n != 1 {
			m.t.Errorf("undisturbed, %s happened %d times", name, n)
		}
	}
	m.calm[c.row.kind()] = l
}

// run begins executions, disturbs them and waits until all of them have ended.
func (m *matrix) run(cells []*stageCell) {
	m.t.Helper()
	for i, c := range cells {
		c.door = stageDoor(i)
		m.begin(m.t, c)
	}
	if d := cells[0].disturbance; d == workerKilled || d == temporalKilled {
		m.strike(d, cells)
	}
	for _, c := range cells {
		<-c.ended
	}
}

// strike waits until every cell has reached its boundary, and does it.
func (m *matrix) strike(d disturbance, cells []*stageCell) {
	deadline := time.After(2 * time.Minute)
	for _, c := range cells {
		select {
		case <-c.arrived:
		case <-c.ended:
		case <-deadline:
		}
	}
	time.Sleep(300 * time.Millisecond) // what is not held has come to rest
	if d == workerKilled {
		m.worker.Kill()
		<-m.worker.Done()
	} else {
		m.temporal.kill()
	}
	for _, c := range cells {
		c.release()
	}
	if d == workerKilled {
		m.act()
	} else {
		m.temporal.start(m.t)
	}
}

// tidy removes what an execution that was not taken back has made.
func (m *matrix) tidy(c *stageCell) {
	p := &crowd{stage: m.stage, t: m.t, c: c}
	if !p.removeBranches() {
		m.t.Errorf("%s: its branch could not be removed", c.id)
	}
	if c.disturbance != canceled || c.row.step != "gone" {
		return
	}
	// Removing a branch cannot be taken back, so who cancels then leaves everything as it is: the branch may be there.
	site := m.stack.Sites[0]
	api, err := site.Neon()
	if err == nil {
		err = api.DeleteBranchByName(m.t.Context(), site.Project, "lifeboat/"+c.id+"/past")
	}
	if err != nil && !errors.Is(err, neon.ErrNotFound) {
		m.t.Errorf("%s: remove the branch that its removal left: %v", c.id, err)
	}
}

// table is a line for each boundary of each step.
func (m *matrix) table() string {
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "boundary")
	for _, d := range disturbances {
		fmt.Fprintf(w, "\t%s", d)
	}
	fmt.Fprintln(w, "\teffects of the step")
	cells := map[string]map[disturbance]verdict{}
	var order []string
	for _, v := range m.done {
		name := v.cell.row.String()
		if cells[name] == nil {
			cells[name] = map[disturbance]verdict{}
			order = append(order, name)
		}
		cells[name][v.cell.disturbance] = v
	}
	for _, name := range order {
		fmt.Fprint(w, name)
		var shows []string
		for _, d := range disturbances {
			v, ran := cells[name][d]
			switch {
			case !ran:
				fmt.Fprint(w, "\t–")
			case len(v.wrong) > 0:
				fmt.Fprint(w, "\tFAILED")
			default:
				fmt.Fprintf(w, "\tok %.1fs", v.cell.took.Seconds())
			}
			if v.shows != "" {
				shows = append(shows, string(d)+": "+v.shows)
			}
		}
		fmt.Fprintf(w, "\t%s\n", strings.Join(shows, "; "))
	}
	_ = w.Flush()
	return out.String()
}
