package timeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
)

// loopback with a port of the system's choosing: clients never see it, a proxy stands in front.
var loopback = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)

// recoveryTimeout bounds the replay of WAL.
const recoveryTimeout = 10 * time.Minute

// writeHBA says who gets in: the superuser by the Unix socket alone, which only the servers' user and root
// can open; everybody else with a password and TLS. The word "all" does not cover physical replication, so
// no client can have that, while the REPLICATION attribute still allows the logical one.
func writeHBA(data string) error {
	path := filepath.Join(data, "pg_hba.conf")
	rules := `# type    database     user         address      method
local     all          ` + Superuser + `               trust
local     replication  ` + Superuser + `               trust
local     all          all                       reject
host      all          ` + Superuser + `  all          reject
hostssl   all          all          127.0.0.0/8  scram-sha-256
`
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		return fmt.Errorf("write access rules: %w", err)
	}
	return pgserver.Own(path)
}

// settings are those of every server of the line. Memory stays small: many of them share a laptop.
func (t *Timeline) settings() map[string]string {
	s := map[string]string{
		"wal_level":             "logical",
		"max_wal_senders":       "10",
		"max_replication_slots": "10",
		"max_connections":       "100",
		"shared_buffers":        "32MB",
		"min_wal_size":          "32MB",
		"max_wal_size":          "512MB",
		"hot_standby":           "on",
		"archive_mode":          "on",
		"archive_command":       archiveCommand(t.archive()),
		"ssl":                   "on",
		"ssl_cert_file":         t.store.tls.certificate,
		"ssl_key_file":          t.store.tls.key,
	}
	maps.Copy(s, t.store.cfg.Settings)
	return s
}

// start starts the line's server; t.mu is held. Extra settings are those of a recovery.
func (t *Timeline) start(ctx context.Context, mode Mode, extra map[string]string) error {
	standby := filepath.Join(t.data(), "standby.signal")
	if mode == ReadOnly {
		if err := touch(standby); err != nil {
			return err
		}
	} else if err := os.Remove(standby); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("make timeline writable: %w", err)
	}
	if mode == ReadWrite && t.meta.Sealed != nil {
		// From here on the head moves; forgetting the seal late would lose writes from forks.
		t.meta.Sealed = nil
		if err := t.save(); err != nil {
			return err
		}
	}
	settings := t.settings()
	maps.Copy(settings, extra)
	server, err := pgserver.Start(ctx, pgserver.Options{
		Dir: t.data(), Superuser: Superuser, Settings: settings, NoSync: t.store.cfg.NoSync,
		Listen: loopback, SocketDir: filepath.Join(t.store.sockets, t.id), StartTimeout: recoveryTimeout,
	})
	if err != nil {
		return err
	}
	t.live.Lock()
	t.server, t.mode = server, mode
	t.live.Unlock()
	return nil
}

// Replica starts a streaming, read-only copy of a line that runs read-write, and returns where it listens.
// It is made anew each time, as its source may have moved on without it. Starting a running one returns it.
func (t *Timeline) Replica(ctx context.Context, name string) (netip.AddrPort, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if addr := t.ReplicaAddr(name); addr.IsValid() {
		return addr, nil
	}
	t.live.Lock()
	source := t.server
	t.live.Unlock()
	if t.Mode() != ReadWrite {
		return netip.AddrPort{}, fmt.Errorf("start replica of timeline %s: %w", t.id, ErrStopped)
	}
	dir := filepath.Join(t.dir(), "replica-"+name)
	if err := os.RemoveAll(dir); err != nil {
		return netip.AddrPort{}, fmt.Errorf("remove former replica: %w", err)
	}
	err := pgserver.Run(ctx, "pg_basebackup", "--host="+source.SocketDir(), "--port="+port(source), "--username="+Superuser,
		"--pgdata="+dir, "--wal-method=stream", "--checkpoint=fast", "--no-sync", "--no-manifest")
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("copy timeline to replica: %w", err)
	}
	if err := touch(filepath.Join(dir, "standby.signal")); err != nil {
		return netip.AddrPort{}, err
	}
	settings := t.settings()
	settings["primary_conninfo"] = fmt.Sprintf("host=%s port=%s user=%s", source.SocketDir(), port(source), Superuser)
	// A restarted source has another port; the copy then finds WAL that was archived meanwhile.
	settings["restore_command"] = restoreCommand([]string{t.archive()})
	settings["hot_standby_feedback"] = "on"
	server, err := pgserver.Start(ctx, pgserver.Options{
		Dir: dir, Superuser: Superuser, Settings: settings, NoSync: true,
		Listen: loopback, SocketDir: filepath.Join(t.store.sockets, t.id+"-"+name),
	})
	if err != nil {
		return netip.AddrPort{}, err
	}
	t.live.Lock()
	defer t.live.Unlock()
	if t.replicas == nil {
		t.replicas = map[string]*pgserver.Server{}
	}
	t.replicas[name] = server
	return server.Addr(), nil
}

// ReplicaAddr is where a running replica listens; invalid when it does not run.
func (t *Timeline) ReplicaAddr(name string) netip.AddrPort {
	t.live.Lock()
	defer t.live.Unlock()
	if r := t.replicas[name]; running(r) {
		return r.Addr()
	}
	return netip.AddrPort{}
}

// Replicas are the names of the replicas that run.
func (t *Timeline) Replicas() []string {
	t.live.Lock()
	defer t.live.Unlock()
	return slices.Sorted(maps.Keys(t.replicas))
}

// StopReplica stops a replica and removes its files. Stopping one that does not run does nothing.
func (t *Timeline) StopReplica(name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live.Lock()
	r := t.replicas[name]
	delete(t.replicas, name)
	t.live.Unlock()
	var err error
	if r != nil {
		err = r.Stop(pgserver.Immediate)
	}
	return errors.Join(err, os.RemoveAll(filepath.Join(t.dir(), "replica-"+name)))
}

func port(s *pgserver.Server) string { return fmt.Sprint(s.Addr().Port()) }

// touch makes an empty file of the servers' user.
func touch(path string) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return fmt.Errorf("make signal file: %w", err)
	}
	return pgserver.Own(path)
}
