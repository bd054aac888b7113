package plan

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestPoliciesAreReadAsTheyAreWritten(t *testing.T) {
	p := Policy{Name: "urgent", Repeat: 2, Levels: []Level{
		{Targets: []Contact{"role:commander", "slack:C012"}, Notify: NotifyAll},
		{Delay: Delay(5 * time.Minute), Notify: NotifyAny},
	}}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(p)
	if err != nil || !strings.Contains(string(text), `"delay":"5m0s"`) {
		t.Fatalf("%s %v", text, err)
	}
	var back Policy
	if err := json.Unmarshal(text, &back); err != nil || back.Levels[1].Delay != p.Levels[1].Delay {
		t.Fatalf("%+v %v", back, err)
	}
	if kind, name := back.Levels[0].Targets[0].Split(); kind != ContactRole || name != RoleCommander {
		t.Errorf("%s %s", kind, name)
	}
	if err := json.Unmarshal([]byte(`{"delay":"soon"}`), &Level{}); err == nil {
		t.Error("a delay of soon was read")
	}
}

func TestPoliciesThatReachNobodyAreRefused(t *testing.T) {
	good := func() Policy {
		return Policy{Name: "p", Levels: []Level{{Targets: []Contact{"person:alice"}, Notify: NotifyAll}}}
	}
	for want, spoil := range map[string]func(*Policy){
		"no name":       func(p *Policy) { p.Name = "" },
		"0 levels":      func(p *Policy) { p.Levels = nil },
		"repeat":        func(p *Policy) { p.Repeat = 21 },
		"a delay of":    func(p *Policy) { p.Levels[0].Delay = Delay(-time.Second) },
		"notify":        func(p *Policy) { p.Levels[0].Notify = "some" },
		"kind:name":     func(p *Policy) { p.Levels[0].Targets[0] = "alice" },
		"tells nobody":  func(p *Policy) { p.Levels[0].Targets = nil },
		"51 targets":    func(p *Policy) { p.Levels[0].Targets = make([]Contact, 51) },
		`"pigeon:home"`: func(p *Policy) { p.Levels[0].Targets[0] = "pigeon:home" },
	} {
		p := good()
		spoil(&p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
}
