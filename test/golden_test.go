// Package test holds what looks at Lifeboat from outside: names that must not change, histories that must
// replay, and the whole of it running on real parts.
package test

import (
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

	"github.com/nexus-rpc/sdk-go/nexus"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

var update = flag.Bool("update", false, "write the golden file anew")

// registry notes what is registered.
type registry struct{ names []string }

func (r *registry) RegisterWorkflow(any) { panic("workflows are registered with a name") }
func (r *registry) RegisterWorkflowWithOptions(_ any, o workflow.RegisterOptions) {
	r.names = append(r.names, "workflow "+o.Name)
}
func (r *registry) RegisterDynamicWorkflow(any, workflow.DynamicRegisterOptions) {
	panic("no workflow is dynamic")
}
func (r *registry) RegisterActivity(a any) {
	t := reflect.TypeOf(a)
	for i := range t.NumMethod() {
		r.names = append(r.names, "activity "+t.Method(i).Name)
	}
}
func (r *registry) RegisterActivityWithOptions(any, activity.RegisterOptions) { panic("not used") }
func (r *registry) RegisterDynamicActivity(any, activity.DynamicRegisterOptions) {
	panic("no activity is dynamic")
}
func (r *registry) RegisterNexusService(*nexus.Service) {}

// TestDurableNames pins everything that stands in histories, vaults and other people's scripts. A change
// here breaks executions that run, or backups that exist: add, never rename.
func TestDurableNames(t *testing.T) {
	r := &registry{}
	workflows.Register(r)
	all := &activities.All{
		Components: &activities.Components{}, Snapshots: &activities.Snapshots{}, Dumps: &activities.Dumps{},
		Records: &activities.Records{}, Restores: &activities.Restores{}, Alerts: &activities.Alerts{},
	}
	all.Register(r)
	slices.Sort(r.names)
	if len(slices.Compact(slices.Clone(r.names))) != len(r.names) {
		t.Errorf("a name is registered twice: %v", r.names)
	}
	at := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	id := manifest.NewBackupID(at, "k3v7qa")
	names := append(r.names,
		"queue "+workflows.SiteQueue(""), "queue of a site "+workflows.SiteQueue("us-east-1"),
		"id of a backup "+workflows.BackupID("database", at), "id of a verification "+workflows.VerifyID("database", id),
		"id of a restore "+workflows.RestoreID("database", "branch:us-west-2"), "id of a schedule "+workflows.ScheduleID("nightly"),
		"id of a scheduled run "+workflows.ScheduledID("backup", "database", "nightly"), "id of an evaluation "+workflows.ScheduledID("evaluate", "", "watch"),
		"key of a manifest "+manifest.ManifestKey("database", id), "key of a part "+manifest.PartKey("database", id, "s1", "c00042", 3),
		"key of a note "+manifest.WorkKey("database", id, "s1", "c00042"), "key of a verification "+manifest.VerifiedKey("database", id, at),
		"key of a failure "+manifest.AttemptKey("database", id, 1),
	)
	for name := range workflows.SearchAttributes() {
		names = append(names, "search attribute "+name)
	}
	for _, n := range []signature.Namespace{signature.Manifest, signature.Command, signature.Runbook, signature.Roster, signature.Journal, signature.Order} {
		names = append(names, "signature namespace "+string(n))
	}
	for _, kind := range []string{
		activities.TypeInvalidInput, activities.TypeNotAllowed, activities.TypeNotFound, activities.TypeConfiguration, activities.TypePermission,
		activities.TypeVersion, activities.TypeConflict, activities.TypeNotEmpty, activities.TypeCorrupt, activities.TypeUntrusted,
		activities.TypeMismatch, activities.TypeSmoke, activities.TypeStoreFull, activities.TypeStoreDenied, activities.TypeOutOfHistory,
		activities.TypeUnavailable, activities.TypeLimit, activities.TypeNeonOperation, activities.TypeNoSuchChunk,
	} {
		names = append(names, "error type "+kind)
	}
	slices.Sort(names)
	got := strings.Join(names, "\n") + "\n"
	const file = "testdata/durable-names.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("durable names changed (-was +is):\n%s", diff)
	}
}
