package activities

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// ListMissingInput asks which backups of a component one vault has and another lacks.
type ListMissingInput struct {
	Component string `json:"component"`
	// From and To are names of vaults of the component; From may be empty and means its own.
	From string `json:"from,omitempty"`
	To   string `json:"to"`
	// Most bounds the list; the count is of all.
	Most int `json:"most"`
	// Skip are backups that are not listed: they could not be copied a moment ago.
	Skip []string `json:"skip,omitempty"`
}

// Missing is what a replica lacks. A backup is there only when its whole set is, and its manifest holds there.
type Missing struct {
	// Backups are the ids of those that are missing or not whole, the newest first.
	Backups []string `json:"backups,omitempty"`
	// Records are the ids of whole ones that lack a record of a verification.
	Records []string `json:"records,omitempty"`
	// More says that there are others, which are not listed.
	More bool `json:"more,omitempty"`
	// Total counts all that are missing, Of all that should be there.
	Total int `json:"total"`
	Of    int `json:"of"`
	// Refused counts backups of the source whose manifests are not trusted: they are not copied.
	Refused int `json:"refused,omitempty"`
	// Point is the newest restore point that is whole in the replica.
	Point time.Time `json:"point,omitzero"`
}

// CopyInput names one backup on its way from one vault of its component to another.
type CopyInput struct {
	// The guard names the vault that is written.
	plan.Guard `json:"guard"`
	Component  string `json:"component"`
	Backup     string `json:"backup"`
	// From may be empty and means the component's own vault.
	From string `json:"from,omitempty"`
	To   string `json:"to"`
}

// CopiedObjects counts what was copied and what was there.
type CopiedObjects struct {
	Objects int `json:"objects"`
	// Copied were written by this attempt, Present were there, with the digests of the manifest.
	Copied  int `json:"copied"`
	Present int `json:"present"`
	// Bytes were written by this attempt.
	Bytes int64 `json:"bytes"`
	// LockedUntil is the end of the locks, as read back; zero in a vault without locks.
	LockedUntil time.Time `json:"locked_until,omitzero"`
	// Receipt says that all objects are there.
	Receipt Receipt `json:"receipt"`
}

// CopiedRecords counts the records of verifications that were copied.
type CopiedRecords struct {
	Copied  int `json:"copied"`
	Present int `json:"present"`
}

// CommitReplicaInput asks for the manifest in the replica.
type CommitReplicaInput struct {
	CopyInput
	// Copied is the receipt that all objects are there.
	Copied Receipt `json:"copied"`
}

// Replicated is a backup that counts in the vault it was copied to.
type Replicated struct {
	Backup string          `json:"backup"`
	SHA256 string          `json:"sha256"`
	Point  manifest.Point  `json:"point"`
	Totals manifest.Totals `json:"totals"`
	// Committed says that this attempt wrote the manifest; otherwise it was there.
	Committed bool `json:"committed"`
}
