package activities

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// What goes between workflows and activities: keys, ids, counts and times. Never a row, a name of a
// table, a connection string or a password, for all of this stays in Temporal's history.

// DescribeInput names a component of the configuration.
type DescribeInput struct {
	Component string `json:"component"`
	// Vault is one of its vaults; empty means its own.
	Vault string `json:"vault,omitempty"`
}

// VaultSettings is a vault, and where the workers are that work with it.
type VaultSettings struct {
	Vault string `json:"vault"`
	Site  string `json:"site,omitempty"`
}

// Settings are the parts of the configuration that a workflow needs to decide. They are recorded in the
// history, so an edit of the configuration never changes a running execution.
type Settings struct {
	Application string `json:"application"`
	Component   string `json:"component"`
	// SourceKind is "neon" or "postgres".
	SourceKind string `json:"source_kind"`
	Site       string `json:"site"`
	Vault      string `json:"vault"`
	VaultSite  string `json:"vault_site,omitempty"`
	// Replicas are the vaults that its backups are copied to.
	Replicas []VaultSettings `json:"replicas,omitempty"`
	// Connections is how many chunks are read or written at a time.
	Connections int  `json:"connections"`
	VerifyAfter bool `json:"verify_after"`
	// ScratchSite is where verification happens; empty when the configuration has no scratch place.
	ScratchSite string `json:"scratch_site,omitempty"`
	// Order is the digest of the standing order that routine work leans on.
	Order string `json:"order"`
	// Budget is how long moving the data may take in all.
	Budget time.Duration `json:"budget"`
}

// OpenSnapshotInput asks for a frozen copy of a component.
type OpenSnapshotInput struct {
	plan.Guard `json:"guard"`
	Component  string `json:"component"`
	Backup     string `json:"backup"`
	// LSN is the position to freeze at; empty means now.
	LSN string `json:"lsn,omitempty"`
	// ExpiresAt is when the copy goes away by itself if nobody is left to remove it.
	ExpiresAt time.Time `json:"expires_at"`
}

// Snapshot is a frozen copy that any worker can read.
type Snapshot struct {
	// ID names it in data keys.
	ID string `json:"id"`
	// Branch is the id of the branch that is the copy.
	Branch string         `json:"branch"`
	Point  manifest.Point `json:"point"`
}

// RemoveSnapshotInput names the backup whose branches are to go.
type RemoveSnapshotInput struct {
	plan.Guard `json:"guard"`
	Component  string `json:"component"`
	Backup     string `json:"backup"`
}

// PlanBackupInput asks for the chunks of a snapshot.
type PlanBackupInput struct {
	plan.Guard `json:"guard"`
	Component  string   `json:"component"`
	Backup     string   `json:"backup"`
	Snapshot   Snapshot `json:"snapshot"`
}

// BackupPlan tells how much there is to read. The plan itself lies sealed in the vault.
type BackupPlan struct {
	Tables int `json:"tables"`
	Chunks int `json:"chunks"`
	// Bytes is the size in the database, which the stored size will differ from.
	Bytes int64 `json:"bytes"`
	// Batches are the ends (exclusive) of runs of chunks, each one activity's work.
	Batches    []int `json:"batches"`
	NotCovered int   `json:"not_covered"`
}

// CopyChunksInput asks for the chunks [From, To) of a plan.
type CopyChunksInput struct {
	plan.Guard `json:"guard"`
	Component  string   `json:"component"`
	Backup     string   `json:"backup"`
	Snapshot   Snapshot `json:"snapshot"`
	From       int      `json:"from"`
	To         int      `json:"to"`
}

// Copied counts what an activity found done and did.
type Copied struct {
	Chunks int `json:"chunks"`
	// Resumed counts the chunks that an earlier attempt had finished and that were not read again.
	Resumed     int   `json:"resumed"`
	Rows        int64 `json:"rows"`
	PlainBytes  int64 `json:"plain_bytes"`
	StoredBytes int64 `json:"stored_bytes"`
}

// Add sums two counts.
func (c Copied) Add(o Copied) Copied {
	return Copied{
		Chunks: c.Chunks + o.Chunks, Resumed: c.Resumed + o.Resumed, Rows: c.Rows + o.Rows,
		PlainBytes: c.PlainBytes + o.PlainBytes, StoredBytes: c.StoredBytes + o.StoredBytes,
	}
}

// DumpSchemaInput asks for the schema archive of a snapshot.
type DumpSchemaInput struct {
	plan.Guard `json:"guard"`
	Component  string   `json:"component"`
	Backup     string   `json:"backup"`
	Snapshot   Snapshot `json:"snapshot"`
}

// CopyServerInput asks for a whole server's copy through one held snapshot.
type CopyServerInput struct {
	plan.Guard `json:"guard"`
	Component  string `json:"component"`
	Backup     string `json:"backup"`
}

// ServerCopy is what CopyServer read, and from which snapshot.
type ServerCopy struct {
	Snapshot Snapshot   `json:"snapshot"`
	Plan     BackupPlan `json:"plan"`
	Copied   Copied     `json:"copied"`
}

// CommitInput asks for the manifest, which makes the backup exist.
type CommitInput struct {
	plan.Guard `json:"guard"`
	Component  string    `json:"component"`
	Backup     string    `json:"backup"`
	Snapshot   Snapshot  `json:"snapshot"`
	Started    time.Time `json:"started"`
}

// Committed identifies a manifest.
type Committed struct {
	Key string `json:"key"`
	// SHA256 is the digest of the manifest object, in hex.
	SHA256 string          `json:"sha256"`
	Point  manifest.Point  `json:"point"`
	Totals manifest.Totals `json:"totals"`
}

// LockInput asks that every object of a backup be locked for the vault's whole retention.
type LockInput struct {
	plan.Guard `json:"guard"`
	Component  string `json:"component"`
	Backup     string `json:"backup"`
}

// Locked says how far the locks reach, as read back.
type Locked struct {
	Objects int       `json:"objects"`
	Until   time.Time `json:"until"`
}

// RecordAttemptInput describes a failure that is to leave a signed record.
type RecordAttemptInput struct {
	plan.Guard `json:"guard"`
	// Vault is where the record belongs; empty means the component's own.
	Vault   string           `json:"vault,omitempty"`
	Attempt manifest.Attempt `json:"attempt"`
}
