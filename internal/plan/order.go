package plan

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Action is one kind of change that an order can allow.
type Action string

const (
	// CreateInVault writes new objects into a vault and never replaces or deletes one; it also makes
	// locks longer.
	CreateInVault Action = "vault.create"
	// OwnBranches creates and deletes branches whose names begin with "lifeboat/".
	OwnBranches Action = "branch.own"
	// OwnDatabases creates and drops databases whose names begin with "lifeboat_scratch_".
	OwnDatabases Action = "database.own"
	// FillEmptyTarget restores into a database that the configuration names as a target, when it is empty.
	FillEmptyTarget Action = "target.fill"
	// CopyToVault copies backups of the order's components, as they are, into a vault that it names. It creates
	// objects and makes locks longer.
	CopyToVault Action = "vault.copy"
)

// StandingActions are all actions a standing order may allow.
var StandingActions = []Action{CreateInVault, OwnBranches, OwnDatabases, FillEmptyTarget, CopyToVault}

// Order says what routine work may do without asking anybody again. Its owners sign it; its digest is in
// every guard that leans on it.
type Order struct {
	Format      int      `json:"format"`
	Kind        string   `json:"kind"` // "standing"
	Application string   `json:"application"`
	Actions     []Action `json:"actions"`
	Components  []string `json:"components"`
	Targets     []string `json:"targets,omitempty"`
	// Vaults are those that backups may be copied to.
	Vaults  []string  `json:"vaults,omitempty"`
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`
}

// Validate reports everything that is wrong with an order, whoever signed it.
func (o Order) Validate() error {
	var errs []error
	if o.Format != 1 {
		errs = append(errs, fmt.Errorf("order format %d is not known, only 1", o.Format))
	}
	if o.Kind != "standing" {
		errs = append(errs, fmt.Errorf("order kind %q is not known, only \"standing\"", o.Kind))
	}
	if o.Application == "" {
		errs = append(errs, errors.New("the order names no application"))
	}
	for _, a := range o.Actions {
		if !slices.Contains(StandingActions, a) {
			errs = append(errs, fmt.Errorf("a standing order cannot allow %q", a))
		}
	}
	if !o.Expires.After(o.Issued) {
		errs = append(errs, errors.New("the order expires before it is issued"))
	}
	return errors.Join(errs...)
}

// Allows says whether the order lets the guard's work do action at time now. The error says what is
// missing. An order speaks of components for everything but targets and vaults that are copied to, which it
// names one by one.
func (o Order) Allows(g Guard, application string, action Action, now time.Time) error {
	switch {
	case g.Mode != ModeStanding:
		return fmt.Errorf("a standing order does not cover mode %q", g.Mode)
	case o.Application != application:
		return fmt.Errorf("the order is for application %q, not %q", o.Application, application)
	case now.Before(o.Issued):
		return fmt.Errorf("the order is valid from %s on", o.Issued.Format(time.RFC3339))
	case !now.Before(o.Expires):
		return fmt.Errorf("the order expired at %s", o.Expires.Format(time.RFC3339))
	case !slices.Contains(o.Actions, action):
		return fmt.Errorf("the order does not allow %s", action)
	}
	names := o.Components
	switch action {
	case FillEmptyTarget:
		names = o.Targets
	case CopyToVault:
		names = o.Vaults
	}
	if !slices.Contains(names, g.Target) {
		return fmt.Errorf("the order does not name %q for %s", g.Target, action)
	}
	return nil
}
