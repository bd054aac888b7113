package activities_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/store/fault"
)

// standing is a standing order of the court's owners, as everybody in it has it.
func (c *court) standing(t *testing.T, by ...string) attempt {
	t.Helper()
	order, err := roster.NewSigned(plan.Order{
		Format: 1, Kind: "standing", Application: "medlink", Actions: plan.StandingActions, Components: []string{"database"}, Targets: []string{"spare"},
		Issued: c.clock.Add(-time.Hour), Expires: c.clock.Add(time.Hour),
	})
	must(t, err)
	for _, who := range by {
		must(t, order.Sign(c.keys[who]))
	}
	c.orders.Standing = order
	return attempt{
		orders: c.orders, component: "database", target: activities.Target{Kind: activities.ScratchTarget, Site: "east", Database: "lifeboat_scratch_x"},
		guard: plan.Guard{Execution: "backup/database/x", Step: "copy", Target: "database", Mode: plan.ModeStanding, Order: order.Digest()},
	}
}

// TestRoutineWorkIsAttacked calls every activity that stands under the standing order as somebody could who owns
// the Temporal namespace or a worker: with no order, with nobody's, with one for something else, with one that
// does not hold any more. Each refuses before it touches anything.
func TestRoutineWorkIsAttacked(t *testing.T) {
	for name, attack := range map[string]func(t *testing.T, c *court) attempt{
		"no guard": func(t *testing.T, c *court) attempt {
			a := c.standing(t, "alice", "bob")
			a.guard = plan.Guard{}
			return a
		},
		"an order of nobody":               guarded(func(g *plan.Guard) { g.Order = strings.Repeat("0", 64) }),
		"no execution":                     guarded(func(g *plan.Guard) { g.Execution = "" }),
		"another component in the guard":   guarded(func(g *plan.Guard) { g.Target = "payroll" }),
		"a component's order for a target": guarded(func(g *plan.Guard) { g.Target = "spare" }),
		"a live guard":                     guarded(func(g *plan.Guard) { g.Mode = plan.ModeLive }),
		"a drill's guard":                  guarded(func(g *plan.Guard) { g.Mode = plan.ModeDrill }),
		"a plan's guard":                   guarded(func(g *plan.Guard) { g.Mode = plan.ModePlan }),
		"a work order instead":             guarded(func(g *plan.Guard) { g.Mode = plan.ModeLive; g.Work = &plan.WorkOrder{Docket: "x"} }),
		"another component in the input":   func(t *testing.T, c *court) attempt { return c.elsewhere(t, "payroll") },
		"a target that the order lacks":    func(t *testing.T, c *court) attempt { return c.filling(t, "production") },
		"an order that nobody signed":      func(t *testing.T, c *court) attempt { return c.standing(t) },
		"an order that one owner signed":   func(t *testing.T, c *court) attempt { return c.standing(t, "alice", "alice") },
		"an order that a commander signed": func(t *testing.T, c *court) attempt { return c.standing(t, "alice", "carol") },
		"an order that an auditor signed":  func(t *testing.T, c *court) attempt { return c.standing(t, "alice", "erin") },
		"an order of another application": func(t *testing.T, c *court) attempt {
			a := c.standing(t, "alice", "bob")
			c.orders.Application = "billing"
			return a
		},
		"an order that ended": func(t *testing.T, c *court) attempt {
			a := c.standing(t, "alice", "bob")
			c.clock = c.clock.Add(2 * time.Hour)
			return a
		},
		"an order of tomorrow": func(t *testing.T, c *court) attempt {
			a := c.standing(t, "alice", "bob")
			c.clock = c.clock.Add(-2 * time.Hour)
			return a
		},
		"an order of an owner who was taken": removed,
		"an order by a key that was revoked": revoked,
		"an edited order":                    edited,
		"a roster that does not hold":        rosterless(roster.ErrUnsigned),
		"a roster that is not the newest":    rosterless(roster.ErrDowngraded),
		"no order at all": func(t *testing.T, c *court) attempt {
			a := c.standing(t, "alice", "bob")
			c.orders.Standing = nil
			return a
		},
		"no roster and no owners": func(t *testing.T, c *court) attempt {
			a := c.standing(t, "alice", "bob")
			c.orders.People = nil
			return a
		},
	} {
		t.Run(name, func(t *testing.T) { refusedByEvery(t, attack(t, newCourt(t))) })
	}
	// What holds is not refused for the order: else nothing above would be proven.
	c := newCourt(t)
	a := c.standing(t, "alice", "bob")
	if err := a.orders.CheckFor(a.guard, "database", plan.CreateInVault); err != nil {
		t.Fatalf("the order that holds is refused: %v", err)
	}
	o := newOffice(t, "postgresql://nobody@127.0.0.1:1/none")
	o.dumps.Orders = a.orders
	if _, err := o.env.ExecuteActivity(o.dumps.CopyChunks, activities.CopyChunksInput{Guard: a.guard, Component: "database", Backup: backupID, Snapshot: activities.Snapshot{ID: "s1"}, To: 1}); err == nil || strings.Contains(err.Error(), activities.TypeNotAllowed) || o.vault.Calls(fault.Any) == 0 {
		t.Errorf("under the order that holds: %v", err)
	}
}

func guarded(change func(*plan.Guard)) func(*testing.T, *court) attempt {
	return func(t *testing.T, c *court) attempt {
		a := c.standing(t, "alice", "bob")
		change(&a.guard)
		return a
	}
}

func (c *court) elsewhere(t *testing.T, component string) attempt {
	a := c.standing(t, "alice", "bob")
	a.component = component
	return a
}

// filling asks for a restore into a database that the order does not name; activities that take no target are
// asked for the component of that name.
func (c *court) filling(t *testing.T, target string) attempt {
	a := c.standing(t, "alice", "bob")
	a.component, a.guard.Target = "database", target
	a.target = activities.Target{Kind: activities.NamedTarget, Name: target}
	return a
}

func removed(t *testing.T, c *court) attempt {
	a := c.standing(t, "alice", "bob")
	c.change(t, func(v *roster.Version) error { return v.Remove("bob") })
	return a
}

func revoked(t *testing.T, c *court) attempt {
	a := c.standing(t, "alice", "bob")
	c.change(t, func(v *roster.Version) error {
		bob, _ := c.people.Person("bob")
		return v.RevokeKey("bob", bob.Keys[0].Key.Fingerprint(), c.clock.Add(-time.Minute))
	})
	return a
}

func edited(t *testing.T, c *court) attempt {
	a := c.standing(t, "alice", "bob")
	c.orders.Standing.Order = strings.Replace(c.orders.Standing.Order, `"database"`, `"payroll"`, 1)
	a.component, a.guard.Target, a.guard.Order = "payroll", "payroll", c.orders.Standing.Digest()
	return a
}

func rosterless(why error) func(*testing.T, *court) attempt {
	return func(t *testing.T, c *court) attempt {
		a := c.standing(t, "alice", "bob")
		c.orders.People = func() (*roster.Roster, error) { return nil, errors.Join(errors.New("read roster"), why) }
		return a
	}
}
