package neon

import (
	"errors"
	"testing"
	"time"
)

func TestDeleteRefusesWhatIsNotOurs(t *testing.T) {
	f, c := newFake(t)
	f.branches = append(f.branches,
		Branch{ID: "br-near-000001", Project: project, Name: "lifeboat-staging", State: "ready"},
		Branch{ID: "br-bare-000001", Project: project, Name: "lifeboat/", State: "ready"},
		Branch{ID: "br-case-000001", Project: project, Name: "Lifeboat/x", State: "ready"},
		Branch{ID: "br-kept-000001", Project: project, Name: "lifeboat/x/damaged", State: "ready", Protected: true},
		Branch{ID: "br-main-000002", Project: project, Name: "lifeboat/x/new", State: "ready", Default: true},
	)
	there := len(f.branches)
	for _, b := range f.branches {
		if err := c.DeleteBranch(t.Context(), project, b.ID); !errors.Is(err, ErrNotOwn) {
			t.Errorf("delete %s by id: %v", b.Name, err)
		}
		if _, err := c.Expire(t.Context(), project, b.ID, expiry); !errors.Is(err, ErrNotOwn) {
			t.Errorf("expire %s: %v", b.Name, err)
		}
		calls := len(f.calls)
		if err := c.DeleteBranchByName(t.Context(), project, b.Name); !errors.Is(err, ErrNotOwn) {
			t.Errorf("delete %s by name: %v", b.Name, err)
		}
		if !Own(b.Name) && len(f.calls) != calls {
			t.Errorf("delete %s by name: calls were made", b.Name)
		}
	}
	for _, id := range []string{"", ".", "../main", "br-main-000001/../x", "BR"} {
		if err := c.DeleteBranch(t.Context(), project, id); !errors.Is(err, ErrInvalid) {
			t.Errorf("delete %q: %v", id, err)
		}
	}
	if len(f.branches) != there || f.count("DELETE ") != 0 || f.count("PATCH ") != 0 {
		t.Errorf("something was sent: %v", f.calls)
	}
}

// An answer about another branch must not become the permission to delete this one.
func TestDeleteChecksWhatTheAnswerIsAbout(t *testing.T) {
	f, c := newFake(t)
	f.fail(&fault{call: "GET " + mainBranch, times: 1, status: 200, body: `{"branch":{"id":"br-else-000001","name":"lifeboat/x"}}`})
	if err := c.DeleteBranch(t.Context(), project, mainBranch); err == nil || f.count("DELETE ") != 0 {
		t.Fatalf("%v, calls %v", err, f.calls)
	}
}

func TestDeleteBranch(t *testing.T) {
	for _, tc := range []struct {
		name    string
		fault   fault
		deletes int
	}{
		{"plainly", fault{}, 1},
		{"answer lost", fault{call: "DELETE br-gone-000001", times: 1, drop: true}, 2},
		{"524 after it happened", fault{call: "DELETE br-gone-000001", times: 1, status: 524, drop: true}, 2},
		{"locked", fault{call: "DELETE br-gone-000001", times: 3, status: 423, body: lockedBody}, 4},
		{"gone meanwhile", fault{call: "DELETE br-gone-000001", times: 1, status: 404, drop: true}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, c := newFake(t)
			f.branches = append(f.branches, Branch{ID: "br-gone-000001", Project: project, Name: name, State: "ready"})
			f.fail(&tc.fault)
			if err := c.DeleteBranch(t.Context(), project, "br-gone-000001"); err != nil {
				t.Fatal(err)
			}
			if len(f.branches) != 1 || f.count("DELETE br-gone-000001") != tc.deletes {
				t.Errorf("%d branches left, %d deletions sent", len(f.branches), f.count("DELETE br-gone-000001"))
			}
			if tc.name != "gone meanwhile" {
				for _, o := range f.ops {
					if !o.Status.Done() {
						t.Errorf("operation %s is %s", o.Action, o.Status)
					}
				}
			}
			if err := c.DeleteBranch(t.Context(), project, "br-gone-000001"); err != nil {
				t.Errorf("the second time: %v", err)
			}
			if err := c.DeleteBranchByName(t.Context(), project, name); err != nil {
				t.Errorf("by name, when gone: %v", err)
			}
		})
	}
}

// Success means gone: a branch that Neon goes on listing is an error.
func TestDeleteIsNotBelieved(t *testing.T) {
	f, c := newFake(t)
	c.cfg.OperationTimeout = 50 * time.Millisecond
	f.branches = append(f.branches, Branch{ID: "br-gone-000001", Project: project, Name: name, State: "ready"})
	f.fail(&fault{call: "DELETE br-gone-000001", times: 1, status: 200, body: `{"operations":[]}`})
	if err := c.DeleteBranchByName(t.Context(), project, name); !errors.Is(err, ErrSlow) {
		t.Fatal(err)
	}
}

func TestProtectAndExpire(t *testing.T) {
	f, c := newFake(t)
	f.branches = append(f.branches, Branch{ID: "br-kept-000001", Project: project, Name: name, State: "ready"})
	if b, err := c.Expire(t.Context(), project, "br-kept-000001", expiry); err != nil || !b.ExpiresAt.Equal(expiry) {
		t.Fatalf("%+v, %v", b, err)
	}
	if b, err := c.Expire(t.Context(), project, "br-kept-000001", time.Time{}); err != nil || !b.ExpiresAt.IsZero() {
		t.Fatalf("%+v, %v", b, err)
	}
	if b, err := c.Protect(t.Context(), project, mainBranch, true); err != nil || !b.Protected {
		t.Fatalf("%+v, %v", b, err)
	}
}
