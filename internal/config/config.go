// Package config is Lifeboat's one configuration file: its types, the reading of it, and everything that
// can be found wrong with it without asking anybody. [Load] reports all mistakes at once, each with the
// place in the file and what to do. Secrets are references ([secret.Ref]) that are resolved where they
// are used; the file never holds one, and no message of this package repeats what stands in a secret's place.
//
// The package knows no client and opens no connection: a configuration that loads is consistent, not
// proven to work.
package config

import (
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Version is the version of the file's layout that this code reads.
const Version = 1

// Config is the whole file. Maps are keyed by the names that people use in commands; names are lower-case
// letters, digits and hyphens. After [Load] every default is filled in and every file path is absolute.
type Config struct {
	Version     int                  `yaml:"version"`
	Application string               `yaml:"application"`
	Sites       map[string]Site      `yaml:"sites"`
	Vaults      map[string]Vault     `yaml:"vaults"`
	Components  map[string]Component `yaml:"components"`
	Targets     map[string]Target    `yaml:"targets"`
	// Doors are the ways on which applications reach databases.
	Doors     map[string]Door     `yaml:"doors"`
	Schedules map[string]Schedule `yaml:"schedules"`
	Keys      Keys                `yaml:"keys"`
	Order     Order               `yaml:"order"`
	// Roster is nil where nobody decides anything: only routine work under the standing order.
	Roster   *Roster  `yaml:"roster"`
	Runbooks Runbooks `yaml:"runbooks"`
	// Endpoints and Programs are what runbooks may call and run; nothing else is.
	Endpoints map[string]Endpoint `yaml:"endpoints"`
	Programs  map[string]Program  `yaml:"programs"`
	Drills    Drills              `yaml:"drills"`
	Alerts    Alerts              `yaml:"alerts"`
	// Slack is nil where gates are not shown there.
	Slack    *Slack   `yaml:"slack"`
	Worker   Worker   `yaml:"worker"`
	Temporal Temporal `yaml:"temporal"`
	Log      Log      `yaml:"log"`

	// File is the absolute path of the file that was read.
	File string `yaml:"-"`
	// Warnings are what the file may say but probably should not, in the order of the file.
	Warnings []Problem `yaml:"-"`
}

// Role says which side of a failover a site is on before any failover.
type Role string

// The roles of sites.
const (
	Primary Role = "primary"
	Standby Role = "standby"
)

// Site is a region with its database project.
type Site struct {
	Role Role `yaml:"role"`
	// Neon is nil for a site whose servers are plain PostgreSQL.
	Neon *Neon `yaml:"neon"`
}

// Neon is a project of Neon's and the way to its API.
type Neon struct {
	// API is the base URL.
	API     string     `yaml:"api"`
	Project string     `yaml:"project"`
	Key     secret.Ref `yaml:"key"`
}

// Target is a database that a restore may fill when it is empty.
type Target struct {
	Postgres *Postgres `yaml:"postgres"`
}

// Postgres is a database that is reached by a connection string.
type Postgres struct {
	Site string `yaml:"site"`
	// URL is a connection string, which holds a password and so is a secret.
	URL secret.Ref `yaml:"url"`
}

func (n *Neon) defaults() { n.API = "https://console.neon.tech/api/v2" }
