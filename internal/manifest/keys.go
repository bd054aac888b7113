package manifest

import (
	"fmt"
	"regexp"
	"time"
)

// Every key of a vault is made here and nowhere else.

const idTime = "20060102T150405Z"

var (
	backupID  = regexp.MustCompile(`^\d{8}T\d{6}Z-[a-z2-7]{6}$`)
	component = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
)

// NewBackupID makes the id of a backup that starts at t: it sorts by time. Random must be 6 characters
// of lower-case base32.
func NewBackupID(t time.Time, random string) string {
	return t.UTC().Format(idTime) + "-" + random
}

// ValidBackupID says whether s is the id of a backup.
func ValidBackupID(s string) bool { return backupID.MatchString(s) }

// ValidComponent says whether s can name a component: it becomes part of keys, ids and search attributes.
func ValidComponent(s string) bool { return component.MatchString(s) }

// BackupTime is when the backup with this id started.
func BackupTime(id string) (time.Time, error) {
	if !ValidBackupID(id) {
		return time.Time{}, fmt.Errorf("%q is not a backup id such as 20261123T020000Z-k3v7qa", id)
	}
	return time.Parse(idTime, id[:len(idTime)])
}

// BackupsPrefix is where a component's backups are: one folder each, named by backup id.
func BackupsPrefix(component string) string { return "v1/" + component + "/backups/" }

// BackupPrefix is the folder of one backup.
func BackupPrefix(component, backup string) string { return BackupsPrefix(component) + backup + "/" }

// ManifestKey is where the manifest is. A backup without one does not exist.
func ManifestKey(component, backup string) string {
	return BackupPrefix(component, backup) + "manifest.json"
}

// ChunkKey is the prefix of a chunk's parts, without the dot and the part number.
func ChunkKey(component, backup, snapshot, chunk string) string {
	return BackupPrefix(component, backup) + "data/" + snapshot + "/" + chunk
}

// PartKey is where one part of a chunk is.
func PartKey(component, backup, snapshot, chunk string, part int) string {
	return fmt.Sprintf("%s.%04d", ChunkKey(component, backup, snapshot, chunk), part)
}

// WorkKey is where a worker notes, for other workers only, what it needs to go on after a crash: the
// plan of a snapshot, or the result of a finished chunk. No restore needs it.
func WorkKey(component, backup, snapshot, name string) string {
	return ChunkKey(component, backup, snapshot, name) + ".work"
}

// VerifiedPrefix is where the verifications of a backup are.
func VerifiedPrefix(component, backup string) string {
	return BackupPrefix(component, backup) + "verified/"
}

// VerifiedKey is where the record of a verification that ended at t is.
func VerifiedKey(component, backup string, t time.Time) string {
	return VerifiedPrefix(component, backup) + t.UTC().Format(idTime) + ".json"
}

// CopiedPrefix is where the records of documents are that were copied into this vault.
func CopiedPrefix(component, backup string) string {
	return BackupPrefix(component, backup) + "copied/"
}

// CopiedKey is where the record of documents is that were copied at t. Two workers may copy in one second, so the
// first digits of the text's digest (hex) are part of it.
func CopiedKey(component, backup string, t time.Time, digest string) string {
	return CopiedPrefix(component, backup) + t.UTC().Format(idTime) + "-" + digest[:12] + ".json"
}

// AttemptsPrefix is where the records of failed attempts are.
func AttemptsPrefix(component, backup string) string {
	return BackupPrefix(component, backup) + "attempts/"
}

// AttemptKey is where the record of the n-th failed attempt is.
func AttemptKey(component, backup string, n int) string {
	return fmt.Sprintf("%s%d.json", AttemptsPrefix(component, backup), n)
}

// ExecutionsPrefix is where the journals of executions are: below it, a folder for each execution id,
// which has three parts itself.
const ExecutionsPrefix = "v1/executions/"

// ExecutionPrefix is the folder of one execution's journal.
func ExecutionPrefix(execution string) string { return ExecutionsPrefix + execution + "/" }

// JournalKey is where an entry of an execution's journal is.
func JournalKey(execution string, seq int64) string {
	return fmt.Sprintf("%s%08d.json", ExecutionPrefix(execution), seq)
}

// RosterPrefix is where the versions of a roster are. A roster is told from others, which may lie in the same
// vault, by its fingerprint: the SHA-256 (hex) of its first version.
func RosterPrefix(fingerprint string) string { return "v1/roster/" + fingerprint + "/" }

// RosterKey is where a version of a roster is, by its number and the SHA-256 (hex) of its text. The digest in
// the name keeps the place of a version that nobody has signed yet from being taken by somebody else, and lets
// two versions of one number be seen side by side.
func RosterKey(fingerprint string, number int, digest string) string {
	return fmt.Sprintf("%s%08d-%s.json", RosterPrefix(fingerprint), number, digest)
}

// EpochsPrefix is where the epochs are that failovers took.
const EpochsPrefix = "v1/epochs/"

// EpochName is the name of an epoch's record below its prefix.
func EpochName(number int64) string { return fmt.Sprintf("%08d.json", number) }

// EpochKey is where the record of an epoch is.
func EpochKey(number int64) string { return EpochsPrefix + EpochName(number) }

// RehearsedEpochsPrefix is where a drill takes epochs: the same writes to the same vaults, for nobody but itself.
func RehearsedEpochsPrefix(execution string) string { return "v1/rehearsals/" + execution + "/epochs/" }

// LedgersPrefix is where the lost windows of executions are: below it, a folder for each execution id.
const LedgersPrefix = "v1/ledgers/"

// LedgerPrefix is the folder of the lost window that a step of an execution kept.
func LedgerPrefix(execution, step string) string {
	return LedgersPrefix + execution + "/" + step + "/"
}

// LedgerKey is where the index of that lost window is.
func LedgerKey(execution, step string) string { return LedgerPrefix(execution, step) + "index.json" }
