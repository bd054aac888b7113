package compose_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/proc"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/s3"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/stack"
	"github.com/lifeboat-dr/lifeboat/internal/embedded"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// TestMain doubles as the S3 servers, which stand here for those of the images.
func TestMain(m *testing.M) {
	if ran, err := stack.MaybeRun(); ran {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// ourImage is the image of what is ours.
const ourImage = "lifeboat-stack:local"

// TestOurServicesRun starts every service of our image as a process, with the command and the environment that
// docker-compose.yml gives it and in its order, and makes a backup with them. S3, Google's storage and Temporal are not
// those of the images, and the places are free ports; nothing else differs but the network.
func TestOurServicesRun(t *testing.T) {
	c, _ := load(t)
	w := &world{dir: pgserver.TestDir(t), services: c.Services, started: map[string]*proc.Process{}}
	w.build(t)
	w.places(t)
	for _, name := range w.order(t) {
		w.run(t, name)
		if name == "prepare" {
			w.foreign(t)
			w.run(t, name) // with the places of the foreign ones; and it is safe to repeat
		}
	}
	w.run(t, "finish")
	w.await(t, "worker", "msg=working")
	w.lifeboat(t, "backup", "database", "--follow")
	if out := w.lifeboat(t, "replicate", "database", "--to", "archive", "--follow"); !strings.Contains(out, "archive") {
		t.Errorf("the third vault got nothing: %s", out)
	}
	for name, p := range w.started {
		select {
		case <-p.Done():
			t.Errorf("%s has ended: %v\n%s", name, p.Wait(), w.said(name))
		default:
		}
	}
}

// world runs services as processes.
type world struct {
	dir, bin string
	services map[string]service
	started  map[string]*proc.Process
	at       stack.Places
}

func (w *world) build(t *testing.T) {
	t.Helper()
	w.bin = t.TempDir()
	for program, source := range map[string]string{"lifeboat": "starter", "lifeboat-worker": "worker"} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(w.bin, program), root+"/"+source).CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
	}
}

// places is deploy/places.json with free ports.
func (w *world) places(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy", "places.json"))
	if err != nil {
		t.Fatal(err)
	}
	if w.at, err = stack.ReadPlaces(text); err != nil {
		t.Fatal(err)
	}
	free := func(host string) string {
		l, err := net.Listen("tcp", host+":0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	for i := range w.at.Sites {
		site := &w.at.Sites[i]
		host := site.Door.Addr().String()
		site.Neon, site.Door = free(host), netip.MustParseAddrPort(free(host))
	}
	w.at.Slack, w.at.Inbox = free("127.0.0.1"), free("127.0.0.1")
	w.keep(t)
}

func (w *world) keep(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(w.at)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "places.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// foreign starts what the other images are for.
func (w *world) foreign(t *testing.T) {
	t.Helper()
	for i, name := range []string{"us-east-1", "us-west-2"} {
		key, err := os.ReadFile(filepath.Join(w.state(), "keys", "s3-"+name+".secret"))
		if err != nil {
			t.Fatal(err)
		}
		server, err := s3.StartChild(t.Context(), s3.Config{
			Dir: filepath.Join(w.dir, "s3-"+name), Region: w.at.Sites[i].S3Region, Address: "127.0.0.1:0",
			Users: []s3.User{{AccessKey: stack.WriterKey, SecretKey: strings.TrimSpace(string(key))}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Stop(10 * time.Second) })
		if err := server.CreateBucket(t.Context(), s3.Bucket{Name: "vault-" + name, ObjectLock: true, Versioning: true, Writers: []string{stack.WriterKey}}); err != nil {
			t.Fatal(err)
		}
		w.at.Sites[i].S3 = server.Endpoint()
	}
	google, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(google.Stop)
	w.at.Archive = google.URL()
	temporal, err := embedded.Start(t.Context(), embedded.Options{UIAddress: "-", Namespace: "lifeboat", SearchAttributes: workflows.SearchAttributes()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = temporal.Stop() })
	w.at.Temporal = temporal.Address()
	w.keep(t)
}

// order are our services, each after those that it waits for.
func (w *world) order(t *testing.T) (names []string) {
	t.Helper()
	var visit func(name string, under []string)
	visit = func(name string, under []string) {
		if slices.Contains(under, name) {
			t.Fatalf("%v wait for one another", append(under, name))
		}
		if slices.Contains(names, name) {
			return
		}
		for _, other := range slices.Sorted(maps.Keys(w.services[name].DependsOn)) {
			visit(other, append(slices.Clone(under), name))
		}
		if w.services[name].Image == ourImage {
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.services)) {
		visit(name, nil)
	}
	return names
}

func (w *world) state() string { return filepath.Join(w.dir, "state") }

func (w *world) local(text string) string {
	text = strings.ReplaceAll(text, "/deploy/places.json", filepath.Join(w.dir, "places.json"))
	text = strings.ReplaceAll(text, "${SIZE:-50MB}", "1MB")
	if rest, ok := strings.CutPrefix(text, "/state"); ok {
		text = w.state() + rest
	}
	return text
}

// run starts a service; one that is not restarted is waited for.
func (w *world) run(t *testing.T, name string) {
	t.Helper()
	s := w.services[name]
	spec := proc.Spec{Name: name, Dir: "/", Env: w.environment(s.Environment)}
	for i, word := range s.Command {
		switch word = w.local(word); {
		case i > 0:
			spec.Args = append(spec.Args, word)
		case strings.HasPrefix(word, "lifeboat"):
			spec.Path = filepath.Join(w.bin, word)
		default: // the image's user is not root, which PgBouncer refuses to be
			spec.Path, spec.User = word, pgserver.RunAs()
		}
	}
	log, err := os.Create(w.log(name))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	spec.Output = log
	if s.Restart == "no" {
		if err := proc.Run(t.Context(), spec); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, w.said(name))
		}
		return
	}
	p, err := proc.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	w.started[name] = p
	t.Cleanup(func() { _ = p.Stop(syscall.SIGTERM, 30*time.Second) })
}

func (w *world) environment(of map[string]string) []string {
	env := os.Environ()
	for name, value := range of {
		env = append(env, name+"="+w.local(value))
	}
	return env
}

func (w *world) log(name string) string { return filepath.Join(w.dir, name+".log") }

func (w *world) said(name string) string {
	text, _ := os.ReadFile(w.log(name)) // it only explains another error
	return string(text)
}

func (w *world) await(t *testing.T, name, words string) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(w.said(name), words) {
		select {
		case <-w.started[name].Done():
			t.Fatalf("%s has ended: %v\n%s", name, w.started[name].Wait(), w.said(name))
		case <-deadline:
			t.Fatalf("%s does not say %q:\n%s", name, words, w.said(name))
		case <-tick.C:
		}
	}
}

// lifeboat is what a person runs in the worker's container.
func (w *world) lifeboat(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(w.bin, "lifeboat"), args...)
	cmd.Env = w.environment(w.services["worker"].Environment)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("lifeboat %v: %v\n%s\nthe worker:\n%s", args, err, out, w.said("worker"))
	}
	return string(out)
}
