package config

import "time"

// KindPostgres is the kind of a component that is a PostgreSQL database.
const KindPostgres = "postgres"

// Component is something that is protected.
type Component struct {
	Kind string `yaml:"kind"`
	// Tier is the criticality, from 1 (nothing works without it) to 4.
	Tier int `yaml:"tier"`
	// Owner is who answers for it: a person, a team, an address.
	Owner string `yaml:"owner"`
	// RPO is the largest acceptable age of the newest verified restore point.
	RPO time.Duration `yaml:"rpo"`
	// RTO is the largest acceptable time from the disruption to a validated service.
	RTO    time.Duration `yaml:"rto"`
	Source Source        `yaml:"source"`
	// Standby is the database at another site that a failover leads to; nil for none.
	Standby *StandbyPlace `yaml:"standby"`
	// Vault is the name of the vault that backups go to.
	Vault string `yaml:"vault"`
	// Replicas are the names of the vaults that every backup is copied to.
	Replicas []string `yaml:"replicas"`
	// ChunkBytes is about how much of a table is one unit of work.
	ChunkBytes Size `yaml:"chunk_bytes"`
	// Connections is how many chunks are read or written at the same time.
	Connections int `yaml:"connections"`
	// Budget is how long one backup or verification may take in all.
	Budget  time.Duration `yaml:"budget"`
	Restore Restore       `yaml:"restore"`
	Verify  Verify        `yaml:"verify"`
	// Synthetic is nil where nobody writes to prove that it can be written.
	Synthetic *Synthetic `yaml:"synthetic"`
}

// Synthetic are rows that are written, read and removed again to prove that a component serves. They have keys of a
// range that no application uses.
type Synthetic struct {
	// Left is one SELECT of one number: how many rows are in the range.
	Left string `yaml:"left"`
	// Write and Clean are statements, each list one transaction.
	Write []string `yaml:"write"`
	// Read are queries that have to find what was written.
	Read  []Smoke  `yaml:"read"`
	Clean []string `yaml:"clean"`
}

// Restore says what becomes of a component where it is restored.
type Restore struct {
	// Owners are roles whose objects keep an owner; without them who restores owns everything.
	Owners []OwnerMap `yaml:"owners"`
}

// OwnerMap says which role of a target owns what a role of the source owned, and has its rights.
type OwnerMap struct {
	From string `yaml:"from"`
	To   string `yaml:"to"`
}

// Source is where a component lives: exactly one of its fields.
type Source struct {
	Neon     *NeonSource `yaml:"neon"`
	Postgres *Postgres   `yaml:"postgres"`
}

// Site is the name of the site the source is at.
func (s Source) Site() string {
	switch {
	case s.Neon != nil:
		return s.Neon.Site
	case s.Postgres != nil:
		return s.Postgres.Site
	}
	return ""
}

// How a standby is kept.
const (
	// KeepHot is a copy that follows by logical replication, KeepCold one that a backup is restored into when it is needed.
	KeepHot  = "hot"
	KeepCold = "cold"
)

// StandbyPlace is where a component goes in a failover: one of Neon and Postgres, as for its source.
type StandbyPlace struct {
	Neon     *NeonSource `yaml:"neon"`
	Postgres *Postgres   `yaml:"postgres"`
	// Keep is hot or cold.
	Keep string `yaml:"keep"`
	// Lag is how long a transaction may take to be safe on a hot standby until people are told.
	Lag time.Duration `yaml:"lag"`
}

// Place is the database of the standby, as a source has it.
func (s *StandbyPlace) Place() Source {
	if s == nil {
		return Source{}
	}
	return Source{Neon: s.Neon, Postgres: s.Postgres}
}

func (s *StandbyPlace) defaults() { s.Keep, s.Lag = KeepCold, 10*time.Second }

// At is the component's database at a site: its source or its standby.
func (c Component) At(site string) (Source, bool) {
	for _, place := range []Source{c.Source, c.Standby.Place()} {
		if site != "" && place.Site() == site {
			return place, true
		}
	}
	return Source{}, false
}

// NeonSource is a database on a branch of a site's Neon project.
type NeonSource struct {
	Site string `yaml:"site"`
	// Branch is the branch's name; empty is the project's default branch.
	Branch   string `yaml:"branch"`
	Database string `yaml:"database"`
	Role     string `yaml:"role"`
}

// Verify says how a backup is proven to be restorable.
type Verify struct {
	// AfterBackup verifies every backup as soon as it is written.
	AfterBackup bool    `yaml:"after_backup"`
	Scratch     Scratch `yaml:"scratch"`
	Smoke       []Smoke `yaml:"smoke"`
}

// Scratch is where scratch databases are created and dropped: one of its fields, or none where nothing
// is ever verified.
type Scratch struct {
	Neon     *NeonScratch `yaml:"neon"`
	Postgres *Postgres    `yaml:"postgres"`
}

// Site is the name of the site where verification happens, empty when there is no scratch place.
func (s Scratch) Site() string {
	switch {
	case s.Neon != nil:
		return s.Neon.Site
	case s.Postgres != nil:
		return s.Postgres.Site
	}
	return ""
}

// NeonScratch is a branch on which scratch databases are created.
type NeonScratch struct {
	Site string `yaml:"site"`
	// Branch is the branch's name; empty is the project's default branch.
	Branch string `yaml:"branch"`
	Role   string `yaml:"role"`
}

// Smoke is a query that tells a usable application from a merely restored one.
type Smoke struct {
	Name string `yaml:"name"`
	// SQL is one statement; it runs read only.
	SQL    string `yaml:"sql"`
	Expect Expect `yaml:"expect"`
}

// Expect is what a smoke query must answer: exactly one of its fields.
type Expect struct {
	// Rows is the exact number of rows.
	Rows *int64 `yaml:"rows"`
	// RowsAtLeast is the smallest number of rows.
	RowsAtLeast *int64 `yaml:"rows_at_least"`
	// Equals is the text of the only column of the only row.
	Equals *Text `yaml:"equals"`
	// AtLeast is the smallest number that the only column of the only row may hold.
	AtLeast *int64 `yaml:"at_least"`
}

func (c *Component) defaults() {
	c.Kind, c.ChunkBytes, c.Connections, c.Budget = KindPostgres, 64<<20, 4, 24*time.Hour
}

func (v *Verify) defaults() { v.AfterBackup = true }
