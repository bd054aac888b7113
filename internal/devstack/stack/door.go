package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgbouncer"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	door "github.com/lifeboat-dr/lifeboat/internal/traffic/pgbouncer"
)

// Who may use a site's PgBouncer.
const (
	doorAdmin = "lifeboat"
	doorProbe = "lifeboat_probe"
	doorApp   = "medlink_app"
)

// drillDatabase is the name by which a drill's applications would call the database.
const drillDatabase = database + "_drill"

// doorDatabases are the doors of each site's PgBouncer: that of the application, and that of drills. Each has
// a file of its own.
var doorDatabases = []string{database, drillDatabase}

// startDoor starts a site's PgBouncer. Its doors come up as they were; new ones are closed.
func (s *Stack) startDoor(ctx context.Context, site *Site, address netip.Addr) error {
	opt, err := s.doorOptions(site, netip.AddrPortFrom(address, 0))
	if err != nil {
		return err
	}
	if site.pooler, err = pgbouncer.Start(ctx, opt); err != nil {
		return fmt.Errorf("start door of %s: %w", site.Name, err)
	}
	return nil
}

// doorOptions makes what a site's PgBouncer needs: its directory, its users' passwords and a file for each door.
func (s *Stack) doorOptions(site *Site, listen netip.AddrPort) (pgbouncer.Options, error) {
	dir := filepath.Join(s.Dir, site.Name, "door")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return pgbouncer.Options{}, fmt.Errorf("make directory of the door of %s: %w", site.Name, err)
	}
	if err := pgserver.Own(dir); err != nil {
		return pgbouncer.Options{}, err
	}
	opt := pgbouncer.Options{
		Dir: dir, Listen: listen, Users: map[string]string{}, Admin: doorAdmin,
		// As Neon wants it.
		Settings: map[string]string{"server_tls_sslmode": "require"},
	}
	for _, user := range []string{doorAdmin, doorProbe, doorApp} {
		password, err := s.secret("door-" + site.Name + "-" + user)
		if err != nil {
			return pgbouncer.Options{}, err
		}
		opt.Users[user] = password
	}
	for _, name := range doorDatabases {
		file := site.doorFile(s.Dir, name)
		opt.Includes = append(opt.Includes, file)
		if err := ensureEmpty(file); err != nil {
			return pgbouncer.Options{}, err
		}
	}
	return opt, nil
}

// ensureEmpty makes a door's file, which begins empty, unless it is there.
func ensureEmpty(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make file of a door: %w", err)
	}
	return errors.Join(f.Close(), pgserver.Own(path))
}

func (site *Site) doorFile(dir, database string) string {
	return filepath.Join(dir, site.Name, "door", database+".ini")
}

// Door is the site's door to one of the names that applications connect to.
func (site *Site) Door(s *Stack, database string) (*door.Door, error) {
	fixed := func(url string) func() (secret.String, error) {
		return func() (secret.String, error) { return secret.New(url), nil }
	}
	return door.New(door.Config{
		Database: database, File: site.doorFile(s.Dir, database), Login: door.LoginTarget,
		Admin: fixed(site.pooler.AdminURL()), Probe: fixed(site.pooler.URL(doorProbe, database)),
	})
}

// openDoor opens the application's door of the primary site when it was never used. A door that was is left
// as it is: people may hold it.
func (s *Stack) openDoor(ctx context.Context) error {
	site := s.Sites[0]
	d, err := site.Door(s, database)
	if err != nil {
		return err
	}
	now, err := d.State(ctx)
	if err != nil || now.To != nil {
		return err
	}
	address, err := site.address(ctx)
	if err != nil {
		return err
	}
	who := traffic.Change{By: "development stack"}
	if _, err := d.Move(ctx, traffic.MoveRequest{Change: who, Address: address}); err != nil {
		return err
	}
	_, err = d.Open(ctx, traffic.OpenRequest{Change: who})
	return err
}

// keepDoors writes the connection strings that the configuration names, with the ports of this start.
func (s *Stack) keepDoors() error {
	for _, site := range s.Sites {
		texts := map[string]string{"admin": site.pooler.AdminURL()}
		for _, name := range doorDatabases {
			texts["probe-"+name] = site.pooler.URL(doorProbe, name)
		}
		for name, text := range texts {
			if err := s.keep(filepath.Join(s.keys(), "door-"+site.Name+"-"+name+"-url.secret"), text); err != nil {
				return err
			}
		}
	}
	return nil
}

// KillDoor ends a site's PgBouncer as a crash does, and [Stack.RestartDoor] starts it again where it was.
func (s *Stack) KillDoor(site *Site) { site.pooler.Kill() }

// RestartDoor starts a site's PgBouncer again.
func (s *Stack) RestartDoor(ctx context.Context, site *Site) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return site.pooler.Restart(ctx)
}

// DoorAddr is where the site's PgBouncer listens.
func (site *Site) DoorAddr() netip.AddrPort { return site.pooler.Addr() }

// AppURL is the way on which the application reaches its database at a site: through the door.
func (site *Site) AppURL() secret.String {
	return secret.New(site.pooler.URL(doorApp, database))
}
