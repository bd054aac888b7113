package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// check finds what is wrong between settings that are each well formed. It also fills in the defaults
// that depend on other settings.
func (d *decoder) check(c *Config) {
	if c.Version != Version {
		d.bad("version", "this program reads version %d of the file: write \"version: %d\"", Version, Version)
	}
	switch {
	case c.Application == "":
		d.bad("application", "it is needed: the name of what is protected, part of every backup")
	case !isName(c.Application):
		d.bad("application", "%s is no name: use lower-case letters, digits and hyphens, a letter first, 40 at most", strictyaml.Quote(c.Application))
	}
	d.checkSites(c)
	d.checkVaults(c)
	d.checkComponents(c)
	for _, name := range sorted(c.Targets) {
		at := join("targets", name)
		if c.Targets[name].Postgres == nil {
			d.bad(join(at, "postgres"), "it is needed: site and url of the database that may be filled")
			continue
		}
		d.postgres(join(at, "postgres"), c.Targets[name].Postgres, c)
	}
	d.checkDoors(c)
	d.checkSchedules(c)
	d.checkKeys(c)
	d.checkOrder(c)
	d.checkRoster(c)
	d.checkSteps(c)
	d.checkAlerts(c)
	d.checkSlack(c)
	d.checkWorker(c)
}

func (d *decoder) checkSites(c *Config) {
	if len(c.Sites) == 0 {
		d.bad("sites", "at least one site is needed, of role primary")
	}
	var primaries []string
	for _, name := range sorted(c.Sites) {
		at, site := join("sites", name), c.Sites[name]
		oneOf(d, join(at, "role"), site.Role, Primary, Standby)
		if site.Role == Primary {
			primaries = append(primaries, name)
		}
		if site.Neon != nil {
			at := join(at, "neon")
			d.url(join(at, "api"), site.Neon.API)
			d.need(join(at, "project"), site.Neon.Project, "the project's id, as in the console's address")
			d.needRef(join(at, "key"), site.Neon.Key, "an API key of Neon")
		}
	}
	if len(primaries) > 1 {
		d.bad(join(join("sites", primaries[1]), "role"), "only one site is primary, and %q is already", primaries[0])
	}
	if len(c.Sites) > 0 && len(primaries) == 0 {
		d.bad("sites", "one of the sites must be of role primary")
	}
}

func (d *decoder) checkOrder(c *Config) {
	d.need("order.file", string(c.Order.File), "the signed standing order; make one with: lifeboat order new")
	if c.Roster != nil {
		d.checkOrderByRoster(c)
		return
	}
	if c.Order.Owners.IsZero() {
		d.bad("order.owners", "it is needed where there is no roster: the public keys of those who may sign orders")
	}
	d.within("order.required", int64(c.Order.Required), 1, 20)
	if n := len(c.Order.Owners.Lines); n > 0 && c.Order.Required > n {
		d.bad("order.required", "%d owners must sign, but only %d are listed", c.Order.Required, n)
	}
}

// checkOrderByRoster refuses a second list of owners: whoever is removed from one would still count by the other.
func (d *decoder) checkOrderByRoster(c *Config) {
	if !c.Order.Owners.IsZero() {
		d.bad("order.owners", "with a roster its owners sign orders: take this line out, and let them sign the order anew: lifeboat order sign")
	}
	if _, written := d.places["order.required"]; written && c.Order.Required != 0 {
		d.bad("order.required", "with a roster as many of its owners sign as its version asks for: take this line out")
	}
	c.Order.Required = 0
}

func (d *decoder) checkRoster(c *Config) {
	r := c.Roster
	if r == nil {
		return
	}
	d.need("roster.file", string(r.File), "the chain of signed versions; make one with: lifeboat roster init")
	switch raw, err := hex.DecodeString(r.Fingerprint); {
	case r.Fingerprint == "":
		d.warn("roster.fingerprint", "nobody in the roster is believed until its fingerprint stands here, and no order that its owners signed: lifeboat roster show")
	case err != nil || len(raw) != sha256.Size || strings.ToLower(r.Fingerprint) != r.Fingerprint:
		d.bad("roster.fingerprint", "%s is no fingerprint: write the 64 hex digits that lifeboat roster show prints", strictyaml.Quote(r.Fingerprint))
	}
	if r.ClicksSuffice {
		d.warn("roster.clicks_suffice", "a stolen worker could approve what cannot be undone: better let one approver sign with their own key")
	}
}

func (d *decoder) checkWorker(c *Config) {
	for i, site := range c.Worker.Sites {
		reference(d, fmt.Sprintf("worker.sites[%d]", i), "site", site, c.Sites)
	}
	d.within("worker.concurrency", int64(c.Worker.Concurrency), 1, 256)
	d.size("worker.memory", c.Worker.Memory, 64<<20, 64<<30)
	d.lasts("worker.stop_timeout", c.Worker.StopTimeout, "1s", "1h")
	if a := c.Temporal.Address; a != "" {
		if host, port, err := net.SplitHostPort(a); err != nil || host == "" || port == "" {
			d.bad("temporal.address", "%s is no address: write HOST:PORT, for example 127.0.0.1:7233", strictyaml.Quote(a))
		}
	}
	oneOf(d, "log.format", c.Log.Format, LogText, LogJSON)
}

// silent says that a setting, or one that holds it, was already complained about.
func (d *decoder) silent(path string) bool {
	for ; path != ""; path = parent(path) {
		if d.failed[path] {
			return true
		}
	}
	return false
}

// at makes a problem at a setting, or where the section stands that lacks it.
func (d *decoder) at(path, format string, args ...any) Problem {
	where := place{Line: 1, Column: 1}
	for p := path; p != ""; p = parent(p) {
		if known, ok := d.places[p]; ok {
			where = known
			break
		}
	}
	return Problem{File: d.file, Line: where.Line, Column: where.Column, Path: path, Message: fmt.Sprintf(format, args...)}
}

func (d *decoder) bad(path, format string, args ...any) {
	if !d.silent(path) {
		d.problems = append(d.problems, d.at(path, format, args...))
		d.failed[path] = true
	}
}

func (d *decoder) warn(path, format string, args ...any) {
	if !d.silent(path) {
		d.warnings = append(d.warnings, d.at(path, format, args...))
	}
}

// need complains about a setting that is empty; what says what it is.
func (d *decoder) need(path, value, what string) {
	if strings.TrimSpace(value) == "" {
		d.bad(path, "it is needed: %s", what)
	}
}

func (d *decoder) needRef(path string, ref secret.Ref, what string) {
	if ref.IsZero() {
		d.bad(path, "it is needed: %s, as {env: NAME} or {file: PATH}", what)
	}
}

// url wants an absolute http address without a password in it, and https for anything but this machine.
func (d *decoder) url(path, text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		d.bad(path, "this is no address: write https://HOST[:PORT][/PATH]")
	case u.User != nil:
		d.bad(path, "this address holds credentials: write it without them, they belong into the settings for secrets")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		d.warn(path, "this address is not https: whoever listens on the way sees what is sent")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// within wants a number between two bounds.
func (d *decoder) within(path string, n, least, most int64) {
	if n < least || n > most {
		d.bad(path, "%d is out of range: use %d to %d", n, least, most)
	}
}

func (d *decoder) size(path string, n, least, most Size) {
	if n < least || n > most {
		d.bad(path, "%s is out of range: use %s to %s", n, least, most)
	}
}

// lasts wants a duration between two bounds, which are written as in the file.
func (d *decoder) lasts(path string, value time.Duration, least, most string) {
	low, errLow := plan.ParseDuration(least)
	high, errHigh := plan.ParseDuration(most)
	if errLow != nil || errHigh != nil {
		panic("config: bad bounds for " + path)
	}
	if value < low || value > high {
		d.bad(path, "%s is out of range: use %s to %s", plan.FormatDuration(value), least, most)
	}
}

// oneOf wants one of a few words.
func oneOf[T ~string](d *decoder, path string, word T, known ...T) {
	if slices.Contains(known, word) {
		return
	}
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = string(k)
	}
	if word == "" {
		d.bad(path, "it is needed: one of %s", strings.Join(names, ", "))
		return
	}
	d.bad(path, "%s is not known: use one of %s", strictyaml.Quote(string(word)), strings.Join(names, ", "))
}

// reference wants a name that another section defines.
func reference[T any](d *decoder, path, kind, name string, defined map[string]T) bool {
	if _, ok := defined[name]; ok {
		return true
	}
	if name == "" {
		d.bad(path, "it is needed: the name of a %s", kind)
		return false
	}
	d.bad(path, "there is no %s %s: %s", kind, strictyaml.Quote(name), strictyaml.Suggest(name, sorted(defined)))
	return false
}

func parent(path string) string {
	i := strings.LastIndexAny(path, ".[")
	if i < 0 {
		return ""
	}
	return path[:i]
}

func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// count says how many of the conditions hold, for settings that exclude each other.
func count(conditions ...bool) (n int) {
	for _, c := range conditions {
		if c {
			n++
		}
	}
	return n
}
