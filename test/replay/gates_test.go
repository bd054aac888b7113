package replay

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

var dated = regexp.MustCompile(`^20\d\d-\d\d-\d\d-[a-z][a-z-]+$`)

// undated are the ids from before the rule. They stand in histories, so they stay as they are.
var undated = map[string]bool{"finish-target": true}

// TestGates holds every gate of the workflows to the rules: an id that begins with its date and is used once, a recorded
// history of executions that went through it, and one of the same workflow that began before.
func TestGates(t *testing.T) {
	ids := gates(t)
	if len(ids) == 0 {
		t.Fatal("no gate was found, so nothing is proven")
	}
	with, without := marked(t)
	for id, times := range ids {
		if !dated.MatchString(id) && !undated[id] {
			t.Errorf("gate %q: an id begins with its date, such as 2026-11-25-judge-here", id)
		}
		if times > 1 {
			t.Errorf("gate %q is asked for in %d places: each place has its own", id, times)
		}
		if with[id] == "" {
			t.Errorf("gate %q: no recorded history went through it: record one (CONTRIBUTING.md)", id)
		} else if !without(with[id], id) {
			t.Errorf("gate %q: there is no history of a %s from before", id, with[id])
		}
	}
}

// gates finds the ids in the workflows' code, and in how many places each stands.
func gates(t *testing.T) map[string]int {
	t.Helper()
	files, err := filepath.Glob("../../workflows/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); !ok || f.Sel.Name != "GetVersion" {
				return true
			}
			id, ok := call.Args[1].(*ast.BasicLit)
			if !ok {
				t.Errorf("%s: the id of a gate is written where it is asked for", file)
				return true
			}
			text, err := strconv.Unquote(id.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[text]++
			return true
		})
	}
	return found
}

// marked says which workflow went through each gate, and whether a history of a workflow lacks a gate's marker.
func marked(t *testing.T) (with map[string]string, without func(kind, id string) bool) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	with = map[string]string{}
	histories := map[string][]map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var history historypb.History
		if err := protojson.Unmarshal(text, &history); err != nil {
			t.Fatal(err)
		}
		kind := history.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowType().GetName()
		passed := map[string]bool{}
		for _, event := range history.GetEvents() {
			marker := event.GetMarkerRecordedEventAttributes()
			if marker.GetMarkerName() != "Version" {
				continue
			}
			var id string
			if err := json.Unmarshal(marker.GetDetails()["change-id"].GetPayloads()[0].GetData(), &id); err != nil {
				t.Fatal(err)
			}
			passed[id], with[id] = true, kind
		}
		histories[kind] = append(histories[kind], passed)
	}
	return with, func(kind, id string) bool {
		for _, passed := range histories[kind] {
			if !passed[id] {
				return true
			}
		}
		return false
	}
}
