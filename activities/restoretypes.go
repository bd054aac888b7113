package activities

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// FindBackupInput names a backup: an id, "latest" or "latest-verified".
type FindBackupInput struct {
	Component string `json:"component"`
	Backup    string `json:"backup"`
	// Vault is where to look; empty means the component's own.
	Vault string `json:"vault,omitempty"`
}

// Found is a backup whose manifest was read from the vault and whose signature holds.
type Found struct {
	Backup string          `json:"backup"`
	SHA256 string          `json:"sha256"`
	Point  manifest.Point  `json:"point"`
	Totals manifest.Totals `json:"totals"`
	// Batches are the ends (exclusive) of runs of chunks, each one activity's work.
	Batches []int `json:"batches"`
	// Verified says that an earlier restore of this very manifest was compared and equal.
	Verified bool `json:"verified"`
}

// TargetKind says what is restored into.
type TargetKind string

const (
	// ScratchTarget is a database of our own that is dropped after it was compared.
	ScratchTarget TargetKind = "scratch"
	// BranchTarget is a new Neon branch of our own that stays.
	BranchTarget TargetKind = "branch"
	// NamedTarget is a database that the configuration names under targets; it must be empty.
	NamedTarget TargetKind = "target"
)

// Target is where a restore goes. It holds names only; workers find the way there themselves.
type Target struct {
	Kind TargetKind `json:"kind"`
	// Name is the target's name in the configuration, for a NamedTarget.
	Name string `json:"name,omitempty"`
	Site string `json:"site,omitempty"`
	// Branch is the name of the branch, for a BranchTarget.
	Branch   string `json:"branch,omitempty"`
	Database string `json:"database,omitempty"`
}

// TargetInput is what every activity on a restore target gets.
type TargetInput struct {
	plan.Guard `json:"guard"`
	Component  string `json:"component"`
	Backup     string `json:"backup"`
	Target     Target `json:"target"`
	// Vault is where the backup is read from; empty means the component's own.
	Vault string `json:"vault,omitempty"`
	// Selection restricts the restore to some tables.
	Selection *Selection `json:"selection,omitempty"`
}

// LoadChunksInput asks that the chunks [From, To) be loaded, counted among the selected ones.
type LoadChunksInput struct {
	TargetInput
	From int `json:"from"`
	To   int `json:"to"`
}

// Restored tells what the schema restore had to leave out.
type Restored struct {
	// Waived counts entries that an unprivileged owner cannot restore; the record of a verification names them.
	Waived int `json:"waived"`
	// LeftOut is what a selection left out, with the reasons; LeftOutCount counts it where the list is cut.
	LeftOut      []manifest.NotCovered `json:"left_out,omitempty"`
	LeftOutCount int                   `json:"left_out_count,omitempty"`
}

// Compared is the outcome of a comparison. It never holds a value of the data.
type Compared struct {
	Checks  []manifest.Check `json:"checks"`
	Receipt Receipt          `json:"receipt"`
}

// FinishTargetInput names a target that is complete.
type FinishTargetInput struct {
	TargetInput
	// Compared is the receipt of its comparison.
	Compared Receipt `json:"compared"`
}

// DropTargetInput names a scratch database that is to go.
type DropTargetInput struct {
	TargetInput
	// After are the MACs of the receipts of what was done to it: first compared, then smoked. It is empty
	// when the restore failed.
	After []string `json:"after,omitempty"`
}

// Dropped says that a scratch database is gone.
type Dropped struct {
	Receipt Receipt `json:"receipt"`
}

// RecordVerifiedInput asks for the signed record of a verification. What the record says comes from the
// receipts and from the vault, nothing from whoever asks but when it began.
type RecordVerifiedInput struct {
	plan.Guard `json:"guard"`
	Component  string `json:"component"`
	Backup     string `json:"backup"`
	// Vault is where the backup was read from, and where the record belongs; empty means the component's own.
	Vault    string    `json:"vault,omitempty"`
	Started  time.Time `json:"started"`
	Compared Receipt   `json:"compared"`
	Smoked   Receipt   `json:"smoked"`
	Dropped  Receipt   `json:"dropped"`
}
