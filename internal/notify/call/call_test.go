package call_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/notify"
	"github.com/lifeboat-dr/lifeboat/internal/notify/call"
	"github.com/lifeboat-dr/lifeboat/internal/notify/pagerduty"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
)

// exchange notes who was called, and fails to reach whom it is told.
type exchange struct {
	called []string
	fails  []string
}

var errBusy = errors.New("busy")

func (x *exchange) note(name string) error {
	x.called = append(x.called, name)
	if slices.Contains(x.fails, name) {
		return errBusy
	}
	return nil
}

func (x *exchange) Call(_ context.Context, to string, _ notify.Message, _ call.Page) error {
	return x.note(to)
}

type pager struct {
	*exchange
	name string
}

func (p pager) Send(_ context.Context, action pagerduty.Action, key string, _ notify.Message) error {
	return p.note(p.name + " " + string(action) + " " + key)
}

func newCaller() (*call.Caller, *exchange) {
	x := &exchange{}
	v := roster.First(time.Now())
	v.People = []roster.Person{
		{ID: "anna", Name: "Anna", Roles: []string{"approver", "commander"}, Slack: &roster.Slack{Team: "T", User: "UANNA"}, Pager: "night"},
		{ID: "amir", Name: "Amir", Roles: []string{"approver"}, Slack: &roster.Slack{Team: "T", User: "UAMIR"}},
		{ID: "olga", Name: "Olga", Roles: []string{"owner"}, Pager: "gone"},
	}
	return &call.Caller{
		People: func() (*roster.Roster, error) { return &roster.Roster{Version: v}, nil }, Chat: x, Webhooks: []string{"inbox"},
		Pagers: map[string]call.Pager{"night": pager{x, "night"}, "day": pager{x, "day"}}, Log: slog.New(slog.DiscardHandler),
	}, x
}

var (
	message = notify.Message{ID: "1", Kind: "page", Severity: notify.Critical, Title: "come", Time: time.Now(), Execution: "x/y/z"}
	page    = call.Page{Action: pagerduty.Trigger, Step: "gate"}
)

// TestWhoIsCalled: each target by every road to it, nobody twice; any stops at the first target that could be reached.
func TestWhoIsCalled(t *testing.T) {
	const night = "night trigger x/y/z/gate"
	for name, c := range map[string]struct {
		targets string
		how     plan.Notify
		fails   []string
		called  []string
		err     error
	}{
		"a person":             {"person:anna", plan.NotifyAll, nil, []string{"UANNA", night}, nil},
		"roles, nobody twice":  {"role:commander role:approver", plan.NotifyAll, nil, []string{"UANNA", night, "UAMIR"}, nil},
		"channel and group":    {"slack:COPS slack:SNIGHT", plan.NotifyAll, nil, []string{"COPS", "SNIGHT"}, nil},
		"a pager":              {"pager:day", plan.NotifyAll, nil, []string{"day trigger x/y/z/gate"}, nil},
		"a webhook":            {"webhook:inbox", plan.NotifyAll, nil, nil, nil},
		"any, the first":       {"person:amir pager:day", plan.NotifyAny, nil, []string{"UAMIR"}, nil},
		"any, the first fails": {"person:amir pager:day", plan.NotifyAny, []string{"UAMIR"}, []string{"UAMIR", "day trigger x/y/z/gate"}, nil},
		"all, one fails":       {"person:amir pager:day", plan.NotifyAll, []string{"UAMIR"}, []string{"UAMIR", "day trigger x/y/z/gate"}, errBusy},
		"no road":              {"person:olga email:x@example.org person:nobody slack:#ops pager:gone webhook:gone", plan.NotifyAll, nil, nil, call.ErrNobody},
	} {
		t.Run(name, func(t *testing.T) {
			caller, x := newCaller()
			x.fails = c.fails
			var targets []plan.Contact
			for _, one := range strings.Fields(c.targets) {
				targets = append(targets, plan.Contact(one))
			}
			if err := caller.Call(t.Context(), message, page, targets, c.how); !errors.Is(err, c.err) {
				t.Errorf("%v, want %v", err, c.err)
			}
			if !slices.Equal(x.called, c.called) {
				t.Errorf("called %v, want %v", x.called, c.called)
			}
		})
	}
}

// TestHowACallEnds: pagers hear of it, nobody is written to again, and no road is no mistake.
func TestHowACallEnds(t *testing.T) {
	caller, x := newCaller()
	over := page
	over.Action = pagerduty.Resolve
	if err := caller.Call(t.Context(), message, over, []plan.Contact{"role:approver", "person:olga"}, plan.NotifyAll); err != nil {
		t.Error(err)
	}
	if !slices.Equal(x.called, []string{"night resolve x/y/z/gate"}) {
		t.Errorf("called %v", x.called)
	}
}
