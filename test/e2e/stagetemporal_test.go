package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/proc"
	"github.com/lifeboat-dr/lifeboat/internal/embedded"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// temporalVariable lets a re-executed test binary be a Temporal server: its address, a space and its state file.
const temporalVariable = "LIFEBOAT_TEST_TEMPORAL"

// serveTemporal runs until it is killed, which is all that ever happens to it. The file <state>.up says that
// the namespace can be used.
func serveTemporal(text string) error {
	address, state, _ := strings.Cut(text, " ")
	_, err := embedded.Start(context.Background(), embedded.Options{
		Address: address, StateFile: state, UIAddress: "-", Namespace: "lifeboat", SearchAttributes: workflows.SearchAttributes(),
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(state+".up", nil, 0o600); err != nil {
		return err
	}
	select {}
}

// temporalServer is a Temporal in a process of its own, on one state file.
type temporalServer struct {
	address, state string
	process        *proc.Process
}

func (s *temporalServer) start(t *testing.T) {
	t.Helper()
	if err := os.Remove(s.state + ".up"); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(filepath.Dir(s.state), "temporal.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.process, err = proc.Start(proc.Spec{Name: "temporal", Path: os.Args[0], Output: log, Env: append(os.Environ(), temporalVariable+"="+s.address+" "+s.state)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.process.Kill)
	until(t, "Temporal", func() bool {
		select {
		case <-s.process.Done():
			text, _ := os.ReadFile(filepath.Join(filepath.Dir(s.state), "temporal.log"))
			t.Fatalf("Temporal ended:\n%s", text)
		default:
		}
		_, err := os.Stat(s.state + ".up")
		return err == nil
	})
}

// kill ends the server as if by kill -9 and waits until it is gone.
func (s *temporalServer) kill() {
	s.process.Kill()
	<-s.process.Done()
}

var openWorkflows = &workflowservice.ListWorkflowExecutionsRequest{Namespace: "lifeboat", PageSize: 1000, Query: `ExecutionStatus = "Running"`}

// running lists the workflows that have not ended.
func running(t *testing.T, c client.Client) (ids []string) {
	t.Helper()
	until(t, "a list of what runs", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		list, err := c.ListWorkflow(ctx, openWorkflows)
		if err != nil {
			return false
		}
		ids = nil
		for _, e := range list.GetExecutions() {
			ids = append(ids, e.GetExecution().GetWorkflowId())
		}
		return true
	})
	return ids
}
