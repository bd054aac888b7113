package activities

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// onDatabase says which database a query asks.
type onDatabase struct {
	Component string `json:"component"`
	// At is the site of a component's database; empty for where it lives before any failover.
	At string `json:"at"`
	// Purpose is that of a branch which this very execution made of the component.
	Purpose string `json:"purpose"`
	Target  string `json:"target"`
	Branch  *struct {
		Site     string `json:"site"`
		Name     string `json:"name"`
		Database string `json:"database"`
	} `json:"branch"`
}

// planned says that the database is a branch which a plan only intends to make.
func (on onDatabase) planned(g plan.Guard) bool {
	return g.Mode == plan.ModePlan && on.Purpose != ""
}

// queryExpect is what the answer to a query has to be.
type queryExpect struct {
	Rows        *float64 `json:"rows"`
	RowsAtLeast *float64 `json:"rows_at_least"`
	Equals      any      `json:"equals"`
	AtLeast     *float64 `json:"at_least"`
}

// CheckSQL asks a database one read-only question, and fails when the answer is not as expected. It changes
// nothing, so it also runs in a plan; it asks what the signed runbook asks and nothing else. Its errors tell
// counts, never values.
func (s *Steps) CheckSQL(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		On     onDatabase  `json:"on"`
		Query  string      `json:"query"`
		Args   []any       `json:"args"`
		Expect queryExpect `json:"expect"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if err := s.Orders.CheckLook(in, "CheckSQL"); err != nil {
		return StepDone{}, err
	}
	if p.On.planned(in.Guard) {
		return intended(in.With, map[string]any{"rows": 0.0, "value": ""}), nil
	}
	defer alive(ctx, &counter{})()
	address, err := s.addressOf(ctx, in.Guard, p.On)
	if err != nil {
		return StepDone{}, err
	}
	conn, err := postgres.Connect(ctx, address, postgres.Options{ReadOnly: true, AppName: "lifeboat check"})
	if err != nil {
		return StepDone{}, classify(err, "connect to the database")
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, value, err := postgres.AskWith(ctx, conn, p.Query, p.Args)
	if err != nil {
		return StepDone{}, classify(err, "run the query of step "+in.Guard.Step)
	}
	if err := p.Expect.expect().Check(rows, value); err != nil {
		return StepDone{}, hinted(TypeUnexpected, err, "look at the database with the step's query; retry asks again", "the answer to step %s is not as expected", in.Guard.Step)
	}
	text := ""
	if value != nil {
		text = shown(*value)
	}
	return s.done(in.Guard, map[string]any{"rows": float64(rows), "value": text})
}

func (s *Steps) addressOf(ctx context.Context, g plan.Guard, on onDatabase) (secret.String, error) {
	switch {
	case on.Component != "" && on.Purpose != "":
		return s.ownAddress(ctx, g, on)
	case on.Component != "":
		place, err := s.sourceOf(g, on.Component, on.At)
		if err != nil {
			return secret.String{}, err
		}
		address, err := place.Address(ctx, "")
		return address, classify(err, "find the database of "+on.Component)
	case on.Target != "":
		place, err := s.Crew.Place(nil, Target{Kind: NamedTarget, Name: on.Target})
		if err != nil {
			return secret.String{}, err
		}
		address, err := place.Address(ctx, Target{Kind: NamedTarget, Name: on.Target})
		return address, classify(err, "find target "+on.Target)
	case on.Branch != nil:
		target := Target{Kind: BranchTarget, Site: on.Branch.Site, Branch: on.Branch.Name, Database: on.Branch.Database}
		place, err := s.Crew.Place(nil, target)
		if err != nil {
			return secret.String{}, err
		}
		address, err := place.Address(ctx, target)
		return address, classify(err, "find branch "+on.Branch.Name)
	}
	return secret.String{}, InvalidInput("the query says no database: give on.component, on.target or on.branch")
}

// ownAddress is the way to a branch that this execution made of a component.
func (s *Steps) ownAddress(ctx context.Context, g plan.Guard, on onDatabase) (secret.String, error) {
	if on.At != "" {
		return secret.String{}, InvalidInput("both at and purpose are given: choose one")
	}
	source, err := s.brancher(on.Component)
	if err != nil {
		return secret.String{}, err
	}
	name := ownBranch(g, on.Purpose)
	id, err := source.Named(ctx, name)
	if err != nil {
		return secret.String{}, classify(err, "find branch "+name)
	}
	if id == "" {
		return secret.String{}, NotFound("make it with a step of type branch before", "this execution has no branch %s", name)
	}
	address, err := source.BranchAddress(ctx, id)
	return address, classify(err, "find the way to branch "+name)
}

// expect is what the catalogue's words mean.
func (e queryExpect) expect() Expect {
	whole := func(f *float64) *int64 {
		if f == nil {
			return nil
		}
		n := int64(*f)
		return &n
	}
	out := Expect{Rows: whole(e.Rows), RowsAtLeast: whole(e.RowsAtLeast), AtLeast: e.AtLeast}
	if e.Equals != nil {
		text := plainText(e.Equals)
		out.Equals = &text
	}
	return out
}

// plainText is a single JSON value as PostgreSQL writes it.
func plainText(v any) string {
	switch v := v.(type) {
	case bool:
		return map[bool]string{true: "t", false: "f"}[v]
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// CheckReadiness says how old the newest verified restore points are, and fails when one is too old or
// nothing is known of it. It changes nothing.
func (s *Steps) CheckReadiness(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Components []string `json:"components"`
		Within     string   `json:"within"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	limit, err := plan.ParseDuration(p.Within)
	if p.Within != "" && err != nil {
		return StepDone{}, InvalidInput("within: %v", err)
	}
	// Its receipt speaks for the step: nobody may get one for another.
	if err := s.Orders.CheckLook(in, "CheckReadiness"); err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	alerts := Alerts{Crew: s.Crew, Finder: s.Finder}
	all, err := alerts.EvaluateProtection(ctx)
	if err != nil {
		return StepDone{}, classify(err, "look at the restore points")
	}
	looked, late := 0, []string{}
	oldest := time.Duration(0)
	wanted := map[string]bool{}
	for _, name := range p.Components {
		if _, err := s.Crew.Component(name); err != nil {
			return StepDone{}, err
		}
		wanted[name] = true
	}
	for _, c := range all.Components {
		if len(wanted) > 0 && !wanted[c.Component] {
			continue
		}
		looked++
		age := all.At.Sub(c.VerifiedPoint)
		bad := c.State != "ok" && c.State != "unreplicated" && c.State != "unfollowed" // it is about restore points, wherever they are
		if limit > 0 && c.State != "unknown" && !c.VerifiedPoint.IsZero() {
			bad = age > limit
		}
		if bad {
			late = append(late, c.Component+" is "+c.State)
		}
		if !c.VerifiedPoint.IsZero() {
			oldest = max(oldest, age)
		}
	}
	if len(late) > 0 {
		return StepDone{}, hinted(TypeUnexpected, nil, "make and verify backups first, or decide what is lost without: lifeboat status", "not ready: %v", late)
	}
	return s.done(in.Guard, map[string]any{"components": float64(looked), "late": 0.0, "oldest": oldest.Round(time.Second).String()})
}
