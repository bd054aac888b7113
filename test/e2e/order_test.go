package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// refuseWithoutOrder gives the worker an order that has ended, then one that nobody signed: a backup is
// refused before anything is made, and people hear of it.
func (r *rig) refuseWithoutOrder(t *testing.T) {
	path := filepath.Join(r.stack.Dir, "order.json")
	valid, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.WriteFile(path, valid, 0o600); err != nil {
			t.Error(err)
		}
	}()
	day := 24 * time.Hour
	now := time.Now().UTC().Truncate(time.Second)
	for name, order := range map[string][]byte{
		"ended":    r.order(t, now.Add(-2*day), now.Add(-day), true),
		"unsigned": r.order(t, now, now.Add(day), false),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, order, 0o600); err != nil {
				t.Fatal(err)
			}
			r.worker.Kill()
			r.startWorker()
			files, told := r.vaultFiles(t, ""), len(r.stack.Inbox.Messages())
			run := r.begin(workflows.BackupID("database", time.Now())+"-"+name, workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "database"})
			if err := r.end(run, nil); err == nil || !strings.Contains(err.Error(), activities.TypeNotAllowed) {
				t.Errorf("the backup ended with %v", err)
			}
			if now := r.vaultFiles(t, ""); now != files {
				t.Errorf("the vault holds %d files, %d before", now, files)
			}
			if left := r.leftovers(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			var said strings.Builder
			for _, m := range r.stack.Inbox.Messages()[told:] {
				said.Write(m.Body)
			}
			if !strings.Contains(said.String(), "backup.failed") || !strings.Contains(said.String(), activities.TypeNotAllowed) {
				t.Errorf("people were told %s", said.String())
			}
		})
	}
}

// order renders a standing order, signed by two owners of the stack's roster.
func (r *rig) order(t *testing.T, issued, expires time.Time, signed bool) []byte {
	t.Helper()
	order, err := roster.NewSigned(plan.Order{
		Format: 1, Kind: "standing", Application: "medlink", Actions: plan.StandingActions,
		Components: []string{"database"}, Targets: []string{"spare"}, Issued: issued, Expires: expires,
	})
	if err != nil {
		t.Fatal(err)
	}
	if signed {
		for _, who := range []string{"alice", "bob"} {
			if err := order.Sign(r.person(t, who)); err != nil {
				t.Fatal(err)
			}
		}
	}
	data, err := order.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}
