package workflows

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// stepTime is what is decided about the time of one try of a step type.
type stepTime struct {
	long bool
	why  string
	// waits are the parameters that say how long one try may wait; what other durations say passes outside of it.
	waits []string
}

// stepTimes holds the decision for every type that an activity does: types that a workflow or the engine does have no
// single try. A new type needs one, and its activity has to say that it is alive.
var stepTimes = map[string]stepTime{
	"branch":          {why: "operations of Neon: the branch is found by its name when it is asked for again"},
	"drop-branch":     {why: "operations of Neon; what is gone is found to be gone"},
	"drill-copy":      {why: "operations of Neon: the copy is found by its name"},
	"drop-drill-copy": {why: "operations of Neon; what is gone is found to be gone"},
	"switch":          {why: "operations of Neon: what was done is found by the name of what it kept"},
	"switch-back":     {why: "operations of Neon: what was done is found by the name of what it kept"},
	"close-door":      {why: "commands of the door, each bounded by its own time"},
	"move-door":       {why: "commands of the door, each bounded by its own time"},
	"open-door":       {why: "commands of the door, each bounded by its own time"},
	"hold-door":       {long: true, why: "it lets transactions end for as long as drain says, ten minutes at most", waits: []string{"drain"}},
	"evaluate":        {why: "reads records in the vaults; a store that is silent is given up sooner"},
	"probe":           {why: "each look is given up after seconds"},
	"http":            {why: "the endpoint's own timeout bounds a call"},
	"notify":          {why: "each receiver is given up after its own timeout"},
	"take-epoch":      {why: "small objects in the vaults; what was taken is found again"},
	"standby":         {why: "looks, and waits for one mark", waits: []string{"within"}},
	"unprotect":       {why: "drops what was made; what is gone is found to be gone"},
	"exec":            {long: true, why: "a program takes what it takes, and twice is not known to be once"},
	"sql":             {long: true, why: "a query over much data begins again from nothing when it is cut off"},
	"fault":           {long: true, why: "changes rows in one transaction, which is rolled back when it is cut off"},
	"lost-window":     {long: true, why: "reads tables as a whole"},
	"fence":           {long: true, why: "it is tried for as long as within says, and not confirmed only then", waits: []string{"within"}},
	"unfence":         {long: true, why: "it is tried for as long as within says", waits: []string{"within"}},
	"drain":           {long: true, why: "waits for a log to be confirmed, and compares tables", waits: []string{"within"}},
	"promote":         {long: true, why: "advances every sequence and checks constraints over all rows"},
	"put-back":        {long: true, why: "reads tables as a whole, and inserts in one transaction"},
	"ledger":          {long: true, why: "reads tables as a whole; a vault keeps what was sealed"},
	"synthetic":       {why: "a few statements of the configuration; what a try wrote is removed by it or by the next one"},
	"reprotect":       {long: true, why: "copies a database"},
}

func TestEveryStepTypeHasItsTime(t *testing.T) {
	beats := beating(t)
	for _, kind := range runbooks.Types() {
		decided, there := stepTimes[kind.Name]
		if kind.Activity == "" {
			if there {
				t.Errorf("%s: no activity does it, and yet there is a decision about its tries", kind.Name)
			}
			continue
		}
		if !there || decided.why == "" {
			t.Errorf("%s: nobody decided how long one try of it may take: add it to stepTimes, and Long to its type when that is more than ten minutes", kind.Name)
			continue
		}
		if decided.long != kind.Long {
			t.Errorf("%s: Long is %v, decided is %v", kind.Name, kind.Long, decided.long)
		}
		if !beats[kind.Activity] {
			t.Errorf("%s: %s does not say that it is alive: after %s it counts as dead", kind.Name, kind.Activity, control.heartbeat)
		}
		const hours = 30 * time.Hour
		p := profileOf(&kind, runbooks.RetryPatient, hours)
		if want := map[bool]time.Duration{true: hours, false: control.attempt}[decided.long]; p.attempt != want || p.budget != hours || p.heartbeat == 0 {
			t.Errorf("%s: one try may take %s and all of them %s, wanted %s and %s", kind.Name, p.attempt, p.budget, want, hours)
		}
		if p = profileOf(&kind, kind.Retry, kind.Timeout); p.attempt < time.Minute || p.attempt > p.budget {
			t.Errorf("%s: where the text says nothing, one try may take %s and all of them %s", kind.Name, p.attempt, p.budget)
		}
		for _, name := range decided.waits {
			param := kind.Param(name)
			if param == nil || param.Kind != runbooks.KindDuration || param.Max == nil {
				t.Errorf("%s: %s is no bounded duration", kind.Name, name)
				continue
			}
			// The text may give a long one the time that it needs; any other has only its try.
			if most := time.Duration(*param.Max) * time.Second; !kind.Long && most+time.Minute > p.attempt {
				t.Errorf("%s: %s may be %s, and a try ends after %s", kind.Name, name, most, p.attempt)
			}
		}
	}
	for name := range stepTimes {
		if runbooks.TypeNamed(name) == nil {
			t.Errorf("there is no type %s", name)
		}
	}
}

// beating are the methods of activities that say they are alive while they work.
func beating(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../activities/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no activities: %v", err)
	}
	found := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			method, ok := decl.(*ast.FuncDecl)
			if !ok || method.Recv == nil {
				continue
			}
			ast.Inspect(method, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if name, ok := call.Fun.(*ast.Ident); ok && name.Name == "alive" {
						found[method.Name.Name] = true
					}
				}
				return true
			})
		}
	}
	return found
}
