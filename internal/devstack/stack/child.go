package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/medlink"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/neon"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/proc"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/s3"
)

// childVariable names the file that tells a re-executed process which child it is.
const childVariable = "LIFEBOAT_DEV_CHILD"

// childSpec is what a child is told, in a file that only its owner may read: it holds secrets.
type childSpec struct {
	Neon *neonSpec `json:"neon,omitempty"`
	App  *appSpec  `json:"app,omitempty"`
	// Slack is the stand-in for it.
	Slack *slackSpec `json:"slack,omitempty"`
	Inbox *inboxSpec `json:"inbox,omitempty"`
}

type neonSpec struct {
	Dir       string        `json:"dir"`
	Region    string        `json:"region"`
	Addresses netip.Prefix  `json:"addresses"`
	APIKey    string        `json:"api_key"`
	Listen    string        `json:"listen"`
	Latency   time.Duration `json:"latency"`
	NoSync    bool          `json:"no_sync"`
	Project   string        `json:"project"`
	Database  string        `json:"database"`
	Role      string        `json:"role"`
}

type appSpec struct {
	URL    string  `json:"url"`
	Ledger string  `json:"ledger"`
	Rate   float64 `json:"rate"`
}

// MaybeRun runs a child of the development stack and returns when it ended, if this process was started
// to be one; otherwise it returns false at once. Call it before anything else in main and TestMain.
func MaybeRun() (ran bool, err error) {
	if served, err := s3.MaybeServe(); served {
		return true, err
	}
	path := os.Getenv(childVariable)
	if path == "" {
		return false, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return true, fmt.Errorf("read child's specification: %w", err)
	}
	var spec childSpec
	if err := json.Unmarshal(data, &spec); err != nil {
		return true, fmt.Errorf("read child's specification: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch {
	case spec.Neon != nil:
		return true, runNeon(ctx, *spec.Neon)
	case spec.App != nil:
		return true, runApp(ctx, *spec.App)
	case spec.Slack != nil:
		return true, runSlack(ctx, *spec.Slack)
	case spec.Inbox != nil:
		return true, runInbox(ctx, *spec.Inbox)
	}
	return true, errors.New("the child's specification names no child")
}

// startChild runs this binary again as a child that dies with this process.
func startChild(dir, name string, spec childSpec) (*proc.Process, error) {
	path, err := writeSpec(dir, name, spec)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", name, err)
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own binary: %w", err)
	}
	return proc.Start(proc.Spec{
		Name: name, Path: self, Output: log,
		Env: append(os.Environ(), childVariable+"="+path),
	})
}

// writeSpec writes what a child is told, and returns the file's path.
func writeSpec(dir, name string, spec childSpec) (path string, err error) {
	data, err := json.Marshal(spec)
	if err != nil {
		return "", fmt.Errorf("render specification of %s: %w", name, err)
	}
	path = filepath.Join(dir, name+".child.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return "", fmt.Errorf("write specification of %s: %w", name, err)
	}
	return path, nil
}

// runNeon serves one account of the emulated Neon, with the project that the site needs.
func runNeon(ctx context.Context, spec neonSpec) error {
	emulator, err := neon.New(neon.Config{
		Dir: spec.Dir, Region: spec.Region, Addresses: spec.Addresses, APIKey: spec.APIKey,
		Latency: spec.Latency, NoSync: spec.NoSync, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return fmt.Errorf("start emulator: %w", err)
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := emulator.Close(stop); err != nil {
			slog.Error("stop emulator", "error", err)
		}
	}()
	if err := ensureProject(ctx, emulator, spec); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", spec.Listen)
	if err != nil {
		return fmt.Errorf("listen for API: %w", err)
	}
	server := &http.Server{Handler: emulator.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve API: %w", err)
	}
	return nil
}

// ensureProject makes the site's project once; a state directory that is used again has it already.
func ensureProject(ctx context.Context, emulator *neon.Emulator, spec neonSpec) error {
	done := filepath.Join(spec.Dir, "project.made")
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	in := neon.NewProject{Name: spec.Project, RegionID: spec.Region}
	in.Branch.Name, in.Branch.Role, in.Branch.Database = "main", spec.Role, spec.Database
	made, err := emulator.CreateProject(ctx, in)
	if err != nil {
		return fmt.Errorf("create project %s: %w", spec.Project, err)
	}
	if err := os.WriteFile(done, []byte(made.ProjectID+"\n"), 0o600); err != nil {
		return fmt.Errorf("note project %s: %w", spec.Project, err)
	}
	return nil
}

// appPatience is how long the application waits for an answer: longer than a door is held.
const appPatience = 10 * time.Minute

// runApp is the sample application at work: it adds claims until it is stopped.
func runApp(ctx context.Context, spec appSpec) error {
	writer, err := medlink.NewWriter(medlink.WriterOptions{
		Connect: func(ctx context.Context) (*pgx.Conn, error) {
			conn, err := pgx.Connect(ctx, spec.URL)
			if err != nil {
				return nil, errors.New("the database does not answer")
			}
			return conn, nil
		},
		PerSecond: spec.Rate, Ledger: spec.Ledger, Patience: appPatience, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return fmt.Errorf("open ledger: %w", err)
	}
	return writer.Run(ctx)
}
