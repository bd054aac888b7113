// Package compose_test checks docker-compose.yml by reading it, where nothing can run it, and runs what of it is ours:
// the script that makes keys, the configuration and the order.
package compose_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

const root = "../.."

type service struct {
	Image       string                       `yaml:"image"`
	Build       map[string]any               `yaml:"build"`
	Entrypoint  []string                     `yaml:"entrypoint"`
	Environment map[string]string            `yaml:"environment"`
	DependsOn   map[string]map[string]string `yaml:"depends_on"`
	Volumes     []string                     `yaml:"volumes"`
	Ports       []string                     `yaml:"ports"`
	Healthcheck map[string]any               `yaml:"healthcheck"`
	Restart     string                       `yaml:"restart"`
}

type compose struct {
	Services map[string]service `yaml:"services"`
	Volumes  map[string]any     `yaml:"volumes"`
}

func load(t *testing.T) (compose, string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c, string(text)
}

// pinned is an image with a tag that has at least two numbers, or is built here.
var pinned = regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+[a-z0-9.-]*$`)

func TestServices(t *testing.T) {
	c, _ := load(t)
	for _, name := range []string{"database", "standby", "s3-east", "s3-west", "temporal", "temporal-ui", "setup", "worker"} {
		if _, ok := c.Services[name]; !ok {
			t.Errorf("there is no service %s", name)
		}
	}
	for name, s := range c.Services {
		if s.Build == nil && !pinned.MatchString(s.Image) {
			t.Errorf("%s: image %q is not pinned", name, s.Image)
		}
		for other, how := range s.DependsOn {
			dependency, ok := c.Services[other]
			if !ok {
				t.Errorf("%s depends on %s, which is not there", name, other)
			}
			if how["condition"] == "service_healthy" && dependency.Healthcheck == nil {
				t.Errorf("%s waits for %s to be healthy, and nothing tells whether it is", name, other)
			}
			if how["condition"] == "service_completed_successfully" && dependency.Restart != "" {
				t.Errorf("%s waits for the end of %s, which is restarted", name, other)
			}
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if path, ours := strings.CutPrefix(from, "./"); ours {
				if _, err := os.Stat(filepath.Join(root, path)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			} else if _, ok := c.Volumes[from]; !ok {
				t.Errorf("%s: volume %s is not declared", name, from)
			}
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to the network", name, p)
			}
		}
		for _, word := range s.Entrypoint {
			if script, ours := strings.CutPrefix(word, "/deploy/"); ours {
				if _, err := os.Stat(filepath.Join(root, "deploy", script)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}

func TestVariablesAreDocumented(t *testing.T) {
	_, text := load(t)
	header, _, _ := strings.Cut(text, "\nname:")
	var used []string
	for _, m := range regexp.MustCompile(`[^$]\$\{([A-Z0-9_]+)`).FindAllStringSubmatch(text, -1) {
		used = append(used, m[1])
	}
	slices.Sort(used)
	used = slices.Compact(used)
	var documented []string
	for _, m := range regexp.MustCompile(`(?m)^#   ([A-Z0-9_]+) {2,}`).FindAllStringSubmatch(header, -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(documented)
	if !slices.Equal(used, documented) {
		t.Errorf("used are %v, documented are %v", used, documented)
	}
}

func TestSearchAttributes(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(root, "deploy", "temporal-namespace.sh"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range workflows.SearchAttributes() {
		if !strings.Contains(string(script), name) {
			t.Errorf("the namespace does not get the search attribute %s", name)
		}
	}
}

// The setup script makes a configuration that is right and an order that holds, and is safe to repeat.
func TestSetup(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	if out, err := exec.Command("go", "build", "-o", bin+"/", root+"/starter").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if err := os.Rename(filepath.Join(bin, "starter"), filepath.Join(bin, "lifeboat")); err != nil {
		t.Fatal(err)
	}
	etc := filepath.Join(dir, "etc")
	if err := os.Mkdir(etc, 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "LIFEBOAT_CONFIG="+filepath.Join(etc, "lifeboat.yaml"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}
	for range 2 {
		run("sh", filepath.Join(root, "deploy", "setup.sh"), etc, filepath.Join(root, "deploy", "lifeboat.yaml"))
	}
	run(filepath.Join(bin, "lifeboat"), "order", "show")

	cfg, err := config.Load(filepath.Join(etc, "lifeboat.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c, text := load(t)
	for name, v := range cfg.Vaults {
		host := strings.TrimSuffix(strings.TrimPrefix(v.S3.Endpoint, "http://"), ":7070")
		if _, ok := c.Services[host]; !ok {
			t.Errorf("vault %s is at %s, which is no service", name, v.S3.Endpoint)
		}
	}
	source, err := os.ReadFile(filepath.Join(root, "deploy", "lifeboat.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\{env: ([A-Z_]+)\}`).FindAllStringSubmatch(string(source), -1) {
		if !strings.Contains(text, "    "+m[1]+": ") {
			t.Errorf("the configuration reads %s, which no service is given", m[1])
		}
	}
}
