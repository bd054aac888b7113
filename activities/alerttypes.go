package activities

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// Alert is one message to people. Fields hold ids, counts and times, nothing else.
type Alert struct {
	// ID is stable over retries, so a receiver can drop repetitions.
	ID        string            `json:"id"`
	Kind      string            `json:"kind"`
	Severity  string            `json:"severity"`
	Component string            `json:"component"`
	Site      string            `json:"site,omitempty"`
	Title     string            `json:"title"`
	Text      string            `json:"text"`
	Fields    map[string]string `json:"fields,omitempty"`
	Execution string            `json:"execution,omitempty"`
	Time      time.Time         `json:"time"`
	// Carded says that Slack shows a card for it, and needs no message besides.
	Carded bool `json:"carded,omitempty"`
	// Call are those who are called besides; nil calls nobody.
	Call *Call `json:"call,omitempty"`
}

// Call is a level of an escalation policy: who is called, for what.
type Call struct {
	// Action is CallTrigger, or what becomes of the calls that were made.
	Action  string         `json:"action"`
	Targets []plan.Contact `json:"targets"`
	Notify  plan.Notify    `json:"notify,omitempty"`
	// Step is the gate or step that somebody is called for, Brief the digest of the execution's brief, Mode and Target
	// what it acts upon.
	Step   string    `json:"step"`
	Brief  string    `json:"brief"`
	Mode   plan.Mode `json:"mode"`
	Target string    `json:"target"`
}

// What happens to calls: somebody took them, or nobody is needed any more.
const (
	CallTrigger     = "trigger"
	CallAcknowledge = "acknowledge"
	CallResolve     = "resolve"
)

// Protection is how well each component is protected, as read from the vaults.
type Protection struct {
	At         time.Time             `json:"at"`
	Components []ComponentProtection `json:"components"`
}

// ComponentProtection is one component's state.
type ComponentProtection struct {
	Component string `json:"component"`
	Site      string `json:"site"`
	// State is "ok", "late", "unverified", "none", "unknown", "unreplicated" or "unfollowed"; unknown means that the
	// vault could not be read, and is never good; unreplicated that only a replica is not ok, unfollowed that only the
	// standby is not.
	State string `json:"state"`
	// Backup and Verified are the newest backup and the newest verified one.
	Backup   string `json:"backup,omitempty"`
	Verified string `json:"verified,omitempty"`
	// BackupPoint and VerifiedPoint are their restore points.
	BackupPoint   time.Time     `json:"backup_point,omitzero"`
	VerifiedPoint time.Time     `json:"verified_point,omitzero"`
	RPO           time.Duration `json:"rpo"`
	// Detail says in one sentence why the state is what it is.
	Detail string `json:"detail,omitempty"`
	// Replicas are the vaults that it is copied to.
	Replicas []ReplicaProtection `json:"replicas,omitempty"`
	// Standby is the database that follows it; nil where there is none, and where nobody looked.
	Standby *StandbyProtection `json:"standby,omitempty"`
}

// ReplicaProtection is how far a replica is behind.
type ReplicaProtection struct {
	Vault string `json:"vault"`
	Site  string `json:"site,omitempty"`
	// State is "ok", "late", "none" or "unknown", as for components.
	State string `json:"state"`
	// Backup is the newest one whose whole set is there, and Point its restore point.
	Backup string    `json:"backup,omitempty"`
	Point  time.Time `json:"point,omitzero"`
	// Missing is how many of the newest backups are not there, and OldestMissing the restore point of the oldest of
	// these. It is nil when the component's own vault could not be read.
	Missing       *int      `json:"missing,omitempty"`
	OldestMissing time.Time `json:"oldest_missing,omitzero"`
	Detail        string    `json:"detail,omitempty"`
}
