package activities

import (
	"context"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// placeNamed is a database that is known by its address only.
type placeNamed struct {
	Source
	name string
}

func (p placeNamed) Address(context.Context, string) (secret.String, error) {
	return secret.New("postgres://" + p.name), nil
}

// TestADatabaseIsFoundByItsSite: a step that names a site gets the database there, and never another one.
func TestADatabaseIsFoundByItsSite(t *testing.T) {
	steps := &Steps{Crew: &Crew{Components: map[string]*Component{
		"database": {Name: "database", Site: "east", Source: placeNamed{name: "source"}, Standby: placeNamed{name: "standby"}, StandbySite: "west"},
		"single":   {Name: "single", Site: "east", Source: placeNamed{name: "single"}},
	}}}
	for _, c := range []struct{ component, at, want string }{
		{"database", "", "postgres://source"}, {"database", "east", "postgres://source"}, {"database", "west", "postgres://standby"},
		{"single", "", "postgres://single"}, {"single", "east", "postgres://single"}, {"database", "north", ""}, {"single", "west", ""},
	} {
		got, err := steps.addressOf(t.Context(), plan.Guard{}, onDatabase{Component: c.component, At: c.at})
		if got.Reveal() != c.want || (c.want == "") != (typeOf(err) == TypeConfiguration) {
			t.Errorf("%s at %q: %q, %v", c.component, c.at, got.Reveal(), err)
		}
	}
}

// TestAStandbyThatIsNotWellIsTheNews only where nothing worse is.
func TestAStandbyThatIsNotWellIsTheNews(t *testing.T) {
	bad := &StandbyProtection{State: "late", Detail: "behind"}
	for _, c := range []struct {
		before  string
		standby *StandbyProtection
		after   string
	}{{"ok", nil, "ok"}, {"ok", &StandbyProtection{State: "ok"}, "ok"}, {"ok", bad, "unfollowed"}, {"late", bad, "late"}, {"unreplicated", bad, "unreplicated"}} {
		p := ComponentProtection{State: c.before}
		if p.follows(c.standby); p.State != c.after || p.State == "unfollowed" && p.Detail != "behind" || p.Standby != c.standby {
			t.Errorf("%+v became %+v", c, p)
		}
	}
}
