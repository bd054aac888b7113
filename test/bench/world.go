package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/medlink"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/proc"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/s3"
	"github.com/lifeboat-dr/lifeboat/internal/embedded"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// The distance of backup-far: what each connection gets, whatever the others do.
const (
	farRTT  = 30 * time.Millisecond
	farRate = 8e6 // bytes a second
)

const (
	role        = "medlink_owner"
	database    = "medlink"
	vaultBucket = "vault"
	peerBucket  = "peers"
)

// environment is how a database is reached.
type environment struct{ host, port, password, database string }

// libpq is what PostgreSQL's programs read.
func (e environment) libpq() []string {
	return []string{"PGHOST=" + e.host, "PGPORT=" + e.port, "PGUSER=" + role, "PGPASSWORD=" + e.password, "PGDATABASE=" + e.database}
}

// url is the same as a connection string.
func (e environment) url() string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(role, e.password), Host: e.host + ":" + e.port, Path: "/" + e.database}
	return u.String()
}

// world is one server with the generated database, one bucket server, and Lifeboat with its worker.
type world struct {
	settings
	dir       string
	server    *pgserver.Server
	store     *s3.Server
	link      *link
	temporal  *embedded.Server
	client    client.Client
	worker    *proc.Process
	near, far environment
	// recipient and identity are the keys that peers encrypt to and open with.
	recipient, identity string
	programs            string // folder of PostgreSQL's programs
	databases           int    // made so far
}

// newWorld brings everything up and generates the database. Close it, also after an error.
func newWorld(ctx context.Context, s settings) (*world, error) {
	w := &world{settings: s}
	dir, err := os.MkdirTemp(s.Dir, "lifeboat-bench-")
	if err != nil {
		return w, fmt.Errorf("make folder: %w", err)
	}
	w.dir = dir
	// PostgreSQL's own user passes through it to its own folder.
	if err := os.Chmod(dir, 0o711); err != nil {
		return w, fmt.Errorf("open folder: %w", err)
	}
	for _, step := range []func(context.Context) error{w.startServer, w.fill, w.startStore, w.startLink, w.startTemporal, w.configure, w.startWorker} {
		if err := step(ctx); err != nil {
			return w, err
		}
	}
	return w, nil
}

// close ends everything and removes it.
func (w *world) close() error {
	var errs []error
	if w.worker != nil {
		errs = append(errs, w.worker.Stop(syscall.SIGTERM, 20*time.Second))
	}
	if w.client != nil {
		w.client.Close()
	}
	if w.temporal != nil {
		errs = append(errs, w.temporal.Stop())
	}
	if w.link != nil {
		w.link.Close()
	}
	if w.store != nil {
		w.store.Kill()
	}
	if w.server != nil {
		errs = append(errs, w.server.Stop(pgserver.Immediate))
	}
	if w.dir != "" {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}

func (w *world) startServer(ctx context.Context) error {
	program, err := pgserver.Bin("pg_dump")
	if err != nil {
		return err
	}
	w.programs = filepath.Dir(program)
	home := filepath.Join(w.dir, "postgres")
	if err := os.Mkdir(home, 0o700); err != nil {
		return fmt.Errorf("make folder of server: %w", err)
	}
	if err := pgserver.Own(home); err != nil {
		return err
	}
	data := filepath.Join(home, "data")
	if err := pgserver.Init(ctx, pgserver.InitOptions{Dir: data, NoSync: true}); err != nil {
		return err
	}
	w.server, err = pgserver.Start(ctx, pgserver.Options{
		Dir: data, Listen: netip.MustParseAddrPort("127.0.0.1:0"),
		// The disk of a shared machine is not what is to be measured, nor are checkpoints and vacuums that come
		// in one contender's run and not in another's.
		NoSync: true,
		Settings: map[string]string{
			"shared_buffers": "256MB", "max_wal_size": "8GB", "checkpoint_timeout": "1h", "autovacuum": "off",
			"maintenance_work_mem": "128MB", "max_connections": "200",
		},
	})
	return err
}

// fill generates the database, and leaves no work for the first who reads it.
func (w *world) fill(ctx context.Context) error {
	password := rand.Text()
	super, err := w.server.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer super.Close(context.WithoutCancel(ctx))
	for _, sql := range []string{"CREATE ROLE " + role + " LOGIN PASSWORD '" + password + "'", "CREATE DATABASE " + database + " OWNER " + role} {
		if _, err := super.Exec(ctx, sql); err != nil {
			return fmt.Errorf("make database: %w", err)
		}
	}
	at := w.server.Addr()
	w.near = environment{host: at.Addr().String(), port: fmt.Sprint(at.Port()), password: password, database: database}
	owner, err := connect(ctx, w.near.url())
	if err != nil {
		return err
	}
	defer owner.Close(context.WithoutCancel(ctx))
	if err := medlink.Install(ctx, owner); err != nil {
		return err
	}
	if err := medlink.Generate(ctx, owner, medlink.SizeOf(w.Bytes, 1)); err != nil {
		return err
	}
	own, err := w.server.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer own.Close(context.WithoutCancel(ctx))
	for _, sql := range []string{"VACUUM (FREEZE, ANALYZE)", "CHECKPOINT"} {
		if _, err := own.Exec(ctx, sql); err != nil {
			return fmt.Errorf("settle database: %w", err)
		}
	}
	return nil
}

func (w *world) startStore(ctx context.Context) (err error) {
	if w.store, err = s3.StartChild(ctx, s3.Config{Dir: filepath.Join(w.dir, "s3")}); err != nil {
		return err
	}
	if err := w.store.CreateBucket(ctx, s3.Bucket{Name: vaultBucket, ObjectLock: true, Versioning: true}); err != nil {
		return err
	}
	return w.store.CreateBucket(ctx, s3.Bucket{Name: peerBucket})
}

func (w *world) startLink(context.Context) (err error) {
	w.link, err = newLink("tcp", w.server.Addr().String(), farRTT, farRate)
	if err != nil {
		return err
	}
	at := netip.MustParseAddrPort(w.link.Addr())
	w.far = w.near
	w.far.host, w.far.port = at.Addr().String(), fmt.Sprint(at.Port())
	return nil
}

func (w *world) startTemporal(ctx context.Context) (err error) {
	w.temporal, err = embedded.Start(ctx, embedded.Options{
		StateFile: filepath.Join(w.dir, "temporal.db"), UIAddress: "-", Namespace: "lifeboat", SearchAttributes: workflows.SearchAttributes(),
	})
	return err
}

func (w *world) startWorker(ctx context.Context) error {
	path := w.configPath()
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	if w.client, err = assemble.Dial(ctx, cfg, nil); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(w.dir, "worker.log"))
	if err != nil {
		return fmt.Errorf("open log of worker: %w", err)
	}
	defer log.Close()
	spec := proc.Spec{Name: "worker", Output: log, Path: w.Worker, Args: []string{"-config", path}}
	if spec.Path == "" {
		if spec.Path, err = os.Executable(); err != nil {
			return fmt.Errorf("find own binary: %w", err)
		}
		spec.Args, spec.Env = []string{path, w.Profile}, append(os.Environ(), childVariable+"=worker")
	}
	w.worker, err = proc.Start(spec)
	return err
}
