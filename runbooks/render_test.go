package runbooks

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// crossing is a runbook with long lines, gates, conditions and steps that cannot be taken back.
func crossing() []byte {
	return runbookOf(
		"{id: probe, type: sql, title: Is the primary really gone or only slow today and where from, with: {on: {component: database}, query: SELECT 1, expect: {rows: 1}}}",
		"{id: announce, type: notify, title: \"<script>alert(1)</script> & *friends* `x`\", needs: [probe], with: {message: \"</code><b>hello</b> ``\"}}",
		"{id: allow, type: approval, title: Fail over?, needs: [probe], with: {roles: [ops], requires: 2}}",
		"{id: prepare, type: exec, title: Scale the standby, needs: [probe], effect: reversible, with: {program: p}, undo: {type: exec, with: {program: q}}}",
		"{id: fence, type: exec, title: Fence the old primary and prove it, needs: [allow], when: {mode: [live], approach: graceful}, with: {program: p}}",
		"{id: promote, type: exec, title: Promote the standby, needs: [fence, prepare, allow, probe], with: {program: p}}",
		"{id: check-a, type: sql, title: Check claims, needs: [promote], with: {on: {component: database}, query: SELECT 1, expect: {rows: 1}}}",
		"{id: check-b, type: sql, title: Check files, needs: [promote, probe], with: {on: {component: database}, query: SELECT 1, expect: {rows: 1}}}",
		"{id: open, type: exec, title: Open the door to applications, needs: [check-a, check-b], with: {program: p}}",
		"{id: tell, type: notify, title: Tell everybody, needs: [open, announce], with: {message: hello}}",
	)
}

func TestMarkdown(t *testing.T) {
	text, _ := BuiltinNamed("backup-restore-rehearsal")
	golden(t, "testdata/rehearsal.md", parsed(t, text).Markdown(Sheet{Holders: testRoster{"incident-commander": {"ann", "bob"}}.Holders}))
	got := string(parsed(t, crossing()).Markdown(Sheet{Digest: Digest(crossing())}))
	for _, want := range []string{"&lt;script&gt;", `\*friends\*`, "``` </code><b>hello</b> `` ```", "POINT OF NO RETURN", "SHA-256 `" + Digest(crossing())} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in it:\n%s", want, got)
		}
	}
	if strings.Count(got, "POINT OF NO RETURN") != 1 || strings.Contains(got, "<script>") {
		t.Error(got)
	}
}

func TestPage(t *testing.T) {
	page, err := parsed(t, crossing()).Page(Sheet{Digest: Digest(crossing())})
	if err != nil {
		t.Fatal(err)
	}
	got := string(page)
	for _, want := range []string{
		"Steps / Étapes", "Who decides / Qui décide", "&lt;script&gt;alert(1)&lt;/script&gt; &amp; *friends*", "&lt;/code&gt;&lt;b&gt;hello", Digest(crossing()),
		"2 × ops, not who started it", "graceful", "default / par défaut <code>3</code>", "psql in a read-only transaction",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in it", want)
		}
	}
	for _, bad := range []string{"<script", "<b>hello", "http-equiv=\"refresh", "src=", "href=", "url(http"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q is in it", bad)
		}
	}
	if n := strings.Count(got, `class="noreturn"`); n != 1 {
		t.Errorf("%d points of no return", n)
	}
	// A gate has a line for each decision, a blank for each step.
	if n := strings.Count(got, "Signature"); n != 2 {
		t.Errorf("%d lines for decisions", n)
	}
}

func TestDrawing(t *testing.T) {
	text, _ := BuiltinNamed("backup-restore-rehearsal")
	golden(t, "testdata/rehearsal.svg", parsed(t, text).Graph())
	for name, text := range map[string][]byte{"crossing": crossing(), "large": large(60), "largest": large(MaxSteps), "dense": dense(120)} {
		r := parsed(t, text)
		wellFormed(t, name, r.Graph())
		l := r.place()
		for _, layer := range l.layers {
			for k := 1; k < len(layer); k++ {
				if a, b := l.nodes[layer[k-1]], l.nodes[layer[k]]; b.x-a.x < 1-1e-9 {
					t.Errorf("%s: two boxes of layer %d overlap", name, a.layer)
				}
			}
		}
		for _, line := range l.lines {
			for k := 1; k < len(line); k++ {
				if l.nodes[line[k]].layer <= l.nodes[line[k-1]].layer {
					t.Errorf("%s: a line does not lead down", name)
				}
			}
		}
		for i := range r.Steps {
			for _, need := range r.Steps[i].Needs {
				for k := range r.Steps {
					if r.Steps[k].ID == need && l.nodes[k].layer >= l.nodes[i].layer {
						t.Errorf("%s: %s is not below %s", name, r.Steps[i].ID, need)
					}
				}
			}
		}
	}
}

// dense is a runbook in which every step needs all before the last three.
func dense(n int) []byte {
	var steps []string
	for i := range n {
		var needs []string
		for k := range max(0, i-3) {
			needs = append(needs, "s"+textOf(float64(k)))
		}
		steps = append(steps, "{id: s"+textOf(float64(i))+", type: notify, title: notice, needs: ["+strings.Join(needs, ", ")+"], with: {message: hello}}")
	}
	return runbookOf(steps...)
}

func wellFormed(t *testing.T, name string, svg []byte) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

func TestWrapKeepsTextInItsBox(t *testing.T) {
	for _, text := range []string{"short", "two lines of words that are too long", strings.Repeat("x", 80), strings.Repeat("é ", 80), "a " + strings.Repeat("x", 80) + " b", ""} {
		lines := wrap(text, 30, 2)
		if len(lines) == 0 || len(lines) > 2 {
			t.Errorf("%q: %q", text, lines)
		}
		for _, line := range lines {
			if utf8.RuneCountInString(line) > 30 {
				t.Errorf("%q is too long", line)
			}
		}
	}
}

func TestDiff(t *testing.T) {
	old := parsed(t, crossing())
	if changes := Diff(old, parsed(t, append(crossing(), "# a comment\n"...))); len(changes) != 0 {
		t.Error(changes)
	}
	edited := string(crossing())
	for from, to := range map[string]string{
		"requires: 2": "requires: 1", "id: announce, type: notify": "id: announce-all, type: notify", "needs: [open, announce]": "needs: [open]",
		"{type: integer, default: 3}": "{type: integer, default: 4, max: 9}", "roles: {ops: {}}": "roles: {ops: {}, legal: {title: counsel}}",
		"undo: {type: exec, with: {program: q}}": "timeout: 20m", "title: small": "title: smaller",
	} {
		edited = strings.Replace(edited, from, to, 1)
	}
	var got []string
	for _, change := range Diff(old, parsed(t, []byte(edited))) {
		got = append(got, change.String())
	}
	golden(t, "testdata/diff.txt", []byte(strings.Join(got, "\n")+"\n"))
}
