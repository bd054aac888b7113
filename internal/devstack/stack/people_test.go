package stack

import (
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

func TestTheCastCanDecideWithAnyoneAbsent(t *testing.T) {
	s := &Stack{Dir: t.TempDir()}
	fingerprint, err := s.people()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.people(); err != nil || again != fingerprint {
		t.Errorf("started again: %s, before %s (%v)", again, fingerprint, err)
	}
	f := roster.File{Path: s.Dir + "/roster.json", Fingerprint: fingerprint}
	now := time.Now()
	r, err := f.Load(now)
	if err != nil {
		t.Fatal(err)
	}
	if warnings := r.Version.Warnings(now); len(warnings) > 0 {
		t.Errorf("%q", warnings)
	}
	for _, file := range runbooks.Builtin() {
		book, err := runbooks.Parse(file.Text)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.CheckRunbook(book, now); err != nil {
			t.Errorf("%s: %v", file.Name, err)
		}
	}
	signer, err := signature.OpenKey(s.PersonKey("alice"), signature.Terminal{})
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := r.PersonByKey(signature.PublicKey(signer.PublicKey())); !ok || !p.Holds(plan.RoleCommander) {
		t.Errorf("%+v", p)
	}
}
