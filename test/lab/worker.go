package lab

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/testsuite"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/keyring"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// Worker has all activities and remembers nothing of other workers.
type Worker struct {
	Crew *activities.Crew
	All  *activities.All

	lab *Lab
	env *testsuite.TestActivityEnvironment
}

// Worker makes a worker that has everything; edit takes something away or changes it.
func (l *Lab) Worker(t testing.TB, edit ...func(*Worker)) *Worker {
	t.Helper()
	signers, err := signature.ParseAllowedSigners([]byte(l.Signers))
	if err != nil {
		t.Fatal(err)
	}
	w := &Worker{lab: l, Crew: &activities.Crew{
		Application: Application, Version: "test", Recipients: l.Recipients(t), RecipientNames: l.names(),
		Identities: l.Identities(t, keyring.Verification),
		Components: map[string]*activities.Component{Component: l.component(l.Vault)},
	}}
	finder := &activities.Finder{Signers: signers}
	w.All = &activities.All{
		Components: &activities.Components{Crew: w.Crew, Orders: l.Orders},
		Snapshots:  &activities.Snapshots{Crew: w.Crew, Orders: l.Orders, Finder: finder},
		Dumps:      &activities.Dumps{Crew: w.Crew, Orders: l.Orders, Keys: l.Keys},
		Records:    &activities.Records{Crew: w.Crew, Orders: l.Orders, Finder: finder, Signer: l.Signer, Keys: l.Keys},
		Restores:   &activities.Restores{Crew: w.Crew, Orders: l.Orders, Finder: finder, Keys: l.Keys},
		Replicas:   &activities.Replicas{Crew: w.Crew, Orders: l.Orders, Finder: finder, Signer: l.Signer, Keys: l.Keys},
		Alerts:     &activities.Alerts{Crew: w.Crew, Finder: finder},
	}
	for _, e := range edit {
		e(w)
	}
	var suite testsuite.WorkflowTestSuite
	w.env = suite.NewTestActivityEnvironment()
	w.env.SetTestTimeout(time.Minute)
	w.All.Register(w.env)
	return w
}

// Do runs an activity as Temporal would and decodes its result.
func Do[T any](w *Worker, activity, in any) (result T, err error) {
	value, err := w.env.ExecuteActivity(activity, in)
	if err == nil && value.HasValue() {
		err = value.Get(&result)
	}
	return result, err
}

// Copy reads the source into the vault, up to the manifest, which is not written.
func (w *Worker) Copy(t testing.TB, id string) activities.CommitInput {
	t.Helper()
	copied, err := Do[activities.ServerCopy](w, w.All.Dumps.CopyServer, activities.CopyServerInput{Guard: w.lab.guard, Component: Component, Backup: id})
	if err != nil {
		t.Fatal(err)
	}
	return activities.CommitInput{Guard: w.lab.guard, Component: Component, Backup: id, Snapshot: copied.Snapshot, Started: time.Now().UTC()}
}

// Commit writes the manifest.
func (w *Worker) Commit(in activities.CommitInput) error {
	_, err := Do[activities.Committed](w, w.All.Records.CommitManifest, in)
	return err
}

// Backup makes a backup under an id.
func (w *Worker) Backup(t testing.TB, id string) *activities.Backup {
	t.Helper()
	if err := w.Commit(w.Copy(t, id)); err != nil {
		t.Fatal(err)
	}
	b, _ := w.Open(t, id)
	return b
}

// Open reads a backup's manifest and contents.
func (w *Worker) Open(t testing.TB, id string) (*activities.Backup, *manifest.Contents) {
	t.Helper()
	c := w.Crew.Components[Component]
	b, err := w.All.Records.Finder.Load(t.Context(), c, id)
	if err != nil {
		t.Fatal(err)
	}
	contents, err := w.Crew.Contents(t.Context(), c, b)
	if err != nil {
		t.Fatal(err)
	}
	return b, contents
}

// Find does what every restore does first.
func (w *Worker) Find(id string) (activities.Found, error) {
	return Do[activities.Found](w, w.All.Records.FindBackup, activities.FindBackupInput{Component: Component, Backup: id})
}

// Scratch is the input of activities on a scratch database.
func (l *Lab) Scratch(id, name string) activities.TargetInput {
	return activities.TargetInput{
		Guard: l.guard, Component: Component, Backup: id,
		Target: activities.Target{Kind: activities.ScratchTarget, Site: "east", Database: "lifeboat_scratch_" + name},
	}
}

// OpenTarget makes the target's database and marks it.
func (w *Worker) OpenTarget(in activities.TargetInput) error {
	_, err := Do[activities.Target](w, w.All.Restores.OpenTarget, in)
	return err
}

// CreateTables restores what comes before the rows.
func (w *Worker) CreateTables(in activities.TargetInput) error {
	_, err := Do[activities.Restored](w, w.All.Restores.CreateTables, in)
	return err
}

// Load loads the chunks [from, to).
func (w *Worker) Load(in activities.TargetInput, from, to int) error {
	_, err := Do[activities.Copied](w, w.All.Restores.LoadChunks, activities.LoadChunksInput{TargetInput: in, From: from, To: to})
	return err
}

// CreateConstraints restores what comes after the rows.
func (w *Worker) CreateConstraints(in activities.TargetInput) error {
	_, err := Do[activities.Restored](w, w.All.Restores.CreateConstraints, in)
	return err
}

// Finish takes the mark of a compared target away.
func (w *Worker) Finish(in activities.TargetInput, compared activities.Receipt) error {
	_, err := Do[struct{}](w, w.All.Restores.FinishTarget, activities.FinishTargetInput{TargetInput: in, Compared: compared})
	return err
}

// Compare compares the target.
func (w *Worker) Compare(in activities.TargetInput) (activities.Compared, error) {
	return Do[activities.Compared](w, w.All.Restores.CompareTarget, in)
}

// Smoke asks the target the component's queries.
func (w *Worker) Smoke(in activities.TargetInput) (activities.Compared, error) {
	return Do[activities.Compared](w, w.All.Restores.SmokeTarget, in)
}

// Drop drops the target.
func (w *Worker) Drop(in activities.TargetInput, after ...string) (activities.Dropped, error) {
	return Do[activities.Dropped](w, w.All.Restores.DropTarget, activities.DropTargetInput{TargetInput: in, After: after})
}

// Restore does all of a restore but the comparison.
func (w *Worker) Restore(t testing.TB, in activities.TargetInput) {
	t.Helper()
	_, contents := w.Open(t, in.Backup)
	for _, err := range []error{
		w.OpenTarget(in), w.CreateTables(in), w.Load(in, 0, len(contents.Chunks)), w.CreateConstraints(in),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Conn is a connection of a superuser.
type Conn struct{ *pgx.Conn }

// Ask runs a query with one number as its answer.
func (c *Conn) Ask(t testing.TB, sql string) (n int64) {
	t.Helper()
	if err := c.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// Verified restores and compares a backup and drops the scratch database, up to the record.
func (w *Worker) Verified(t *testing.T, in activities.TargetInput) activities.RecordVerifiedInput {
	t.Helper()
	began := time.Now()
	w.Restore(t, in)
	compared, err := w.Compare(in)
	if err != nil {
		t.Fatal(err)
	}
	smoked, err := w.Smoke(in)
	if err != nil {
		t.Fatal(err)
	}
	dropped, err := w.Drop(in, compared.Receipt.MAC, smoked.Receipt.MAC)
	if err != nil {
		t.Fatal(err)
	}
	return activities.RecordVerifiedInput{
		Guard: in.Guard, Component: in.Component, Backup: in.Backup, Started: began,
		Compared: compared.Receipt, Smoked: smoked.Receipt, Dropped: dropped.Receipt,
	}
}
