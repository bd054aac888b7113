package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgbouncer"
)

// Places says where the servers of a stack are that somebody else starts, such as docker-compose.yml. All of them
// share one loopback network: the databases listen there, each on an address of its own.
type Places struct {
	// Sites are the primary and the standby.
	Sites []SitePlaces `json:"sites"`
	// Slack and Inbox are where the stand-in for Slack and the inbox for alerts listen, as host:port.
	Slack string `json:"slack"`
	Inbox string `json:"inbox"`
	// Temporal is the address of its frontend.
	Temporal string `json:"temporal"`
	// Archive is the URL of an emulator of Google's storage, where the third vault is; empty for none.
	Archive string `json:"archive"`
}

// SitePlaces are the places of one site.
type SitePlaces struct {
	// Neon is where the emulator's API listens, as host:port, and Door where PgBouncer does.
	Neon string         `json:"neon"`
	Door netip.AddrPort `json:"door"`
	// S3 is the URL of the site's S3 server, and S3Region the region that it says it is in.
	S3       string `json:"s3"`
	S3Region string `json:"s3_region"`
}

// ReadPlaces reads places from JSON.
func ReadPlaces(text []byte) (p Places, err error) {
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&p); err != nil {
		return Places{}, fmt.Errorf("read places: %w", err)
	}
	if len(p.Sites) != len(layout) {
		return Places{}, fmt.Errorf("read places: %d sites, where the stack has %d", len(p.Sites), len(layout))
	}
	for i, site := range p.Sites {
		if site.Neon == "" || !site.Door.IsValid() || site.S3 == "" || site.S3Region == "" {
			return Places{}, fmt.Errorf("read places: site %s has to say neon, door, s3 and s3_region", layout[i].name)
		}
	}
	if p.Slack == "" || p.Inbox == "" || p.Temporal == "" {
		return Places{}, errors.New("read places: slack, inbox and temporal are needed")
	}
	return p, nil
}

// Prepare makes the keys of a stack whose servers somebody else starts, and writes what each of them is started with:
//
//   - SITE's emulated Neon, the stand-in for Slack, the inbox and the application are this binary again, with
//     LIFEBOAT_DEV_CHILD naming neon-SITE.child.json, slack.child.json, inbox.child.json, application.child.json
//   - SITE's PgBouncer is pgbouncer with SITE/door/pgbouncer.ini
//   - SITE's S3 server needs a user [WriterKey] whose secret is in keys/s3-SITE.secret, and the bucket vault-SITE
//
// All of it is below opt.Dir. It is safe to repeat; what is there is kept.
func Prepare(opt Options, at Places) error {
	_, _, err := lay(opt, at)
	return err
}

// Finish waits for the databases of a stack that was prepared, fills them, opens the application's door, and writes the
// configuration, whose path it returns. The PgBouncers have to run. It is safe to repeat.
func Finish(ctx context.Context, opt Options, at Places) (configuration string, err error) {
	s, specs, err := lay(opt, at)
	if err != nil {
		return "", err
	}
	for i, site := range s.Sites {
		if err := site.awaitNeon(ctx, specs[i], nil); err != nil {
			return "", err
		}
	}
	if err := s.seed(ctx); err != nil {
		return "", err
	}
	if err := s.makeStandby(ctx); err != nil {
		return "", err
	}
	if err := s.openDoor(ctx); err != nil {
		return "", err
	}
	if s.archive != "" {
		if err := makeArchive(ctx, s.archive); err != nil {
			return "", err
		}
	}
	secrets, err := s.secrets()
	if err != nil {
		return "", err
	}
	return s.Config, s.configure(secrets)
}

// lay is a stack of which nothing runs, with everything that its servers are started with.
func lay(opt Options, at Places) (*Stack, []neonSpec, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := prepareDir(opt.Dir)
	if err != nil {
		return nil, nil, err
	}
	s := &Stack{Dir: dir, Config: filepath.Join(dir, "lifeboat.yaml"), Ledger: filepath.Join(dir, "ledger.jsonl"), Temporal: at.Temporal, archive: at.Archive, opt: opt}
	secrets, err := s.secrets()
	if err != nil {
		return nil, nil, err
	}
	var specs []neonSpec
	for i, p := range layout {
		site, spec, err := s.laySite(p.name, p.role, secrets.neonKey, at.Sites[i], p.region, p.addresses)
		if err != nil {
			return nil, nil, err
		}
		s.Sites, specs = append(s.Sites, site), append(specs, spec)
	}
	slack, err := s.slackSpec(at.Slack)
	if err != nil {
		return nil, nil, err
	}
	s.Slack = &Slack{URL: "http://" + reachable(at.Slack)}
	s.Inbox = &Inbox{url: "http://" + reachable(at.Inbox)}
	for name, spec := range map[string]childSpec{
		"slack":       {Slack: &slack},
		"inbox":       {Inbox: &inboxSpec{Listen: at.Inbox, File: filepath.Join(dir, "alerts.jsonl"), Secret: secrets.webhook}},
		"application": {App: &appSpec{URL: s.Sites[0].AppURL().Reveal(), Ledger: s.Ledger, Rate: opt.Rate}},
	} {
		if _, err := writeSpec(dir, name, spec); err != nil {
			return nil, nil, err
		}
	}
	return s, specs, nil
}

func (s *Stack) laySite(name, role, key string, at SitePlaces, region string, addresses netip.Prefix) (*Site, neonSpec, error) {
	site := &Site{Name: name, Role: role, Key: key, API: "http://" + reachable(at.Neon) + "/api/v2", s3: at.S3, s3Region: at.S3Region}
	if _, err := s.secret("s3-" + name); err != nil {
		return nil, neonSpec{}, err
	}
	spec, err := s.neonSpec(site, region, addresses, at.Neon)
	if err != nil {
		return nil, neonSpec{}, err
	}
	if _, err := writeSpec(s.Dir, "neon-"+name, childSpec{Neon: &spec}); err != nil {
		return nil, neonSpec{}, err
	}
	opt, err := s.doorOptions(site, at.Door)
	if err != nil {
		return nil, neonSpec{}, err
	}
	site.pooler, err = pgbouncer.Prepare(opt)
	return site, spec, err
}

// reachable is how others on the same network reach what listens there: what listens everywhere is on loopback too.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip, bad := netip.ParseAddr(host); err == nil && (host == "" || bad == nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

// archiveBucket is the bucket of the third vault.
const archiveBucket = "archive"

// makeArchive makes the third vault's bucket in an emulator of Google's storage, unless it is there.
func makeArchive(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	body := bytes.NewReader([]byte(`{"name":"` + archiveBucket + `","versioning":{"enabled":true}}`))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/storage/v1/b?project=medlink", body)
	if err != nil {
		return fmt.Errorf("make bucket of the archive: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("make bucket of the archive: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusConflict {
		return fmt.Errorf("make bucket of the archive: the emulator answers %s", resp.Status)
	}
	return nil
}
