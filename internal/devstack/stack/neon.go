package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/medlink"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// startNeon starts a site's emulated Neon and waits until its project is there.
func (s *Stack) startNeon(ctx context.Context, site *Site, region string, addresses netip.Prefix) error {
	// The port is free when it is chosen and may be taken when the child gets there.
	for try := 0; ; try++ {
		err := s.tryNeon(ctx, site, region, addresses)
		if !errors.Is(err, errEnded) || try == 2 {
			return err
		}
	}
}

// errEnded says that a child ended before it answered.
var errEnded = errors.New("it ended")

func (s *Stack) tryNeon(ctx context.Context, site *Site, region string, addresses netip.Prefix) error {
	listen, err := freeAddress()
	if err != nil {
		return err
	}
	spec, err := s.neonSpec(site, region, addresses, listen)
	if err != nil {
		return err
	}
	if site.neon, err = startChild(s.Dir, "neon-"+site.Name, childSpec{Neon: &spec}); err != nil {
		return fmt.Errorf("start Neon of %s: %w", site.Name, err)
	}
	site.API, site.spec = "http://"+listen+"/api/v2", spec
	return site.awaitNeon(ctx, spec, site.neon.Done())
}

// neonSpec makes what a site's emulated Neon needs.
func (s *Stack) neonSpec(site *Site, region string, addresses netip.Prefix, listen string) (neonSpec, error) {
	// PostgreSQL's user has to pass to its data; what is secret in here has modes of its own.
	dir := filepath.Join(s.Dir, site.Name)
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return neonSpec{}, fmt.Errorf("make directory of %s: %w", site.Name, err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return neonSpec{}, fmt.Errorf("open directory of %s: %w", site.Name, err)
	}
	spec := neonSpec{
		Dir: filepath.Join(dir, "neon"), Region: region, Addresses: addresses, APIKey: site.Key, Listen: listen,
		Latency: s.opt.Latency, NoSync: s.opt.NoSync, Project: "medlink-" + site.Role, Database: database, Role: role,
	}
	if site.Role != "primary" {
		spec.Database = "standby"
	}
	return spec, nil
}

// awaitNeon waits until a site's emulator answers and has its project; ended is nil where it is not our child.
func (site *Site) awaitNeon(ctx context.Context, spec neonSpec, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for Neon of %s: %w; see its log", site.Name, context.Cause(ctx))
		case <-ended:
			return fmt.Errorf("wait for Neon of %s: %w; see its log", site.Name, errEnded)
		case <-tick.C:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, site.API+"/projects", nil)
		if err != nil {
			return fmt.Errorf("ask Neon of %s: %w", site.Name, err)
		}
		req.Header.Set("Authorization", "Bearer "+spec.APIKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			id, err := os.ReadFile(filepath.Join(spec.Dir, "project.made"))
			if err != nil {
				return fmt.Errorf("read project of %s: %w", site.Name, err)
			}
			site.Project = strings.TrimSpace(string(id))
			return nil
		}
	}
}

// Neon is a client of the site's API.
func (site *Site) Neon() (*neon.Client, error) {
	return neon.New(neon.Config{
		BaseURL: site.API, PollInterval: 100 * time.Millisecond,
		Key: func() (secret.String, error) { return secret.New(site.Key), nil },
	})
}

// address is the way to the site's database as its owner.
func (site *Site) address(ctx context.Context) (secret.String, error) {
	client, err := site.Neon()
	if err != nil {
		return secret.String{}, err
	}
	branch, err := client.DefaultBranch(ctx, site.Project)
	if err != nil {
		return secret.String{}, err
	}
	name := database
	if site.Role != "primary" {
		name = "standby"
	}
	return client.ConnectionURI(ctx, neon.ConnectionSpec{Project: site.Project, Branch: branch.ID, Database: name, Role: role})
}

// Connect opens a session on the site's database as its owner.
func (site *Site) Connect(ctx context.Context) (*pgx.Conn, error) {
	address, err := site.address(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, address.Reveal())
	if err != nil {
		return nil, errors.New("the database of " + site.Name + " does not answer")
	}
	return conn, nil
}

// seed installs the application's schema and first data, once.
func (s *Stack) seed(ctx context.Context) error {
	conn, err := s.Sites[0].Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var installed bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM public.claims)").Scan(&installed); err == nil && installed {
		return nil
	}
	if err := conn.QueryRow(ctx, "SELECT to_regclass('public.claims') IS NOT NULL").Scan(&installed); err != nil {
		return fmt.Errorf("look for sample data: %w", err)
	}
	if !installed {
		if err := medlink.Install(ctx, conn); err != nil {
			return fmt.Errorf("install sample application: %w", err)
		}
	}
	if err := medlink.Generate(ctx, conn, medlink.SizeOf(s.opt.Bytes, 1)); err != nil {
		return fmt.Errorf("generate sample data: %w", err)
	}
	return nil
}

// makeStandby makes the empty database that a failover leads to, once. Neon's API knows it from the beginning.
func (s *Stack) makeStandby(ctx context.Context) error {
	site := s.Sites[1]
	client, err := site.Neon()
	if err != nil {
		return err
	}
	branch, err := client.DefaultBranch(ctx, site.Project)
	if err == nil {
		_, err = client.EnsureDatabase(ctx, site.Project, branch.ID, database, role)
	}
	if err != nil {
		return fmt.Errorf("make the standby's database: %w", err)
	}
	return nil
}

// freeAddress finds a free port on loopback.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func isFree(address string) bool {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}
