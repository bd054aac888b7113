package embedded_test

import (
	"context"
	"database/sql"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/internal/embedded"
)

var color = temporal.NewSearchAttributeKeyKeyword("TestColor")

func options(file string) embedded.Options {
	return embedded.Options{StateFile: file, SearchAttributes: map[string]enumspb.IndexedValueType{color.GetName(): enumspb.INDEXED_VALUE_TYPE_KEYWORD}}
}

func start(t *testing.T, opt embedded.Options) (*embedded.Server, client.Client) {
	t.Helper()
	s, err := embedded.Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Dial(client.Options{HostPort: s.Address(), Namespace: s.Namespace()})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// waits is a workflow that outlives its server: it ends when it is told to.
func waits(ctx workflow.Context) (string, error) {
	var said string
	workflow.GetSignalChannel(ctx, "go").Receive(ctx, &said)
	return said, nil
}

func work(t *testing.T, c client.Client) {
	t.Helper()
	w := worker.New(c, "test", worker.Options{})
	w.RegisterWorkflowWithOptions(waits, workflow.RegisterOptions{Name: "waits"})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
}

// TestMain lets the test binary be the server that is killed.
func TestMain(m *testing.M) {
	if file := os.Getenv("EMBEDDED_TEST_CHILD"); file != "" {
		s, err := embedded.Start(context.Background(), options(file))
		if err != nil {
			panic(err)
		}
		c, err := client.Dial(client.Options{HostPort: s.Address(), Namespace: s.Namespace()})
		if err != nil {
			panic(err)
		}
		_, err = c.ExecuteWorkflow(context.Background(), client.StartWorkflowOptions{ID: "survivor", TaskQueue: "test"}, "waits")
		if err != nil {
			panic(err)
		}
		_, _ = os.Stdout.WriteString("accepted\n")
		select {}
	}
	os.Exit(m.Run())
}

func TestAnExecutionSurvivesKillAndRestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "temporal.db")
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), "EMBEDDED_TEST_CHILD="+file)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, len("accepted\n"))
	if _, err := out.Read(said); err != nil || string(said) != "accepted\n" {
		t.Fatalf("the child said %q: %v", said, err)
	}
	_ = child.Process.Kill() // SIGKILL
	_ = child.Wait()

	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	var mode string
	if err := db.QueryRow("PRAGMA journal_mode").Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("journal mode %q: %v", mode, err)
	}
	_ = db.Close()

	s, c := start(t, options(file))
	defer func() { c.Close(); _ = s.Stop() }()
	work(t, c)
	if err := c.SignalWorkflow(t.Context(), "survivor", "", "go", "home"); err != nil {
		t.Fatal(err)
	}
	var result string
	if err := c.GetWorkflow(t.Context(), "survivor", "").Get(t.Context(), &result); err != nil || result != "home" {
		t.Fatalf("%q: %v", result, err)
	}
}

func TestNamespaceIsPreparedAndPreparedAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "temporal.db")
	for range 2 {
		s, c := start(t, options(file))
		got, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: s.Namespace()})
		if err != nil {
			t.Fatal(err)
		}
		if keep := got.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration(); keep != 2557*24*time.Hour {
			t.Errorf("ended executions are kept %s", keep)
		}
		_, err = c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
			TaskQueue: "test", TypedSearchAttributes: temporal.NewSearchAttributes(color.ValueSet("red")),
		}, "waits")
		if err != nil {
			t.Errorf("search attribute: %v", err)
		}
		resp, err := http.Get(s.UIURL())
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !strings.HasPrefix(s.UIURL(), "http://127.0.0.1:") {
			t.Errorf("the UI at %s answers %d", s.UIURL(), resp.StatusCode)
		}
		c.Close()
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOldStateAndTakenPortsAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "temporal.db")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".version", []byte("temporal-1.0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := embedded.Start(t.Context(), options(file)); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("an old file: %v", err)
	}
	if _, err := embedded.Start(t.Context(), embedded.Options{Address: "0.0.0.0:0"}); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("an address for everybody: %v", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := embedded.Start(t.Context(), embedded.Options{Address: taken.Addr().String()}); err == nil || !strings.Contains(err.Error(), "another one") {
		t.Errorf("a taken port: %v", err)
	}
}
