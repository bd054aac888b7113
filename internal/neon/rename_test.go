package neon

import (
	"errors"
	"testing"
)

func TestRenameOnlyOurOwn(t *testing.T) {
	f, c := newFake(t)
	f.branches = append(f.branches,
		Branch{ID: "br-copy-000001", Project: project, Name: "lifeboat/x/production", State: "ready"},
		Branch{ID: "br-else-000001", Project: project, Name: "lifeboat/x/taken", State: "ready"},
		Branch{ID: "br-kept-000001", Project: project, Name: "lifeboat/x/kept", State: "ready", Protected: true},
	)
	for what, c2 := range map[string]struct {
		branch, name string
		want         error
	}{
		"production":           {mainBranch, "lifeboat/x/point.before", ErrNotOwn},
		"a protected branch":   {"br-kept-000001", "lifeboat/x/point.before", ErrNotOwn},
		"to a foreign name":    {"br-copy-000001", "main", ErrNotOwn},
		"to a name that is":    {"br-copy-000001", "lifeboat/x/taken", ErrConflict},
		"to no name":           {"br-copy-000001", "", ErrInvalid},
		"what is not an id":    {"../main", "lifeboat/x/other", ErrInvalid},
		"a branch that is not": {"br-none-000001", "lifeboat/x/other", ErrNotFound},
	} {
		if _, err := c.Rename(t.Context(), project, c2.branch, c2.name); !errors.Is(err, c2.want) {
			t.Errorf("rename %s: %v", what, err)
		}
	}
	if f.count("PATCH ") != 0 {
		t.Errorf("something was sent: %v", f.calls)
	}
	for range 2 {
		if b, err := c.Rename(t.Context(), project, "br-copy-000001", "lifeboat/x/point.before"); err != nil || b.Name != "lifeboat/x/point.before" {
			t.Fatalf("%+v, %v", b, err)
		}
	}
	if n := f.count("PATCH "); n != 1 {
		t.Errorf("renamed %d times", n)
	}
}
