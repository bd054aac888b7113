package neon

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestRestore(t *testing.T) {
	kept := "lifeboat/region/preserved"
	for _, tc := range []struct {
		name    string
		fault   fault
		point   Point
		posts   int
		adopted bool
	}{
		{"to a time", fault{}, Point{Time: early}, 1, false},
		{"to an LSN", fault{}, Point{LSN: "0/1A2B3C0"}, 1, false},
		{"answer lost", fault{call: "POST restore", times: 1, drop: true}, Point{Time: early}, 1, true},
		{"524", fault{call: "POST restore", times: 1, status: 524, drop: true}, Point{Time: early}, 1, true},
		{"locked", fault{call: "POST restore", times: 2, status: 423, body: lockedBody}, Point{Time: early}, 3, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, c := newFake(t)
			f.fail(&tc.fault)
			s := RestoreSpec{Project: project, Branch: mainBranch, Point: tc.point, PreserveAs: kept}
			got, err := c.Restore(t.Context(), s)
			if err != nil || got.Branch.ID != mainBranch || got.Preserved.Name != kept || !got.PointConfirmed || got.Adopted != tc.adopted {
				t.Fatalf("%+v, %v", got, err)
			}
			again, err := c.Restore(t.Context(), s)
			if err != nil || !again.Adopted || again.Preserved.ID != got.Preserved.ID || f.count("POST restore") != tc.posts {
				t.Errorf("the second time: %+v, %v, sent %d times", again, err, f.count("POST restore"))
			}
			for _, o := range f.ops {
				if !o.Status.Done() {
					t.Errorf("operation %s is %s", o.Action, o.Status)
				}
			}
		})
	}
}

func TestRestoreRefusesBeforeAnyCall(t *testing.T) {
	f, c := newFake(t)
	for what, s := range map[string]RestoreSpec{
		"nothing preserved": {Project: project, Branch: mainBranch, Point: Point{Time: early}},
		"own head":          {Project: project, Branch: mainBranch, PreserveAs: "x"},
		"own head, named":   {Project: project, Branch: mainBranch, Source: mainBranch, PreserveAs: "x"},
		"two points":        {Project: project, Branch: mainBranch, PreserveAs: "x", Point: Point{LSN: "0/1", Time: early}},
		"source":            {Project: project, Branch: mainBranch, Source: "..", PreserveAs: "x", Point: Point{Time: early}},
	} {
		_, err := c.Restore(t.Context(), s)
		if !errors.Is(err, ErrInvalid) || what == "nothing preserved" && !strings.Contains(err.Error(), "is lost") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(f.calls) != 0 {
		t.Errorf("calls were made: %v", f.calls)
	}
}

func TestRestoreReadsThePointBack(t *testing.T) {
	f, c := newFake(t)
	told := func(at time.Time) {
		f.fail(&fault{call: "GET " + mainBranch, times: 1, status: 503, before: func() { f.branches[0].ParentTime = at }})
	}
	told(early.Add(time.Minute))
	s := RestoreSpec{Project: project, Branch: mainBranch, Point: Point{Time: early}, PreserveAs: "lifeboat/a"}
	if _, err := c.Restore(t.Context(), s); !errors.Is(err, ErrWrongPoint) {
		t.Fatal(err)
	}
	told(time.Time{})
	s.PreserveAs = "lifeboat/b"
	if got, err := c.Restore(t.Context(), s); err != nil || got.PointConfirmed {
		t.Fatalf("a point that Neon does not tell counts as confirmed: %+v, %v", got, err)
	}
}

func TestRestoreWithoutAPreservedBranchIsAnError(t *testing.T) {
	f, c := newFake(t)
	f.fail(&fault{call: "POST restore", times: 1, status: 200, body: `{"operations":[]}`})
	_, err := c.Restore(t.Context(), RestoreSpec{Project: project, Branch: mainBranch, Point: Point{Time: early}, PreserveAs: "lifeboat/a"})
	if !errors.Is(err, ErrOperation) {
		t.Fatal(err)
	}
}
