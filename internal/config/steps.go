package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Runbooks are the runbooks of this installation, besides those that Lifeboat brings.
type Runbooks struct {
	// Dir holds NAME.yaml, each with the signatures of its owners beside it in NAME.yaml.sigs. Empty is none.
	Dir Path `yaml:"dir"`
}

// Endpoint is an HTTP service that runbooks may call. What a drill calls is another address, so that the
// same step cannot reach production in a drill.
type Endpoint struct {
	// Site is where it is; empty where it belongs to none.
	Site string `yaml:"site"`
	// URL is the address that paths are appended to; it may hold a token, and so is a secret.
	URL secret.Ref `yaml:"url"`
	// Drill is what a drill calls instead. Without it drills may only look: GET and HEAD.
	Drill secret.Ref `yaml:"drill"`
	// Secrets are values that steps may send as headers, by name.
	Secrets map[string]secret.Ref `yaml:"secrets"`
	// Timeout bounds one request.
	Timeout time.Duration `yaml:"timeout"`
}

func (e *Endpoint) defaults() { e.Timeout = 30 * time.Second }

// Program is a program that runbooks may run. What a drill runs is another program.
type Program struct {
	// Site is the site whose workers have it; empty for all workers.
	Site string `yaml:"site"`
	// Path is where it is, absolute.
	Path string `yaml:"path"`
	// Drill is what a drill runs instead; without it drills do not run it.
	Drill string `yaml:"drill"`
	// Env are environment variables that it gets besides PATH and HOME.
	Env []Variable `yaml:"env"`
}

// Variable is an environment variable of a program.
type Variable struct {
	Name  string     `yaml:"name"`
	Value secret.Ref `yaml:"value"`
}

// Drills are what only drills need.
type Drills struct {
	// Faults are the damages that a drill may do to its copy, and to nothing else, by name.
	Faults map[string]Fault `yaml:"faults"`
}

// Fault is one statement that damages a copy of a component.
type Fault struct {
	Component string `yaml:"component"`
	// SQL is one statement that changes rows; it runs with an empty search path.
	SQL string `yaml:"sql"`
}

func (d *decoder) checkSteps(c *Config) {
	for _, name := range sorted(c.Drills.Faults) {
		at, f := join("drills.faults", name), c.Drills.Faults[name]
		if d.need(join(at, "component"), f.Component, "the component whose copy is damaged"); f.Component != "" {
			reference(d, join(at, "component"), "component", f.Component, c.Components)
		}
		d.need(join(at, "sql"), f.SQL, "the statement that does the damage")
	}
	for _, name := range sorted(c.Endpoints) {
		at, e := join("endpoints", name), c.Endpoints[name]
		if e.Site != "" {
			reference(d, join(at, "site"), "site", e.Site, c.Sites)
		}
		d.needRef(join(at, "url"), e.URL, "the address of the service")
		d.lasts(join(at, "timeout"), e.Timeout, "1s", "10m")
	}
	for _, name := range sorted(c.Programs) {
		at, p := join("programs", name), c.Programs[name]
		if p.Site != "" {
			reference(d, join(at, "site"), "site", p.Site, c.Sites)
		}
		if d.need(join(at, "path"), p.Path, "the absolute path of the program"); p.Path != "" && !filepath.IsAbs(p.Path) {
			d.bad(join(at, "path"), "it has to be absolute: nothing is looked up")
		}
		for i, v := range p.Env {
			at := fmt.Sprintf("%s[%d]", join(at, "env"), i)
			if d.need(join(at, "name"), v.Name, "the variable's name"); strings.ContainsAny(v.Name, "=\x00") {
				d.bad(join(at, "name"), "a variable's name has no \"=\"")
			}
			d.needRef(join(at, "value"), v.Value, "the variable's value")
		}
		if p.Drill != "" && !filepath.IsAbs(p.Drill) {
			d.bad(join(at, "drill"), "it has to be absolute: nothing is looked up")
		}
	}
}
