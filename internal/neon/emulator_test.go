package neon

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	emulator "github.com/lifeboat-dr/lifeboat/internal/devstack/neon"
)

// The whole way of a backup's branch, on real servers.
func TestOnRealServers(t *testing.T) {
	r := newRig(t)
	t.Run("a frozen head", r.frozenHead)
	t.Run("answers are lost", r.answersLost)
	t.Run("many at once", r.manyAtOnce)
	t.Run("points in time", r.points)
	t.Run("failures that pass", r.passing)
	t.Run("databases and passwords", r.access)
	t.Run("instant restore", r.restore)
	log := r.log.String()
	if !strings.Contains(log, "op=\"create branch\"") {
		t.Errorf("the log says nothing of repeated calls: %s", log)
	}
	for _, hidden := range []string{testKey, r.main.Config().Password, "postgresql://"} {
		if strings.Contains(log, hidden) {
			t.Error("the log shows a secret")
		}
	}
}

func (r *rig) frozenHead(t *testing.T) {
	r.exec(t, "INSERT INTO claims SELECT generate_series(1, 100)")
	s := BranchSpec{Project: r.project.ProjectID, Name: "lifeboat/head/snapshot", Endpoint: ReadOnly, ExpiresAt: time.Now().Add(time.Hour)}
	got, err := r.client.EnsureBranch(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if got.Adopted || got.Branch.Parent != r.project.BranchID || got.Branch.ParentLSN == "" || got.Branch.ExpiresAt.IsZero() {
		t.Errorf("got %+v", got.Branch)
	}
	r.exec(t, "INSERT INTO claims VALUES (101)")
	conn := r.connect(t, ConnectionSpec{Branch: got.Branch.ID, Endpoint: got.Endpoint.ID})
	if n := rows(t, conn); n != 100 {
		t.Errorf("the frozen branch has %d rows, want 100", n)
	}
	_, err = conn.Exec(t.Context(), "INSERT INTO claims VALUES (0)")
	if refused := (*pgconn.PgError)(nil); !errors.As(err, &refused) || refused.Code != "25006" {
		t.Errorf("a write to the frozen branch: %v", err)
	}
	again, err := r.client.EnsureBranch(t.Context(), s)
	if err != nil || !again.Adopted || again.Branch.ID != got.Branch.ID || again.Endpoint.ID != got.Endpoint.ID {
		t.Fatalf("%+v, %v", again, err)
	}
	for range 2 {
		if err := r.client.DeleteBranch(t.Context(), r.project.ProjectID, got.Branch.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("the deleted branch still answers")
	}
	if err := r.client.DeleteBranch(t.Context(), r.project.ProjectID, r.project.BranchID); !errors.Is(err, ErrNotOwn) {
		t.Errorf("delete production: %v", err)
	}
	r.onlyMain(t)
}

func (r *rig) onlyMain(t *testing.T) {
	t.Helper()
	all, err := r.client.Branches(t.Context(), r.project.ProjectID)
	if err != nil || len(all) != 1 || all[0].ID != r.project.BranchID {
		t.Errorf("left over: %+v, %v", all, err)
	}
}

func (r *rig) answersLost(t *testing.T) {
	const name = "lifeboat/lost/snapshot"
	r.road.mu.Lock()
	r.road.lose = map[string]int{http.MethodPost: 1, http.MethodGet: 2}
	r.road.mu.Unlock()
	before := r.road.count(http.MethodPost)
	got, err := r.client.EnsureBranch(t.Context(), BranchSpec{Project: r.project.ProjectID, Name: name, Endpoint: ReadOnly})
	if err != nil || !got.Adopted || r.road.count(http.MethodPost) != before+1 {
		t.Fatalf("%+v, %v, created %d times", got, err, r.road.count(http.MethodPost)-before)
	}
	if n := rows(t, r.connect(t, ConnectionSpec{Branch: got.Branch.ID, Endpoint: got.Endpoint.ID})); n == 0 {
		t.Error("the adopted branch is empty")
	}
	r.road.mu.Lock()
	r.road.lose[http.MethodDelete] = 1
	r.road.mu.Unlock()
	if err := r.client.DeleteBranchByName(t.Context(), r.project.ProjectID, name); err != nil {
		t.Fatal(err)
	}
	r.onlyMain(t)
}

// Neon refuses new operations while others of the project run: all must get through in the end.
func (r *rig) manyAtOnce(t *testing.T) {
	var all sync.WaitGroup
	for _, name := range []string{"lifeboat/a/snapshot", "lifeboat/b/snapshot", "lifeboat/b/snapshot"} {
		all.Go(func() {
			if _, err := r.client.EnsureBranch(t.Context(), BranchSpec{Project: r.project.ProjectID, Name: name}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	all.Wait()
	branches, err := r.client.Branches(t.Context(), r.project.ProjectID)
	if err != nil || len(branches) != 3 {
		t.Errorf("%d branches, want main, a and b; %v", len(branches), err)
	}
	for _, name := range []string{"lifeboat/a/snapshot", "lifeboat/b/snapshot", "lifeboat/b/snapshot"} {
		all.Go(func() {
			if err := r.client.DeleteBranchByName(t.Context(), r.project.ProjectID, name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	all.Wait()
	r.onlyMain(t)
}

func (r *rig) points(t *testing.T) {
	want := rows(t, r.main)
	at, lsn := r.now(t)
	// Points have milliseconds: what is not to be in it must come later than that.
	time.Sleep(5 * time.Millisecond)
	r.exec(t, "DELETE FROM claims")
	for name, point := range map[string]Point{"lifeboat/time/x": {Time: at.Add(2 * time.Millisecond)}, "lifeboat/lsn/x": {LSN: lsn}} {
		got, err := r.client.EnsureBranch(t.Context(), BranchSpec{Project: r.project.ProjectID, Name: name, Point: point, Endpoint: ReadWrite})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := rows(t, r.connect(t, ConnectionSpec{Branch: got.Branch.ID})); n != want {
			t.Errorf("%s has %d rows, want %d", name, n, want)
		}
		other := Point{LSN: "0/1"}
		if _, err := r.client.EnsureBranch(t.Context(), BranchSpec{Project: r.project.ProjectID, Name: name, Point: other, Endpoint: ReadWrite}); !errors.Is(err, ErrWrongPoint) {
			t.Errorf("%s was adopted for another point: %v", name, err)
		}
		if err := r.client.DeleteBranchByName(t.Context(), r.project.ProjectID, name); err != nil {
			t.Error(err)
		}
	}
	_, err := r.client.EnsureBranch(t.Context(), BranchSpec{Project: r.project.ProjectID, Name: "lifeboat/old/x", Point: Point{Time: time.Now().Add(-90 * 24 * time.Hour)}})
	if !OutsideHistory(err) || Retryable(err) {
		t.Errorf("ninety days ago: %v", err)
	}
	r.onlyMain(t)
}

// The emulator's own faults, all at once.
func (r *rig) passing(t *testing.T) {
	const name = "lifeboat/faults/snapshot"
	const branches = "/projects/*/branches"
	for _, f := range []emulator.Fault{
		{Kind: emulator.Locked, Method: http.MethodPost, Path: branches, Times: 5},
		{Kind: emulator.BranchNotReady, Method: http.MethodPost, Path: branches},
		{Kind: emulator.Throttled, Method: http.MethodPost, Path: branches},
		{Kind: emulator.Unavailable, Method: http.MethodPost, Path: branches},
		{Kind: emulator.TimedOut, Method: http.MethodPost, Path: branches},
		{Kind: emulator.Unavailable, Method: http.MethodGet, Path: "/projects/*/operations/*", Times: 2},
		{Kind: emulator.HiddenBranch, Times: 1},
		{Kind: emulator.FailedOperation, Action: "create_branch", RetryAfter: 0.2},
		{Kind: emulator.LostAnswer, Method: http.MethodDelete},
	} {
		if err := r.emulator.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	spec := BranchSpec{Project: r.project.ProjectID, Name: name, Endpoint: ReadOnly}
	got, err := r.client.EnsureBranch(t.Context(), spec)
	if err != nil || !got.Adopted {
		t.Fatalf("%+v, %v", got, err)
	}
	r.connect(t, ConnectionSpec{Branch: got.Branch.ID, Endpoint: got.Endpoint.ID})
	if err := r.client.DeleteBranch(t.Context(), r.project.ProjectID, got.Branch.ID); err != nil {
		t.Fatal(err)
	}
	r.onlyMain(t)

	if err := r.emulator.Inject(emulator.Fault{Kind: emulator.QuotaLocked, Times: -1, Message: "compute time quota exceeded"}); err != nil {
		t.Fatal(err)
	}
	defer r.emulator.ClearFaults()
	if _, err := r.client.EnsureBranch(t.Context(), spec); !errors.Is(err, ErrLimit) || Retryable(err) {
		t.Errorf("quota: %v", err)
	}
}

// Production itself goes back in time; what was lost by that is preserved.
func (r *rig) restore(t *testing.T) {
	r.main = r.connect(t, ConnectionSpec{Branch: r.project.BranchID})
	r.exec(t, "INSERT INTO claims SELECT generate_series(1, 7)")
	_, lsn := r.now(t)
	want := rows(t, r.main)
	r.exec(t, "DELETE FROM claims")
	r.road.mu.Lock()
	r.road.lose[http.MethodPost] = 1
	r.road.mu.Unlock()
	spec := RestoreSpec{Project: r.project.ProjectID, Branch: r.project.BranchID, Point: Point{LSN: lsn}, PreserveAs: "lifeboat/corruption/damaged"}
	got, err := r.client.Restore(t.Context(), spec)
	if err != nil || !got.Adopted || got.Branch.ID != r.project.BranchID || got.Preserved.ID == got.Branch.ID {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := r.main.Ping(t.Context()); err == nil {
		t.Error("sessions from before the restore go on")
	}
	if n := rows(t, r.connect(t, ConnectionSpec{Branch: r.project.BranchID})); n != want {
		t.Errorf("restored to %d rows, want %d", n, want)
	}
	if _, err := r.client.EnsureEndpoint(t.Context(), r.project.ProjectID, got.Preserved.ID, ReadOnly); err != nil {
		t.Fatal(err)
	}
	e, err := r.client.EnsureEndpoint(t.Context(), r.project.ProjectID, got.Preserved.ID, ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	if n := rows(t, r.connect(t, ConnectionSpec{Branch: got.Preserved.ID, Endpoint: e.ID})); n != 0 {
		t.Errorf("the preserved state has %d rows, want none", n)
	}
	if _, err := r.client.Protect(t.Context(), r.project.ProjectID, got.Preserved.ID, true); err != nil {
		t.Fatal(err)
	}
	if err := r.client.DeleteBranch(t.Context(), r.project.ProjectID, got.Preserved.ID); !errors.Is(err, ErrNotOwn) {
		t.Errorf("a protected branch was deleted: %v", err)
	}
}

func (r *rig) access(t *testing.T) {
	p, err := r.client.Project(t.Context(), r.project.ProjectID)
	if err != nil || p.PGVersion < 15 || p.History() != 24*time.Hour || !p.StorePasswords {
		t.Errorf("%+v, %v", p, err)
	}
	for range 2 {
		if _, err := r.client.EnsureDatabase(t.Context(), r.project.ProjectID, r.project.BranchID, "lifeboat_scratch_x", owner); err != nil {
			t.Fatal(err)
		}
	}
	all, err := r.client.Databases(t.Context(), r.project.ProjectID, r.project.BranchID)
	if err != nil || len(all) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	password, err := r.client.RevealPassword(t.Context(), r.project.ProjectID, r.project.BranchID, owner)
	if err != nil || password.Reveal() != r.main.Config().Password {
		t.Errorf("the password is not the one that connects: %v", err)
	}
	if _, err := r.client.SuspendEndpoint(t.Context(), r.project.ProjectID, r.project.EndpointID); err != nil {
		t.Fatal(err)
	}
	if err := r.connect(t, ConnectionSpec{Branch: r.project.BranchID}).Ping(t.Context()); err != nil {
		t.Errorf("a suspended compute does not wake: %v", err)
	}
}
