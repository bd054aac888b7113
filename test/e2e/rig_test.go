// Package e2e runs the whole of Lifeboat on real parts: PostgreSQL, S3 with Object Lock, Temporal, and a
// worker in a process of its own that can be killed.
package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/proc"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/stack"
	"github.com/lifeboat-dr/lifeboat/internal/embedded"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// workerVariable names the configuration that a re-executed test binary works for.
const workerVariable = "LIFEBOAT_TEST_WORKER"

func TestMain(m *testing.M) {
	if ran, err := stack.MaybeRun(); ran {
		exitWith(err)
	}
	if text := os.Getenv(temporalVariable); text != "" {
		exitWith(serveTemporal(text))
	}
	if path := os.Getenv(workerVariable); path != "" {
		exitWith(work(path))
	}
	os.Exit(m.Run())
}

func exitWith(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// work is what bin/lifeboat-worker does.
func work(path string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	assemble.BoundMemory(cfg)
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	engine, err := assemble.New(ctx, cfg, assemble.Options{Version: "test", Working: true, Log: log})
	if err != nil {
		return err
	}
	end, err := parseDeath(os.Getenv(deathVariable))
	if err != nil {
		return err
	}
	end.wrap(engine)
	c, err := end.dial(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer c.Close()
	workers, err := engine.Workers(c)
	if err != nil {
		return err
	}
	engine.WatchRoster(ctx)
	engine.ListenToSlack(ctx, c)
	if err := workers.Start(); err != nil {
		return err
	}
	<-ctx.Done()
	workers.Stop()
	return nil
}

// rig is a world with Lifeboat in it.
type rig struct {
	t      *testing.T
	stack  *stack.Stack
	config *config.Config
	engine *assemble.Engine
	client client.Client
	worker *proc.Process
	// deletion is the second in the id of the execution of data-deletion that was started last.
	deletion time.Time
}

// newRig brings everything up; edit changes the configuration that the stack wrote. It has neither replicas nor Slack:
// what begins by itself would use up the moments at which workers die.
func newRig(t *testing.T, bytes int64, edit func(string) string) *rig {
	t.Helper()
	return newWorld(t, bytes, edit).up(t)
}

// newReplicatedRig is a rig as the stack is: the second site's vault has copies of all that is in the first one's.
func newReplicatedRig(t *testing.T, bytes int64, edit func(string) string) *rig {
	t.Helper()
	return worldAsItIs(t, bytes, edit).up(t)
}

// up starts Temporal and a worker.
func (r *rig) up(t *testing.T) *rig {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Options{
		Address: r.stack.Temporal, StateFile: filepath.Join(r.stack.Dir, "temporal.db"), UIAddress: "-", Namespace: "lifeboat", SearchAttributes: workflows.SearchAttributes(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	r.connect()
	r.startWorker()
	return r
}

var (
	copies   = regexp.MustCompile(`(?m)^  copies: .*\n`)
	withCard = regexp.MustCompile(`(?m)^slack:\n(  .*\n)*`)
)

// newWorld brings up everything but Temporal and the worker, without replicas and without Slack.
func newWorld(t *testing.T, bytes int64, edit func(string) string) *rig {
	t.Helper()
	return worldAsItIs(t, bytes, func(text string) string {
		text = strings.Replace(text, "    replicas: [us-west-2]\n", "", 1)
		text = withCard.ReplaceAllString(copies.ReplaceAllString(text, ""), "")
		if edit != nil {
			text = edit(text)
		}
		return text
	})
}

func worldAsItIs(t *testing.T, bytes int64, edit func(string) string) *rig {
	t.Helper()
	// Not below t.TempDir, whose parents PostgreSQL's user cannot pass.
	dir, err := os.MkdirTemp("", "lifeboat-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	world, err := stack.Start(t.Context(), stack.Options{Dir: dir, Bytes: bytes, Rate: 20, NoSync: true})
	if err != nil {
		logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
		for _, path := range logs {
			text, _ := os.ReadFile(path)
			t.Logf("%s:\n%s", filepath.Base(path), text)
		}
		t.Fatal(err)
	}
	t.Cleanup(world.Stop)
	if edit != nil {
		text, err := os.ReadFile(world.Config)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(world.Config, []byte(edit(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := &rig{t: t, stack: world}
	if r.config, err = config.Load(world.Config); err != nil {
		t.Fatal(err)
	}
	if r.engine, err = assemble.New(t.Context(), r.config, assemble.Options{Version: "test", Working: true, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	return r
}

// connect connects to the Temporal that the configuration names.
func (r *rig) connect() {
	r.t.Helper()
	var err error
	if r.client, err = assemble.Dial(r.t.Context(), r.config, nil); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(r.client.Close)
}

// startWorker starts a worker in a process of its own.
func (r *rig) startWorker() { r.startMortal("") }

// startMortal starts a worker that dies at a moment, see [deathVariable].
func (r *rig) startMortal(death string) {
	r.t.Helper()
	r.start(os.Args[0], workerVariable+"="+r.stack.Config, deathVariable+"="+death)
}

func (r *rig) start(path string, variables ...string) {
	r.t.Helper()
	log, err := os.OpenFile(filepath.Join(r.stack.Dir, "worker.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	defer log.Close()
	r.worker, err = proc.Start(proc.Spec{Name: "worker", Path: path, Output: log, Env: append(os.Environ(), variables...)})
	if err != nil {
		r.t.Fatal(err)
	}
	worker := r.worker
	r.t.Cleanup(func() {
		worker.Kill()
		if r.t.Failed() {
			text, _ := os.ReadFile(filepath.Join(r.stack.Dir, "worker.log"))
			r.t.Logf("worker:\n%s", text)
		}
	})
}

// patience bounds one execution: heartbeat timeouts after a kill are 30 s.
const patience = 4 * time.Minute

func (r *rig) begin(id, workflow, kind string, input any) client.WorkflowRun {
	r.t.Helper()
	run, err := r.client.ExecuteWorkflow(r.t.Context(), client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.Queue, TypedSearchAttributes: workflows.Attributes(kind, "database"),
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, workflow, input)
	if err != nil {
		r.t.Fatal(err)
	}
	return run
}

func (r *rig) end(run client.WorkflowRun, result any) error {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	return run.Get(ctx, result)
}

func (r *rig) backup() workflows.BackupResult {
	r.t.Helper()
	var result workflows.BackupResult
	run := r.begin(workflows.BackupID("database", time.Now()), workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "database", SkipVerify: true})
	if err := r.end(run, &result); err != nil {
		r.t.Fatal(err)
	}
	return result
}

func (r *rig) verify(id string) (workflows.VerifyResult, error) {
	r.t.Helper()
	var result workflows.VerifyResult
	err := r.end(r.begin(workflows.VerifyID("database", id), workflows.VerifyName, workflows.KindVerify, workflows.VerifyInput{Component: "database", Backup: id}), &result)
	return result, err
}

// leftovers lists branches of ours at the primary and scratch databases at the standby.
func (r *rig) leftovers() []string {
	r.t.Helper()
	var left []string
	neon, err := r.stack.Sites[0].Neon()
	if err != nil {
		r.t.Fatal(err)
	}
	branches, err := neon.Branches(r.t.Context(), r.stack.Sites[0].Project)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, b := range branches {
		if strings.HasPrefix(b.Name, "lifeboat/") {
			left = append(left, "branch "+b.Name)
		}
	}
	conn, err := r.stack.Sites[1].Connect(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(r.t.Context(), `SELECT datname FROM pg_database WHERE datname LIKE 'lifeboat\_%'`)
	if err != nil {
		r.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			r.t.Fatal(err)
		}
		left = append(left, "database "+name)
	}
	return left
}
