// Package compose_test checks docker-compose.yml by reading it, where nothing can run it, and runs what of it is ours as
// processes.
package compose_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/stack"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

const root = "../.."

type service struct {
	Image       string                       `yaml:"image"`
	Build       map[string]any               `yaml:"build"`
	Entrypoint  []string                     `yaml:"entrypoint"`
	Command     []string                     `yaml:"command"`
	NetworkMode string                       `yaml:"network_mode"`
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
	for _, name := range []string{
		"neon-us-east-1", "neon-us-west-2", "pgbouncer-us-east-1", "pgbouncer-us-west-2", "s3-us-east-1", "s3-us-west-2", "gcs",
		"slack", "inbox", "application", "temporal", "temporal-db", "temporal-ui", "worker",
	} {
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
			if how["condition"] == "service_completed_successfully" && dependency.Restart != "" && dependency.Restart != "no" {
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
		if other, ok := strings.CutPrefix(s.NetworkMode, "service:"); ok {
			if _, there := c.Services[other]; !there || len(s.Ports) > 0 {
				t.Errorf("%s shares the network of %s, where the ports have to be published", name, other)
			}
		}
		for _, word := range slices.Concat(s.Entrypoint, s.Command) {
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

// TestPlaces compares where the configuration says that servers are with the services.
func TestPlaces(t *testing.T) {
	c, _ := load(t)
	text, err := os.ReadFile(filepath.Join(root, "deploy", "places.json"))
	if err != nil {
		t.Fatal(err)
	}
	at, err := stack.ReadPlaces(text)
	if err != nil {
		t.Fatal(err)
	}
	addresses := []string{at.Temporal, at.Archive}
	for _, site := range at.Sites {
		addresses = append(addresses, site.S3)
	}
	for _, address := range addresses {
		host, port, err := net.SplitHostPort(strings.TrimPrefix(address, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		s, ok := c.Services[host]
		if !ok {
			t.Errorf("%s is no service", address)
		}
		if test := fmt.Sprint(s.Healthcheck["test"]); !strings.Contains(test, port) {
			t.Errorf("%s: what tells whether it is well looks elsewhere: %s", address, test)
		}
	}
	for _, address := range []string{at.Slack, at.Inbox} {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		if want := "127.0.0.1:" + port + ":" + port; !slices.Contains(c.Services["ground"].Ports, want) {
			t.Errorf("%s is not published: %v", address, c.Services["ground"].Ports)
		}
	}
	for name, s := range c.Services {
		if s.Image == ourImage && s.NetworkMode != "service:ground" {
			t.Errorf("%s is on a network of its own, where the databases are not", name)
		}
	}
}
