package config

import (
	"fmt"
	"regexp"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Door is the only way on which applications reach a database. Exactly one of PgBouncer and Webhook works it.
type Door struct {
	// Site is where it is: what works it is the worker of this site.
	Site string `yaml:"site"`
	// Database is the name that applications connect to.
	Database  string       `yaml:"database"`
	PgBouncer *PgBouncer   `yaml:"pgbouncer"`
	Webhook   *DoorWebhook `yaml:"webhook"`
	// Drill is the door that a drill works instead; nil and drills work none.
	Drill *DrillDoor `yaml:"drill"`
}

// DrillDoor is a door that no application of production uses.
type DrillDoor struct {
	Database  string       `yaml:"database"`
	PgBouncer *PgBouncer   `yaml:"pgbouncer"`
	Webhook   *DoorWebhook `yaml:"webhook"`
}

// DoorLogin says with which credentials PgBouncer logs in to the server.
type DoorLogin string

// The ways to log in.
const (
	// LoginClient uses each client's own name.
	LoginClient DoorLogin = "client"
	// LoginTarget uses the role and password of the database that the door leads to.
	LoginTarget DoorLogin = "target"
)

// PgBouncer is a door that Lifeboat works on PgBouncer's console.
type PgBouncer struct {
	// Admin is a connection string to the console, as one of admin_users.
	Admin secret.Ref `yaml:"admin"`
	// Probe is a connection string through the door, as an application has one.
	Probe secret.Ref `yaml:"probe"`
	// File is the file that PgBouncer's configuration includes, on the machine of the site's worker.
	File Path `yaml:"file"`
	// Login is how PgBouncer logs in.
	Login DoorLogin `yaml:"login"`
	// Timeout bounds one command and one query.
	Timeout time.Duration `yaml:"timeout"`
}

// DoorWebhook is a door that somebody else works when Lifeboat asks for it.
type DoorWebhook struct {
	// URL is where requests go; knowing it is often enough, so it is a secret.
	URL secret.Ref `yaml:"url"`
	// Secrets sign every request, all of them.
	Secrets []secret.Ref `yaml:"secrets"`
	// Timeout bounds one request, besides the time that a hold may drain.
	Timeout time.Duration `yaml:"timeout"`
}

func (p *PgBouncer) defaults() { p.Login, p.Timeout = LoginClient, 30*time.Second }

func (w *DoorWebhook) defaults() { w.Timeout = 30 * time.Second }

var doorDatabase = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,39}$`)

func (d *decoder) checkDoors(c *Config) {
	files := map[Path]string{}
	for _, name := range sorted(c.Doors) {
		at, door := join("doors", name), c.Doors[name]
		reference(d, join(at, "site"), "site", door.Site, c.Sites)
		d.checkDoor(at, door.Database, door.PgBouncer, door.Webhook, files)
		drill := door.Drill
		if drill == nil {
			continue
		}
		at = join(at, "drill")
		d.checkDoor(at, drill.Database, drill.PgBouncer, drill.Webhook, files)
		if p, q := door.PgBouncer, drill.PgBouncer; p != nil && q != nil && p.Admin == q.Admin && door.Database == drill.Database && door.Database != "" {
			d.bad(join(at, "database"), "a drill would hold production's door: give the drill door a database of its own, or another PgBouncer")
		}
		if w, v := door.Webhook, drill.Webhook; w != nil && v != nil && w.URL == v.URL && !w.URL.IsZero() && door.Database == drill.Database {
			d.bad(join(at, "webhook.url"), "a drill would hold production's door: give the drill door another address or database")
		}
	}
}

// checkDoor looks at one door, a drill's or production's.
func (d *decoder) checkDoor(at, database string, p *PgBouncer, w *DoorWebhook, files map[Path]string) {
	switch {
	case database == "":
		d.bad(join(at, "database"), "it is needed: the name that applications connect to")
	case !doorDatabase.MatchString(database) || database == "pgbouncer":
		d.bad(join(at, "database"), "it cannot be a door's database: use letters, digits and underscores, a letter first, 40 at most, and not pgbouncer")
	}
	if n := count(p != nil, w != nil); n != 1 {
		d.bad(at, "a door is exactly one of pgbouncer and webhook; this one has %d of them", n)
		return
	}
	if w != nil {
		at := join(at, "webhook")
		d.needRef(join(at, "url"), w.URL, "the address that requests go to")
		if len(w.Secrets) == 0 {
			d.bad(join(at, "secrets"), "at least one secret is needed, or anybody could open the door")
		}
		for i, s := range w.Secrets {
			d.needRef(fmt.Sprintf("%s[%d]", join(at, "secrets"), i), s, "a secret of the Standard Webhooks scheme")
		}
		d.lasts(join(at, "timeout"), w.Timeout, "1s", "10m")
		return
	}
	at = join(at, "pgbouncer")
	d.needRef(join(at, "admin"), p.Admin, "a connection string to PgBouncer's console")
	d.needRef(join(at, "probe"), p.Probe, "a connection string through the door, as an application has one")
	d.need(join(at, "file"), string(p.File), "the file that PgBouncer's configuration includes for this door")
	if other := files[p.File]; other != "" && p.File != "" {
		d.bad(join(at, "file"), "%s has this file already: each door needs a file of its own", other)
	}
	files[p.File] = at
	oneOf(d, join(at, "login"), p.Login, LoginClient, LoginTarget)
	d.lasts(join(at, "timeout"), p.Timeout, "1s", "10m")
}
