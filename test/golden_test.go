// Package test pins what must never change by accident: the durable names that stand in histories,
// schedules, vaults and alerts. An execution that was started yesterday has to find them tomorrow.
package test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

var update = flag.Bool("update", false, "write the golden file; a name that goes away breaks running executions")

const golden = "testdata/durable-names.golden"

func TestDurableNames(t *testing.T) {
	got := durableNames(t)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("durable names changed (-pinned +now):\n%s\nWhoever means it runs: go test ./test -run TestDurableNames -update", diff)
	}
}

// TestActivityNamesAreUnique guards the registration: the method's name alone is the activity's name.
func TestActivityNamesAreUnique(t *testing.T) {
	owners := map[string]string{}
	for owner, names := range activityNames() {
		for _, name := range names {
			if other, taken := owners[name]; taken {
				t.Errorf("activity %s is a method of %s and of %s", name, other, owner)
			}
			owners[name] = owner
		}
	}
	if len(owners) < 10 {
		t.Errorf("only %d activities were found: the test looks in the wrong place", len(owners))
	}
}

// TestEveryFieldOfAllIsRegistered catches a struct that was added to All and not to Register.
func TestEveryFieldOfAllIsRegistered(t *testing.T) {
	r := &recorder{}
	filled().Register(r)
	registered := map[string]bool{}
	for _, v := range r.activities {
		registered[reflect.TypeOf(v).Elem().Name()] = true
	}
	for owner := range activityNames() {
		if !registered[owner] {
			t.Errorf("the activities of %s are not registered", owner)
		}
	}
}

func durableNames(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	section := func(title string, lines []string) {
		slices.Sort(lines)
		fmt.Fprintf(&b, "# %s\n%s\n\n", title, strings.Join(lines, "\n"))
	}
	r := &recorder{}
	workflows.Register(r)
	section("workflows", r.workflows)

	var names []string
	for _, of := range activityNames() {
		names = append(names, of...)
	}
	section("activities", names)

	attributes := []string{}
	for name, kind := range workflows.SearchAttributes() {
		attributes = append(attributes, name+" "+kind.String())
	}
	section("search attributes", attributes)
	section("kinds", []string{workflows.KindBackup, workflows.KindVerify, workflows.KindRestore, workflows.KindReplicate, workflows.KindEvaluate})
	section("error types", slices.Collect(maps.Values(constants(t, "../activities/errors.go", "Type"))))

	at := time.Date(2026, 11, 23, 2, 0, 0, 0, time.FixedZone("elsewhere", -5*3600))
	const backup = "20261123T070000Z-k3v7qa"
	section("task queues", []string{
		"everywhere " + workflows.Queue, "site us-east-1 " + workflows.SiteQueue("us-east-1"), "no site " + workflows.SiteQueue(""),
	})
	section("ids", []string{
		"backup " + workflows.BackupID("database", at),
		"verify " + workflows.VerifyID("database", backup),
		"restore into a branch " + workflows.RestoreID("database", "branch:us-west-2"),
		"restore into a target " + workflows.RestoreID("database", "target:spare"),
		"replicate a backup " + workflows.ReplicateID("database", "us-west-2", backup),
		"replicate what is missing " + workflows.ReplicateID("database", "us-west-2", ""),
		"replicate to all " + workflows.ReplicateID("database", "", ""),
		"schedule " + workflows.ScheduleID("nightly"),
		"scheduled backup " + workflows.ScheduledID(workflows.KindBackup, "database", "hourly"),
		"scheduled evaluation " + workflows.ScheduledID(workflows.KindEvaluate, "", "watch"),
		"backup id " + manifest.NewBackupID(at, "k3v7qa"),
	})
	section("targets", []string{string(activities.ScratchTarget), string(activities.BranchTarget), string(activities.NamedTarget)})
	actions := []string{}
	for _, a := range plan.StandingActions {
		actions = append(actions, string(a))
	}
	section("actions of orders", actions)
	section("modes", []string{string(plan.ModeStanding), string(plan.ModePlan), string(plan.ModeDrill), string(plan.ModeLive)})
	section("signature namespaces", slices.Collect(maps.Values(constants(t, "../internal/signature/signature.go", ""))))
	section("keys of a vault", []string{
		manifest.ManifestKey("database", backup), manifest.PartKey("database", backup, "s1", "c00042", 1),
		manifest.WorkKey("database", backup, "s1", "c00042"), manifest.AttemptKey("database", backup, 1),
		manifest.VerifiedKey("database", backup, at), manifest.CopiedKey("database", backup, at, strings.Repeat("0", 64)), manifest.RosterKey(strings.Repeat("f", 64), 7, strings.Repeat("0", 64)),
	})
	return b.String()
}

// filled is an All whose fields are set to empty structs, which is enough to look at their methods.
func filled() *activities.All {
	all := &activities.All{}
	v := reflect.ValueOf(all).Elem()
	for i := range v.NumField() {
		v.Field(i).Set(reflect.New(v.Field(i).Type().Elem()))
	}
	return all
}

// activityNames are the exported methods of each struct of All, as the SDK registers them.
func activityNames() map[string][]string {
	names := map[string][]string{}
	all := reflect.TypeFor[activities.All]()
	for i := range all.NumField() {
		owner := all.Field(i).Type
		for j := range owner.NumMethod() {
			names[owner.Elem().Name()] = append(names[owner.Elem().Name()], owner.Method(j).Name)
		}
	}
	return names
}

// constants reads the string constants of a file whose names begin with prefix, so that a new one cannot
// be forgotten here.
func constants(t *testing.T, file, prefix string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Names) != len(spec.Values) {
			return true
		}
		for i, name := range spec.Names {
			if literal, ok := spec.Values[i].(*ast.BasicLit); ok && strings.HasPrefix(name.Name, prefix) {
				if text, err := strconv.Unquote(literal.Value); err == nil {
					found[name.Name] = text
				}
			}
		}
		return true
	})
	if len(found) == 0 {
		t.Fatalf("%s has no constants that begin with %s", file, prefix)
	}
	return found
}

// recorder is a registry that remembers what is registered.
type recorder struct {
	workflows  []string
	activities []any
}

func (r *recorder) RegisterWorkflow(any) { r.workflows = append(r.workflows, "unnamed") }
func (r *recorder) RegisterWorkflowWithOptions(_ any, o workflow.RegisterOptions) {
	r.workflows = append(r.workflows, o.Name)
}
func (r *recorder) RegisterDynamicWorkflow(any, workflow.DynamicRegisterOptions) {
	r.workflows = append(r.workflows, "dynamic")
}
func (r *recorder) RegisterActivity(a any) { r.activities = append(r.activities, a) }
func (r *recorder) RegisterActivityWithOptions(a any, _ activity.RegisterOptions) {
	r.RegisterActivity(a)
}
func (r *recorder) RegisterDynamicActivity(a any, _ activity.DynamicRegisterOptions) {
	r.RegisterActivity(a)
}
