package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRunbooksInsideAreFoundAndLookedAt: those beside the file come first; each is signed on its own, and nothing
// starts before all are.
func TestRunbooksInsideAreFoundAndLookedAt(t *testing.T) {
	s := newRosterStage(t, "alice", "bob", "carol")
	s.signedBy("alice", "bob", "carol")
	const head = "apiVersion: lifeboat/v1\ntitle: T\nscenario: maintenance\ntarget: database\n"
	write := func(name, text string) {
		if err := os.WriteFile(s.path(name+".yaml"), []byte(head+"name: "+name+"\nsteps:\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("outer", "  - {id: run, type: runbook, title: Run, with: {name: inner}}\n")
	outer := s.path("outer.yaml")
	s.does(exitFailed, `there is no runbook "inner" that can be read`, "runbook", "lint", outer)
	s.does(exitUsage, `step run: there is no runbook "inner"`, "runbook", "render", outer)
	write("inner", "  - {id: nap, type: wait, title: Nap, with: {duration: 1h}}\n")
	s.does(exitOK, "", "runbook", "lint", outer)
	s.does(exitOK, "`run.nap`", "runbook", "render", outer)
	if drawn := s.does(exitOK, "RUNBOOK / PROCÉDURE: inner", "runbook", "graph", outer); strings.Contains(drawn, "run.nap") {
		t.Error("the runbook inside is no box")
	}
	s.does(exitOK, "run.nap", "runbook", "graph", outer, "--expand")

	start := []string{"run", outer, "--drill", "--key", "KEY/alice"}
	sign := func(name string) {
		for _, who := range []string{"alice", "bob"} {
			s.does(exitOK, "", "runbook", "sign", s.path(name+".yaml"), "--key", "KEY/"+who)
		}
	}
	s.does(exitFailed, "runbook outer is signed by 0 owners", start...)
	sign("outer")
	s.does(exitFailed, "runbook inner is signed by 0 owners", start...)
	sign("inner")
	write("inner", "  - {id: nap, type: wait, title: Nap, with: {duration: 2h}}\n")
	s.does(exitFailed, "runbook inner is signed by 0 owners", start...)
	write("inner", "  - {id: again, type: runbook, title: Again, with: {name: outer}}\n")
	s.does(exitUsage, "outer runs inner runs outer", start...)
	s.does(exitFailed, "runs this one again", "runbook", "lint", outer)
}

// TestDiffLooksInside: each side's inner runbooks are those beside its file, and a text whose inner runbook is not there
// can still be compared as a text.
func TestDiffLooksInside(t *testing.T) {
	s := newRosterStage(t, "alice", "bob", "carol")
	s.signedBy("alice", "bob", "carol")
	const head = "apiVersion: lifeboat/v1\ntitle: T\nscenario: maintenance\ntarget: database\n"
	for _, side := range []string{"before", "after"} {
		if err := os.Mkdir(s.path(side), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, steps string) {
		text := head + "name: " + filepath.Base(name) + "\nsteps:\n" + steps
		if err := os.WriteFile(s.path(name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const outer = "  - {id: run, type: runbook, title: Run, with: {name: inner}}\n"
	write("before/outer", outer)
	write("after/outer", outer)
	write("before/inner", "  - {id: nap, type: wait, title: Nap, with: {duration: 1h}}\n")
	diff := []string{"runbook", "diff", s.path("before/outer.yaml"), s.path("after/outer.yaml")}
	s.does(exitUsage, "--texts compares the two texts alone", diff...)
	s.does(exitOK, "They do the same", append(diff, "--texts")...)
	write("after/inner", "  - {id: nap, type: wait, title: Nap, with: {duration: 2h}}\n")
	s.does(exitOK, "~ steps.run.nap.with.duration: 1h", diff...)
	s.does(exitOK, "They do the same", append(diff, "--texts")...)
}
