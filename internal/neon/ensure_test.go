package neon

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

var (
	early  = time.Date(2026, 11, 23, 2, 0, 0, 123_000_000, time.UTC)
	expiry = time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)
)

func TestEnsureBranchAdopts(t *testing.T) {
	held := Branch{ID: "br-held-000001", Project: project, Name: name, Parent: mainBranch, ParentLSN: "0/1A2B3C0", ParentTime: early, State: "ready"}
	other := func(change func(*Branch)) Branch { b := held; change(&b); return b }
	for _, tc := range []struct {
		name   string
		there  Branch
		point  Point
		parent string
		kind   error
	}{
		{"head", held, Point{}, "", nil},
		{"the LSN", held, Point{LSN: "0/1A2B3C0"}, "", nil},
		{"the LSN written otherwise", held, Point{LSN: "0/01a2b3c0"}, "", nil},
		{"the LSN moved to where a record begins", held, Point{LSN: "0/1A2B3B9"}, "", nil},
		{"an LSN one record before", held, Point{LSN: "0/1A2B3B8"}, "", ErrWrongPoint},
		{"an LSN within the record", held, Point{LSN: "0/1A2B3C1"}, "", ErrWrongPoint},
		{"the time", held, Point{Time: early}, "", nil},
		{"the time with more digits", held, Point{Time: early.Add(900 * time.Microsecond)}, "", nil},
		{"the time in another zone", held, Point{Time: early.In(time.FixedZone("EST", -5*3600))}, "", nil},
		{"the parent", held, Point{}, mainBranch, nil},
		{"another LSN", held, Point{LSN: "0/1A2B3C8"}, "", ErrWrongPoint},
		{"another time", held, Point{Time: early.Add(time.Millisecond)}, "", ErrWrongPoint},
		{"an LSN that is not told", other(func(b *Branch) { b.ParentLSN = "" }), Point{LSN: "0/1A2B3C0"}, "", ErrWrongPoint},
		{"a time that is not told", other(func(b *Branch) { b.ParentTime = time.Time{} }), Point{Time: early}, "", ErrWrongPoint},
		{"another parent", held, Point{}, "br-else-000001", ErrConflict},
		{"a root", other(func(b *Branch) { b.Parent = "" }), Point{}, "", ErrConflict},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, c := newFake(t)
			f.branches = append(f.branches, Branch{ID: "br-near-000001", Project: project, Name: name + "2", State: "ready"}, tc.there)
			s := BranchSpec{Project: project, Name: name, Point: tc.point, Parent: tc.parent, Endpoint: ReadOnly, ExpiresAt: expiry.Add(time.Millisecond)}
			got, err := c.EnsureBranch(t.Context(), s)
			if !errors.Is(err, tc.kind) {
				t.Fatalf("got %v, want %v", err, tc.kind)
			}
			if f.count("POST branches") != 0 {
				t.Error("a branch was created")
			}
			if tc.kind != nil {
				if Retryable(err) {
					t.Error("a mismatch is retryable")
				}
				return
			}
			if got.Branch.ID != held.ID || !got.Adopted || !got.Branch.ExpiresAt.Equal(expiry) || got.Endpoint == nil || got.Endpoint.Branch != held.ID {
				t.Errorf("got %+v", got)
			}
			if _, err := c.EnsureBranch(t.Context(), s); err != nil || f.count("POST endpoints") != 1 || f.count("PATCH "+held.ID) != 1 {
				t.Errorf("the second time: %v, %d computes made, %d changes", err, f.count("POST endpoints"), f.count("PATCH "+held.ID))
			}
		})
	}
}

// A new branch that holds another point than asked for looks like a success.
func TestEnsureBranchReadsThePointBack(t *testing.T) {
	for what, point := range map[string]Point{"LSN": {LSN: "0/1A2B3C0"}, "time": {Time: early}} {
		t.Run(what, func(t *testing.T) {
			f, c := newFake(t)
			// The answer of the creation is right; the branch itself is not.
			f.fail(&fault{call: "GET br-test-000001", times: 1, status: 503, before: func() {
				f.branches[1].ParentLSN, f.branches[1].ParentTime = "0/FFFFFF", early.Add(time.Hour)
			}})
			_, err := c.EnsureBranch(t.Context(), BranchSpec{Project: project, Name: name, Point: point})
			if !errors.Is(err, ErrWrongPoint) {
				t.Fatal(err)
			}
		})
	}
}

func TestEnsureBranchRefusesBeforeAnyCall(t *testing.T) {
	f, c := newFake(t)
	for what, tc := range map[string]struct {
		spec BranchSpec
		kind error
	}{
		"foreign name":  {BranchSpec{Project: project, Name: "main"}, ErrNotOwn},
		"only a prefix": {BranchSpec{Project: project, Name: "lifeboat/"}, ErrNotOwn},
		"no name":       {BranchSpec{Project: project}, ErrInvalid},
		"path for id":   {BranchSpec{Project: "../../users/me", Name: name}, ErrInvalid},
		"parent":        {BranchSpec{Project: project, Name: name, Parent: "br/x"}, ErrInvalid},
		"two points":    {BranchSpec{Project: project, Name: name, Point: Point{LSN: "0/1", Time: early}}, ErrInvalid},
		"no LSN":        {BranchSpec{Project: project, Name: name, Point: Point{LSN: "0/1FFFFFFFF"}}, ErrInvalid},
		"compute":       {BranchSpec{Project: project, Name: name, Endpoint: "read"}, ErrInvalid},
	} {
		if _, err := c.EnsureBranch(t.Context(), tc.spec); !errors.Is(err, tc.kind) {
			t.Errorf("%s: got %v, want %v", what, err, tc.kind)
		}
	}
	if len(f.calls) != 0 {
		t.Errorf("calls were made: %v", f.calls)
	}
}

// Two workers at the same time: one creates, the other is told 409 and adopts.
func TestEnsureBranchRaces(t *testing.T) {
	f, c := newFake(t)
	f.fail(&fault{call: "POST branches", times: 1, status: 409, body: `{"message":"branch already exists"}`, before: func() {
		f.branches = append(f.branches, Branch{ID: "br-race-000001", Project: project, Name: name, Parent: mainBranch, State: "ready"})
	}})
	got, err := c.EnsureBranch(t.Context(), BranchSpec{Project: project, Name: name})
	if err != nil || got.Branch.ID != "br-race-000001" || !got.Adopted {
		t.Fatalf("%+v, %v", got, err)
	}
}

// A branch that goes away while it is adopted is made anew by the next try.
func TestEnsureBranchMeetsADeletion(t *testing.T) {
	f, c := newFake(t)
	f.branches = append(f.branches, Branch{ID: "br-gone-000001", Project: project, Name: name, Parent: mainBranch, State: "ready"})
	f.fail(&fault{call: "GET /operations", times: 1, status: 503, before: func() { f.branches = f.branches[:1] }})
	if _, err := c.EnsureBranch(t.Context(), BranchSpec{Project: project, Name: name}); !errors.Is(err, ErrBusy) || !Retryable(err) {
		t.Fatal(err)
	}
	if got, err := c.EnsureBranch(t.Context(), BranchSpec{Project: project, Name: name}); err != nil || got.Adopted {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestEnsureBranchManyAtOnce(t *testing.T) {
	f, c := newFake(t)
	var all sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		all.Go(func() {
			got, err := c.EnsureBranch(t.Context(), BranchSpec{Project: project, Name: name})
			if err != nil {
				t.Error(err)
			}
			ids[i] = got.Branch.ID
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("different branches: %v", ids)
		}
	}
	if len(f.branches) != 2 {
		t.Errorf("%d branches", len(f.branches))
	}
}

func TestBranchesReadsEveryPage(t *testing.T) {
	f, c := newFake(t)
	f.pageSize = 3
	for i := range 10 {
		f.branches = append(f.branches, Branch{ID: fmt.Sprintf("br-many-%06d", i), Project: project, Name: fmt.Sprintf("lifeboat/%d", i), State: "ready"})
	}
	all, err := c.Branches(t.Context(), project)
	if err != nil || len(all) != 11 {
		t.Fatalf("%d branches, %v", len(all), err)
	}
	b, err := c.BranchByName(t.Context(), project, "lifeboat/9")
	if err != nil || b.ID != "br-many-000009" {
		t.Fatalf("%+v, %v", b, err)
	}
	if _, err := c.BranchByName(t.Context(), project, "lifeboat/"); !IsNotFound(err) {
		t.Errorf("a part of a name found something: %v", err)
	}
	if d, err := c.DefaultBranch(t.Context(), project); err != nil || d.ID != mainBranch {
		t.Errorf("%+v, %v", d, err)
	}
}
