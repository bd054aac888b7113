package activities

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/epoch"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// Orders checks, in every activity that changes something, that an order of the owners allows it.
// Workflow code is no border: whoever owns the namespace can start any activity with any input.
type Orders struct {
	Application string
	// Standing is the configuration's signed order; its signatures are checked at every use, so that a
	// key that is no longer valid stops the work.
	Standing *roster.Signed
	// Owners are those who may sign orders where there is no roster, and Required how many of them must have
	// signed. Both are empty where there is one: then its owners sign, as many as its newest version asks for.
	Owners   *signature.Verifier
	Required int
	// People is the roster as it is now; nil when there is none, and then no execution of a runbook.
	People func() (*roster.Roster, error)
	// Genuine says whether a worker of this fleet made a receipt.
	Genuine func(plan.Receipt) bool
	// Target says why an execution may not act on a target in its mode.
	Target func(plan.Brief, plan.Guard) error
	// Epochs are the failovers that the vaults know of: an execution that was begun before the last one does
	// nothing any more. nil where there are no vaults to ask, as in tests.
	Epochs *epoch.Ledger
	// Vouchers are the workers whose word for a click counts; nil for none.
	Vouchers *signature.Verifier
	// ClicksSuffice gives up that somebody signs an irreversible live step with their own key.
	ClicksSuffice bool
	// Now is the clock; nil means the system's.
	Now func() time.Time
}

// Check returns nil when the guard's order allows action. Its error is of type NotAllowed.
func (o *Orders) Check(g plan.Guard, action plan.Action) error {
	now := o.now()
	if g.Execution == "" || g.Step == "" || g.Target == "" {
		return InvalidInput("the guard is incomplete: execution %q, step %q, target %q", g.Execution, g.Step, g.Target)
	}
	if o.Standing == nil || g.Order != o.Standing.Digest() {
		return hinted(TypeNotAllowed, nil, "the order was replaced while the execution ran: start it again", "%s is not allowed: the guard names another order", action)
	}
	order, err := o.Open()
	if err != nil {
		return NotAllowed(err, string(action))
	}
	if err := order.Allows(g, o.Application, action, now); err != nil {
		return NotAllowed(err, string(action))
	}
	return nil
}

// Open is the standing order, when enough of those who may sign one did, with keys that count now.
func (o *Orders) Open() (plan.Order, error) {
	if o.Owners != nil {
		return o.Standing.Open(o.Owners, o.Required, o.now())
	}
	if o.People == nil {
		return plan.Order{}, errors.New("nobody is configured who may sign orders")
	}
	people, err := o.People()
	if err != nil {
		return plan.Order{}, fmt.Errorf("the roster, whose owners sign orders, does not hold: %w", err)
	}
	return o.Standing.OpenBy(people, o.now())
}

// CheckFor is Check for work on a component. The guard has to name that very component: an order for one is
// none for another.
func (o *Orders) CheckFor(g plan.Guard, component string, action plan.Action) error {
	if err := o.Check(g, action); err != nil {
		return err
	}
	if g.Target != component {
		return NotAllowed(fmt.Errorf("the guard is for %q", g.Target), string(action)+" on "+component)
	}
	return nil
}

// CheckCopy is Check for copying a component's backups into a vault. The guard names the vault, and the order both.
func (o *Orders) CheckCopy(g plan.Guard, component, vault string) error {
	if err := o.CheckFor(g, vault, plan.CopyToVault); err != nil {
		return err
	}
	order, err := o.Open()
	if err == nil && !slices.Contains(order.Components, component) {
		err = fmt.Errorf("the order does not name %q", component)
	}
	if err != nil {
		return NotAllowed(err, "copying backups of "+component+" to "+vault)
	}
	return nil
}
