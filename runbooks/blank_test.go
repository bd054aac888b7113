package runbooks_test

import (
	"testing"

	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// TestOnlyWhatMayBeSeenIsLeft: the rest of the text is the template's own, to the last character.
func TestOnlyWhatMayBeSeenIsLeft(t *testing.T) {
	may := func(r runbooks.Reference, value string) bool { return r.Name == "backup" && value == "b-1" }
	for _, c := range []struct{ template, filled, want string }{
		{"Restore ${steps.a.backup} of ${inputs.who}?", "Restore b-1 of Jane Doe?", "Restore b-1 of …?"},
		{"${inputs.who}", "Jane\nDoe", "…"},
		{"nothing to fill in ($${x})", "nothing to fill in (${x})", "nothing to fill in (${x})"},
		{"${inputs.a}${steps.a.backup}", "b-1", "…b-1"},
	} {
		if got, err := runbooks.Blank(c.template, c.filled, may); err != nil || got != c.want {
			t.Errorf("%q: %q, %v", c.template, got, err)
		}
	}
	if got, err := runbooks.Blank("Restore ${steps.a.backup}?", "Jane Doe was here", may); err == nil {
		t.Errorf("a text that is not the runbook's: %q", got)
	}
}
