package plan

import (
	"strings"
	"testing"
	"time"
)

func TestOrderAllows(t *testing.T) {
	now := time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)
	order := Order{
		Format: 1, Kind: "standing", Application: "medlink",
		Actions: []Action{CreateInVault, FillEmptyTarget, CopyToVault}, Components: []string{"database"}, Targets: []string{"spare"}, Vaults: []string{"west"},
		Issued: now.Add(-time.Hour), Expires: now.Add(time.Hour),
	}
	if err := order.Validate(); err != nil {
		t.Fatal(err)
	}
	good := Guard{Mode: ModeStanding, Target: "database"}
	for _, tc := range []struct {
		name   string
		guard  Guard
		app    string
		action Action
		at     time.Time
		want   string // part of the error, empty for allowed
	}{
		{"allowed", good, "medlink", CreateInVault, now, ""},
		{"target by name", Guard{Mode: ModeStanding, Target: "spare"}, "medlink", FillEmptyTarget, now, ""},
		{"a component is no target", good, "medlink", FillEmptyTarget, now, "does not name"},
		{"vault by name", Guard{Mode: ModeStanding, Target: "west"}, "medlink", CopyToVault, now, ""},
		{"another vault", Guard{Mode: ModeStanding, Target: "east"}, "medlink", CopyToVault, now, "does not name"},
		{"a component is no vault", good, "medlink", CopyToVault, now, "does not name"},
		{"a vault is no component", Guard{Mode: ModeStanding, Target: "west"}, "medlink", CreateInVault, now, "does not name"},
		{"other component", Guard{Mode: ModeStanding, Target: "uploads"}, "medlink", CreateInVault, now, "does not name"},
		{"other application", good, "other", CreateInVault, now, "is for application"},
		{"action not listed", good, "medlink", OwnBranches, now, "does not allow"},
		{"expired", good, "medlink", CreateInVault, now.Add(time.Hour), "expired"},
		{"not yet valid", good, "medlink", CreateInVault, now.Add(-2 * time.Hour), "valid from"},
		{"live mode", Guard{Mode: ModeLive, Target: "database"}, "medlink", CreateInVault, now, "does not cover"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := order.Allows(tc.guard, tc.app, tc.action, tc.at)
			if tc.want == "" && err != nil {
				t.Fatalf("refused: %v", err)
			}
			if tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Fatalf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestOrderValidateNamesEverything(t *testing.T) {
	err := Order{Format: 2, Kind: "forever", Actions: []Action{"delete.everything"}}.Validate()
	for _, want := range []string{"format 2", "forever", "no application", "delete.everything", "expires before"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not mention %q", err, want)
		}
	}
}
