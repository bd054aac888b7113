package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/stack"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// stage is a world in which executions are disturbed: Temporal and the worker are processes of their own, the
// worker asks before and after every activity, and what the steps do outside of Lifeboat is counted.
type stage struct {
	*rig
	temporal *temporalServer
	server   *httptest.Server
	people   map[string]*signature.Signer
	// backed is a backup that was verified.
	backed string
	// notes is the file that the program of the runbook writes a line into, each time it runs.
	notes string

	mu     sync.Mutex
	cells  map[string]*stageCell
	polled map[string]int
	doors  map[string]*doorState
	// read are how many messages of the inbox were looked at, and heard what they were, by execution.
	read  int
	heard map[string]map[string]int
}

// newStage brings it up. No worker runs yet.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{cells: map[string]*stageCell{}, polled: map[string]int{}, doors: map[string]*doorState{}, heard: map[string]map[string]int{}, people: map[string]*signature.Signer{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /moment", s.moment)
	mux.HandleFunc("/ready", s.ready)
	mux.HandleFunc("/call/", s.call)
	mux.HandleFunc("POST /door", s.door)
	s.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		s.server.CloseClientConnections()
		s.server.Close()
	})
	s.rig = newWorld(t, 1<<20, s.configure)
	s.writeProgram()
	s.writeFollowed()
	for _, who := range []string{"alice", "bob", "dan"} {
		s.people[who] = s.person(t, who)
	}
	s.temporal = &temporalServer{address: s.stack.Temporal, state: filepath.Join(s.stack.Dir, "temporal.db")}
	s.temporal.start(t)
	s.connect()
	return s
}

// configure lets runbooks call the stage and run its program, lets many executions run at once, and gives every
// other target a site.
func (s *stage) configure(text string) string {
	text = strings.Replace(text, "concurrency: 4", "concurrency: 200", 1)
	var targets strings.Builder
	for i := 0; i < stageTargets; i += 2 {
		fmt.Fprintf(&targets, "  %s: {postgres: {site: us-east-1, url: {file: keys/stage.url}}}\n", stageTarget(i))
	}
	var doors strings.Builder
	for i := range stageDoors {
		site := []string{"us-east-1", "us-west-2"}[i%2]
		fmt.Fprintf(&doors, "  %s: {site: %s, database: %[1]s, webhook: {url: {file: keys/door.url}, secrets: [{file: keys/webhook.secret}]}}\n", stageDoor(i), site)
	}
	text = section(text, "endpoints", "  stage: {url: {file: keys/stage.url}, timeout: 20s}\n")
	text = section(text, "components", followedComponent)
	text = section(text, "programs", "  note: {path: "+stageProgram+"}\n")
	return section(section(text, "targets", targets.String()), "doors", doors.String())
}

// section adds lines to a section of a configuration, which may be there already.
func section(text, name, lines string) string {
	head := "\n" + name + ":\n"
	if !strings.Contains(text, head) {
		return text + head + lines
	}
	return strings.Replace(text, head, head+lines, 1)
}

// stageProgram is where the program is; its path has to be known before the stack's directory is.
var stageProgram = filepath.Join(os.TempDir(), fmt.Sprintf("lifeboat-stage-%d", os.Getpid()))

func (s *stage) writeProgram() {
	s.t.Helper()
	s.notes = filepath.Join(s.stack.Dir, "notes")
	for name, url := range map[string]string{"stage.url": s.server.URL, "door.url": s.server.URL + "/door"} {
		if err := os.WriteFile(filepath.Join(s.stack.Dir, "keys", name), []byte(url), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := os.WriteFile(stageProgram, fmt.Appendf(nil, "#!/bin/sh\necho \"$1 $2\" >>%s\n", s.notes), 0o700); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = os.Remove(stageProgram) })
}

// act starts a worker that asks this stage.
func (s *stage) act() {
	s.start(os.Args[0], workerVariable+"="+s.stack.Config, stageVariable+"="+s.server.URL)
}

// executionOf is the execution that a workflow belongs to: <runbook>/<target>/<UTC>.
func executionOf(workflow string) string {
	parts := strings.SplitN(workflow, "/", 4)
	return strings.Join(parts[:min(len(parts), 3)], "/")
}

// moment answers a worker, and holds it where its execution is to be disturbed.
func (s *stage) moment(w http.ResponseWriter, r *http.Request) {
	var m moment
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	c := s.cells[executionOf(m.Execution)]
	s.mu.Unlock()
	answer := answerGo
	if c != nil && c.meet(m) {
		if c.disturbance == answerLost {
			answer = answerLose
			c.release()
		} else {
			select {
			case <-c.released:
			case <-r.Context().Done(): // its worker was killed
			}
		}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// ready is not ready at the first question of an execution.
func (s *stage) ready(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.URL.Query().Get("execution")
	s.polled[id]++
	_ = json.NewEncoder(w).Encode(map[string]bool{"ready": s.polled[id] > 1})
}

// call counts a call by its idempotency key.
func (s *stage) call(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	c := s.cells[r.URL.Query().Get("execution")]
	s.mu.Unlock()
	if c == nil {
		http.Error(w, "no such execution", http.StatusNotFound)
		return
	}
	c.called(r.Method, r.Header.Get("Idempotency-Key"))
}

// notices counts the messages about an execution, by their id without the execution.
func (s *stage) notices(id string) map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.stack.Inbox.Messages()
	for _, m := range all[s.read:] {
		var body struct {
			Data struct{ ID, Execution string }
		}
		if err := json.Unmarshal(m.Body, &body); err != nil {
			continue
		}
		of := executionOf(body.Data.Execution)
		if s.heard[of] == nil {
			s.heard[of] = map[string]int{}
		}
		s.heard[of][strings.TrimPrefix(body.Data.ID, of+"/")]++
	}
	s.read = len(all)
	found := map[string]int{}
	for id, n := range s.heard[id] {
		found[id] = n
	}
	return found
}

// programs counts the runs of the program for an execution, by step.
func (s *stage) programs(t *testing.T, id string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(s.notes)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	found := map[string]int{}
	for line := range strings.Lines(string(text)) {
		if of, step, ok := strings.Cut(strings.TrimSpace(line), " "); ok && of == id {
			found[step]++
		}
	}
	return found
}

// standby is the site that restores go to.
func (s *stage) standby() *stack.Site { return s.stack.Sites[1] }
