package runbooks

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// componentParam names the component that a step is about.
func componentParam(uses ...Use) Param {
	return Param{Name: "component", Kind: KindComponent, Required: true, Uses: uses, Doc: "the component, by its name in the configuration"}
}

// fromVault names the vault that a backup is read from.
var fromVault = Param{Name: paramVault, Kind: KindVault, Uses: []Use{UseVault}, Doc: "one of the component's vaults, that the backup is read from; the component's own when it is left out"}

// paramVault is the parameter that says which vault is read instead of the component's own.
const paramVault = "vault"

// backupTypes are the steps that make, prove and bring back backups.
var backupTypes = []Type{
	{
		Name: "evaluate", Title: "Readiness",
		Doc: "Reads the vaults and says how old the newest verified restore points are. It fails when one is older than within, or " +
			"cannot be found out: unknown is never good.",
		ByHand: "Look at the newest manifest.json and verified/*.json of each component in the vault, and note their times.",
		Effect: EffectNone, Activity: "CheckReadiness", Skippable: true, Timeout: 10 * time.Minute, Retry: RetryQuick,
		Params: []Param{
			{Name: "components", Kind: KindComponents, Uses: []Use{UseVault}, Doc: "which; all of them when it is left out"},
			{Name: "within", Kind: KindDuration, Doc: "the greatest age that passes; each component's RPO when it is left out"},
		},
		Outputs: []Output{
			{"components", KindInteger, "how many were looked at"},
			{"late", KindInteger, "how many are late, unverified or unknown; 0 when the step passed"},
			{"oldest", KindDuration, "the age of the oldest among the newest verified restore points: what would be lost now"},
		},
	},
	{
		Name: "backup", Title: "Backup",
		Doc:    "Makes one backup of a component now. It changes nothing but the vault, and it is not yet a verified restore point.",
		ByHand: "pg_dump the database to an encrypted disk, and write down when.",
		Effect: EffectNone, Actions: []plan.Action{plan.CreateInVault, plan.OwnBranches}, Workflow: "Backup",
		Skippable: true, Timeout: 12 * time.Hour, Retry: RetryPatient,
		Params: []Param{
			componentParam(UseSource, UseVault),
			{Name: "lsn", Kind: KindLSN, Doc: "the log position to back up at, for sources that can look back; now when it is left out"},
		},
		Outputs: []Output{
			{"backup", KindBackup, "its id"},
			{"point", KindTime, "the time that it holds"},
			{"lsn", KindLSN, "the log position that it holds"},
			{"rows", KindInteger, "how many rows it holds"},
			{"bytes", KindInteger, "how many bytes it takes in the vault"},
			{"sha256", KindString, "the digest of its manifest"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: "verify", Title: "Verification",
		Doc: "Proves a backup: restores it into a scratch database, compares every fingerprint, runs the component's smoke queries, and " +
			"writes a signed record. Only then the restore point counts.",
		ByHand: "Restore it by hand (docs/restore-by-hand.md) into an empty database and run the smoke queries of the configuration.",
		Effect: EffectNone, Actions: []plan.Action{plan.CreateInVault, plan.OwnDatabases}, Workflow: "Verify",
		Skippable: false, Timeout: 12 * time.Hour, Retry: RetryPatient,
		Params: []Param{
			componentParam(UseScratch, UseVault),
			{Name: "backup", Kind: KindBackup, Default: LatestBackup, Doc: "its id, or latest"},
			fromVault,
		},
		Outputs: []Output{
			{"backup", KindBackup, "its id"},
			{"point", KindTime, "the time that it holds"},
			{"checks", KindInteger, "how many comparisons were equal"},
			{"record", KindString, "the key of the signed record"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: "restore", Title: "Restore",
		Doc: "Brings a backup into a new branch, or into a target of the configuration that is empty, and compares it with the backup. " +
			"Nothing that exists is overwritten.",
		ByHand: "docs/restore-by-hand.md restores any backup with age, zstd, psql and pg_restore, into an empty database.",
		Effect: EffectReversible, Actions: []plan.Action{plan.OwnBranches, plan.FillEmptyTarget}, Workflow: "RestoreBackup",
		Skippable: true, Timeout: 24 * time.Hour, Retry: RetryPatient, UndoTypes: []string{"exec", "http", "manual"},
		Params: []Param{
			componentParam(UseVault),
			{Name: "backup", Kind: KindBackup, Default: LatestVerifiedBackup, Doc: "its id, or latest-verified, or latest"},
			fromVault,
			{Name: "to", Kind: KindObject, Required: true, OneOf: [][]string{{"site", "target"}}, Doc: "where to", Fields: []Param{
				{Name: "site", Kind: KindSite, Uses: []Use{UseSite}, Doc: "a site: into a new branch of its project"},
				{Name: "target", Kind: KindTarget, Uses: []Use{UseTarget}, Doc: "a target of the configuration: into that database, when it is empty"},
			}},
			{Name: "tables", Kind: KindStrings, Doc: "only these tables, as schema.table; all when it is left out"},
		},
		Outputs: []Output{
			{"backup", KindBackup, "the backup that was restored"},
			{"point", KindTime, "the time that it holds: what was written later is lost"},
			{"site", KindSite, "where it is"},
			{"branch", KindString, "the new branch; empty for a target"},
			{"database", KindString, "the database"},
			{"rows", KindInteger, "how many rows were restored"},
			{"checks", KindInteger, "how many comparisons were equal"},
			{"took", KindDuration, "how long it took"},
		},
	},
}
