package neon

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// state is what the control plane remembers. It holds passwords and is readable by its owner only.
type state struct {
	Projects map[string]*project `json:"projects"`
}

type project struct {
	ID               string               `json:"id"`
	Name             string               `json:"name"`
	OrgID            string               `json:"org_id,omitempty"`
	RetentionSeconds int32                `json:"history_retention_seconds"`
	StorePasswords   bool                 `json:"store_passwords"`
	Settings         json.RawMessage      `json:"settings,omitempty"`
	EndpointDefaults endpointSettings     `json:"default_endpoint_settings"`
	Created          time.Time            `json:"created_at"`
	Updated          time.Time            `json:"updated_at"`
	Branches         map[string]*branch   `json:"branches"`
	Endpoints        map[string]*endpoint `json:"endpoints"`
	Operations       []*operation         `json:"operations"` // oldest first
	LastDatabaseID   int64                `json:"last_database_id"`
	Deleting         bool                 `json:"deleting,omitempty"`

	jobs int           // scheduled and not done; while there are any, others are refused
	turn chan struct{} // held by the running job
	// generation grows with every job.
	generation int
}

type branch struct {
	ID              string     `json:"id"`
	Name            string     `json:"name"`
	ParentID        string     `json:"parent_id,omitempty"`
	ParentLSN       string     `json:"parent_lsn,omitempty"`
	ParentTimestamp *time.Time `json:"parent_timestamp,omitempty"`
	State           string     `json:"state"` // init, ready, resetting
	Pending         string     `json:"pending,omitempty"`
	Default         bool       `json:"default"`
	Protected       bool       `json:"protected"`
	Created         time.Time  `json:"created_at"`
	Updated         time.Time  `json:"updated_at"`
	StateChanged    time.Time  `json:"state_changed_at"`
	Expires         *time.Time `json:"expires_at,omitempty"`
	TTL             int64      `json:"ttl_interval_seconds,omitempty"`
	LastReset       *time.Time `json:"last_reset_at,omitempty"`
	RestoredFrom    string     `json:"restored_from,omitempty"`
	RestoredAs      string     `json:"restored_as,omitempty"`
	LogicalSize     int64      `json:"logical_size,omitempty"`
	Roles           []role     `json:"roles"`
	Databases       []database `json:"databases"`
	Deleting        bool       `json:"deleting,omitempty"`

	// Timeline is where the data lies; a restore changes it.
	Timeline string `json:"timeline"`
	// Source and SourceLSN (or ParentTimestamp) are what an unfinished branch is made from.
	Source    string `json:"source,omitempty"`
	SourceLSN string `json:"source_lsn,omitempty"`
	// FreshPasswords: the parent was protected.
	FreshPasswords bool `json:"fresh_passwords,omitempty"`
}

type role struct {
	Name      string    `json:"name"`
	Password  string    `json:"password,omitempty"` // empty for roles made by SQL
	Protected bool      `json:"protected,omitempty"`
	NoLogin   bool      `json:"no_login,omitempty"`
	Created   time.Time `json:"created_at"`
	Updated   time.Time `json:"updated_at"`
}

type database struct {
	ID      int64     `json:"id"`
	Name    string    `json:"name"`
	Owner   string    `json:"owner_name"`
	Created time.Time `json:"created_at"`
	Updated time.Time `json:"updated_at"`
}

// endpointSettings are kept and shown, and only the suspend timeout means anything here.
type endpointSettings struct {
	MinCU          float64         `json:"autoscaling_limit_min_cu,omitempty"`
	MaxCU          float64         `json:"autoscaling_limit_max_cu,omitempty"`
	SuspendTimeout *int64          `json:"suspend_timeout_seconds,omitempty"`
	PgSettings     json.RawMessage `json:"pg_settings,omitempty"`
}

type endpoint struct {
	ID         string           `json:"id"`
	Name       string           `json:"name,omitempty"`
	BranchID   string           `json:"branch_id"`
	Type       string           `json:"type"` // read_write, read_only
	Address    netip.Addr       `json:"address"`
	Settings   endpointSettings `json:"settings"`
	PgSettings json.RawMessage  `json:"pg_settings,omitempty"`
	State      string           `json:"state"` // init, active, idle
	Pending    string           `json:"pending,omitempty"`
	Disabled   bool             `json:"disabled"`
	Created    time.Time        `json:"created_at"`
	Updated    time.Time        `json:"updated_at"`
	Started    *time.Time       `json:"started_at,omitempty"`
	Suspended  *time.Time       `json:"suspended_at,omitempty"`
	LastActive *time.Time       `json:"last_active,omitempty"`

	wanted bool       // its compute is to run
	waking *awakening // a wake-up under way
	probed time.Time  // until then it is open although disabled, see CheckAvailability
}

const (
	stateInit      = "init"
	stateReady     = "ready"
	stateResetting = "resetting"
	stateActive    = "active"
	stateIdle      = "idle"

	readWrite = "read_write"
	readOnly  = "read_only"
)

const stateFile = "neon.json"

// load reads the state of an earlier emulator, if there was one.
func (e *Emulator) load() error {
	e.state.Projects = map[string]*project{}
	if err := os.MkdirAll(e.cfg.Dir, 0o711); err != nil {
		return fmt.Errorf("make folder of emulator: %w", err)
	}
	if err := os.Chmod(e.cfg.Dir, 0o711); err != nil { // servers of another user pass through
		return fmt.Errorf("open folder of emulator to servers: %w", err)
	}
	b, err := os.ReadFile(filepath.Join(e.cfg.Dir, stateFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read state of emulator: %w", err)
	}
	if err := json.Unmarshal(b, &e.state); err != nil {
		return fmt.Errorf("read state of emulator: %w", err)
	}
	for _, p := range e.state.Projects {
		p.turn = make(chan struct{}, 1)
	}
	return nil
}

// save writes the state; e.mu is held. A control plane that cannot remember must not go on as if it
// could, but the caller has already acted: the failure is logged and shown by the next start.
func (e *Emulator) save() {
	b, err := json.Marshal(e.state)
	if err == nil {
		path := filepath.Join(e.cfg.Dir, stateFile)
		if err = os.WriteFile(path+".new", b, 0o600); err == nil {
			err = os.Rename(path+".new", path)
		}
	}
	if err != nil {
		e.log.Error("state of Neon emulator not saved", "error", err)
	}
}

func (p *project) defaultBranch() *branch {
	for _, b := range p.Branches {
		if b.Default {
			return b
		}
	}
	return nil
}

func (p *project) children(branchID string) (n int) {
	for _, b := range p.Branches {
		if b.ParentID == branchID {
			n++
		}
	}
	return n
}

func (p *project) endpointsOf(branchID string) (list []*endpoint) {
	for _, ep := range p.Endpoints {
		if ep.BranchID == branchID {
			list = append(list, ep)
		}
	}
	sortBy(list, func(ep *endpoint) string { return ep.Created.Format(time.RFC3339Nano) + ep.ID })
	return list
}

func (b *branch) role(name string) *role {
	for i := range b.Roles {
		if b.Roles[i].Name == name {
			return &b.Roles[i]
		}
	}
	return nil
}

func (b *branch) database(name string) *database {
	for i := range b.Databases {
		if b.Databases[i].Name == name {
			return &b.Databases[i]
		}
	}
	return nil
}
