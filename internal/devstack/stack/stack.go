// Package stack is the world that Lifeboat protects, on one machine: two sites with an S3 server, a
// Neon emulator and a PgBouncer each, the sample application writing claims, an inbox for alerts, a stand-in for Slack, keys, and the
// configuration that names them all. Every server is a child process of its own that dies with this
// process, also when that is killed: the kernel delivers the death signal (package proc).
//
// It starts no Temporal and no worker: whoever starts the stack puts Lifeboat beside it.
package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgbouncer"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/proc"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/s3"
)

// Options describe a stack.
type Options struct {
	// Dir keeps everything; a stack started again on it goes on where it was. When we are root it must be
	// reachable for the user that PostgreSQL runs as.
	Dir string
	// Bytes is about how much data the sample application begins with.
	Bytes int64
	// Rate is how many claims the application adds in a second; zero leaves it stopped.
	Rate float64
	// Latency is added to each of Neon's operations.
	Latency time.Duration
	// NoSync turns fsync off in the databases: quicker, and unsafe in a power cut. For tests.
	NoSync bool
	Log    *slog.Logger
}

// Site is one region.
type Site struct {
	Name, Role string
	Store      *s3.Server
	// API is the base URL of the emulated Neon, and Key what it asks for.
	API, Key string
	Project  string
	neon     *proc.Process
	// spec is how the emulated Neon runs; started again, it is the same one.
	spec neonSpec
	// pooler is the site's PgBouncer, with the doors in it.
	pooler *pgbouncer.Pooler
	// s3 and s3Region are where the site's S3 server is, and the region that it says it is in.
	s3, s3Region string
}

// Stack is a running stack.
type Stack struct {
	Dir string
	// Sites are the primary and the standby, in this order.
	Sites []*Site
	Inbox *Inbox
	Slack *Slack
	// Config is the path of the configuration that was written for Lifeboat.
	Config string
	// Temporal is the address that the configuration names for Temporal's frontend.
	Temporal string
	// Ledger is the path of the application's ledger of acknowledged claims.
	Ledger string
	// archive is the URL of an emulator of Google's storage, where there is one.
	archive string
	app     *proc.Process
	opt     Options
}

// The names in the stack.
const (
	database = "medlink"
	role     = "medlink_owner"
)

// layout says which sites there are and where their endpoints and doors listen.
var layout = []struct {
	name, role, region string
	addresses          netip.Prefix
	door               netip.Addr
}{
	{"us-east-1", "primary", "aws-us-east-1", netip.MustParsePrefix("127.81.0.0/16"), netip.MustParseAddr("127.83.0.1")},
	{"us-west-2", "standby", "aws-us-west-2", netip.MustParsePrefix("127.82.0.0/16"), netip.MustParseAddr("127.83.0.2")},
}

// Start brings the whole stack up and returns when everything answers. A failure stops what was started.
func Start(ctx context.Context, opt Options) (_ *Stack, err error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := prepareDir(opt.Dir)
	if err != nil {
		return nil, err
	}
	s := &Stack{Dir: dir, Config: filepath.Join(dir, "lifeboat.yaml"), Ledger: filepath.Join(dir, "ledger.jsonl"), opt: opt}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	secrets, err := s.secrets()
	if err != nil {
		return nil, err
	}
	if s.Inbox, err = openInbox("127.0.0.1:0", filepath.Join(dir, "alerts.jsonl"), secrets.webhook); err != nil {
		return nil, err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.StartSlack(groupCtx) })
	for _, p := range layout {
		site := &Site{Name: p.name, Role: p.role, Key: secrets.neonKey}
		s.Sites = append(s.Sites, site)
		group.Go(func() error { return s.startStore(groupCtx, site) })
		group.Go(func() error {
			if err := s.startNeon(groupCtx, site, p.region, p.addresses); err != nil {
				return err
			}
			return s.startDoor(groupCtx, site, p.door)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := s.seed(ctx); err != nil {
		return nil, err
	}
	if err := s.makeStandby(ctx); err != nil {
		return nil, err
	}
	if err := s.openDoor(ctx); err != nil {
		return nil, err
	}
	if err := s.configure(secrets); err != nil {
		return nil, err
	}
	if opt.Rate > 0 {
		if err := s.StartApp(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// prepareDir makes the state directory such that PostgreSQL's user can pass through it to its own.
func prepareDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find state directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return "", fmt.Errorf("make state directory: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return "", fmt.Errorf("open state directory: %w", err)
	}
	return dir, nil
}

// S3 is the URL of the site's S3 server.
func (s *Site) S3() string { return s.s3 }

// S3Region is the region that the site's S3 server says it is in.
func (s *Site) S3Region() string { return s.s3Region }

// Bucket is the name of a site's vault bucket.
func (s *Site) Bucket() string { return "vault-" + s.Name }

// WriterKey is the access key that may write into the vault and may not delete.
const WriterKey = "lifeboatwriter"

func (s *Stack) startStore(ctx context.Context, site *Site) error {
	secret, err := s.secret("s3-" + site.Name)
	if err != nil {
		return err
	}
	site.Store, err = s3.StartChild(ctx, s3.Config{
		Dir: filepath.Join(s.Dir, site.Name, "s3"), Region: site.Name,
		Users: []s3.User{{AccessKey: WriterKey, SecretKey: secret}},
	})
	if err != nil {
		return fmt.Errorf("start S3 of %s: %w", site.Name, err)
	}
	site.s3, site.s3Region = site.Store.Endpoint(), site.Name
	if err := site.Store.CreateBucket(ctx, s3.Bucket{Name: site.Bucket(), ObjectLock: true, Versioning: true, Writers: []string{WriterKey}}); err != nil {
		return fmt.Errorf("make vault of %s: %w", site.Name, err)
	}
	return nil
}

// StartApp starts the application's writer, which adds claims until the stack stops. It knows the primary
// site's door and nothing behind it.
func (s *Stack) StartApp() error { return s.startAppAt(s.Sites[0]) }

func (s *Stack) startAppAt(site *Site) (err error) {
	s.app, err = startChild(s.Dir, "application", childSpec{App: &appSpec{URL: site.AppURL().Reveal(), Ledger: s.Ledger, Rate: s.opt.Rate}})
	return err
}

// MoveApp ends the application's writer and starts it at another site, where it knows that site's door. Its ledger goes on.
func (s *Stack) MoveApp(site *Site) error {
	if s.app != nil {
		if err := s.app.Stop(syscall.SIGTERM, 20*time.Second); err != nil {
			s.opt.Log.Warn("stop the application", "error", err)
		}
	}
	return s.startAppAt(site)
}

// KillSite ends every server of a site at once, as an outage does.
func (s *Stack) KillSite(name string) error {
	for _, site := range s.Sites {
		if site.Name == name {
			site.pooler.Kill()
			site.Store.Kill()
			site.neon.Kill()
			return nil
		}
	}
	return fmt.Errorf("there is no site %q", name)
}

// RestartSite brings a killed site back as it was, at the same addresses, as after an outage.
func (s *Stack) RestartSite(ctx context.Context, name string) error {
	for i, site := range s.Sites {
		if site.Name != name {
			continue
		}
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error {
			server, err := s3.StartChild(ctx, site.Store.Config())
			if err == nil {
				site.Store = server
			}
			return err
		})
		group.Go(func() (err error) {
			spec := site.spec
			if site.neon, err = startChild(s.Dir, "neon-"+site.Name, childSpec{Neon: &spec}); err != nil {
				return fmt.Errorf("start Neon of %s: %w", site.Name, err)
			}
			return site.awaitNeon(ctx, spec, site.neon.Done())
		})
		group.Go(func() error { return s.RestartDoor(ctx, s.Sites[i]) })
		return group.Wait()
	}
	return fmt.Errorf("there is no site %q", name)
}

// Stop ends everything, the application first, so that its last claims are acknowledged.
func (s *Stack) Stop() {
	const patience = 20 * time.Second
	var errs []error
	if s.app != nil {
		errs = append(errs, s.app.Stop(syscall.SIGTERM, patience))
	}
	group := errgroup.Group{}
	for _, site := range s.Sites {
		if site.pooler != nil {
			group.Go(site.pooler.Stop)
		}
		if site.neon != nil {
			group.Go(func() error { return site.neon.Stop(syscall.SIGTERM, 2*patience) })
		}
		if site.Store != nil {
			group.Go(func() error { return site.Store.Stop(patience) })
		}
	}
	if s.Slack != nil {
		group.Go(func() error { return s.Slack.process.Stop(syscall.SIGTERM, patience) })
	}
	errs = append(errs, group.Wait())
	if s.Inbox != nil {
		s.Inbox.close()
	}
	if err := errors.Join(errs...); err != nil {
		s.opt.Log.Warn("stop stack", "error", err)
	}
}
