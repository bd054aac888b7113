package runbooks_test

import (
	"testing"

	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// TestFits: what is signed has to be there to the letter, and only what nobody can vouch for may be anything.
func TestFits(t *testing.T) {
	with := map[string]any{
		"query": "SELECT count(*) FROM public.claims", "price": "$${x}", "least": 1.0, "flag": true,
		"on":   map[string]any{"branch": map[string]any{"site": "${inputs.site}", "name": "${steps.restore.branch}"}},
		"args": []any{"${inputs.size}", "a ${steps.restore.backup} z (${inputs.site})", "${steps.count.rows}"},
	}
	scope := runbooks.Scope{Inputs: map[string]any{"site": "west", "size": 3.0}, Outputs: map[string]map[string]any{"count": {"rows": 7.0}}}
	free := func(r runbooks.Reference) bool { return r.Step == "restore" }
	values := func() map[string]any {
		return map[string]any{
			"query": "SELECT count(*) FROM public.claims", "price": "${x}", "least": 1.0, "flag": true,
			"on":   map[string]any{"branch": map[string]any{"site": "west", "name": "lifeboat/x"}},
			"args": []any{3.0, "a 2026.1 z (west)", 7.0},
		}
	}
	if err := runbooks.Fits(with, values(), scope, free); err != nil {
		t.Fatal(err)
	}
	if err := runbooks.Fits(nil, nil, scope, free); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(v map[string]any){
		"another query":        func(v map[string]any) { v["query"] = "SELECT 1" },
		"another number":       func(v map[string]any) { v["least"] = 0.0 },
		"another flag":         func(v map[string]any) { v["flag"] = "true" },
		"one more":             func(v map[string]any) { v["more"] = 1.0 },
		"one less":             func(v map[string]any) { delete(v, "least") },
		"one instead":          func(v map[string]any) { delete(v, "least"); v["most"] = 1.0 },
		"another input":        func(v map[string]any) { v["args"].([]any)[0] = 4.0 },
		"another result":       func(v map[string]any) { v["args"].([]any)[2] = 8.0 },
		"other words around":   func(v map[string]any) { v["args"].([]any)[1] = "b 1 z (west)" },
		"another input inside": func(v map[string]any) { v["args"].([]any)[1] = "a 1 z (east)" },
		"a list for a text":    func(v map[string]any) { v["on"].(map[string]any)["branch"].(map[string]any)["name"] = []any{"x"} },
		"a number in a text":   func(v map[string]any) { v["args"].([]any)[1] = 1.0 },
		"a longer list":        func(v map[string]any) { v["args"] = append(v["args"].([]any), 1.0) },
		"a text for a mapping": func(v map[string]any) { v["on"] = "x" },
	} {
		v := values()
		spoil(v)
		if err := runbooks.Fits(with, v, scope, free); err == nil {
			t.Errorf("%s fits", name)
		}
	}
	nobody := func(runbooks.Reference) bool { return false }
	if err := runbooks.Fits(with, values(), scope, nobody); err == nil {
		t.Error("a result that nobody vouched for fits")
	}
}
