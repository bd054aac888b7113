package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/standby"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// followParams say which of a component's databases is the primary and which follows it.
type followParams struct {
	Component string `json:"component"`
	From      string `json:"from"`
	To        string `json:"to"`
}

// Reprotect lets a component's database at one site follow the one at another, under a work order. It is safe to
// repeat, and goes on where it was when it was killed; progress is told by heartbeats. A plan looks whether it is possible.
func (s *Steps) Reprotect(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		followParams
		Copy bool `json:"copy"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if err := s.allowStandby(ctx, in, runbooks.ActionReprotect, "Reprotect"); err != nil {
		return StepDone{}, err
	}
	moved := &counter{}
	defer alive(ctx, moved)()
	began := time.Now()
	from, to, err := s.follows(ctx, p.followParams)
	if err != nil {
		return StepDone{}, err
	}
	link := standby.Link{Component: p.Component, Generation: fmt.Sprintf("e%d", in.Guard.Epoch)}
	// One that was begun in an earlier epoch and not promoted since is the same one.
	if known, err := standby.Ask(ctx, to, p.Component); err == nil {
		if known.Promoted.IsZero() || p.Copy {
			link = known.Link
		}
	} else if !errors.Is(err, standby.ErrState) {
		return StepDone{}, standbyError(err, "look at the standby")
	}
	if in.Guard.Mode == plan.ModePlan {
		found, err := standby.Check(ctx, from, to)
		if err != nil {
			return StepDone{}, standbyError(err, "look whether "+p.Component+" can be replicated")
		}
		return intended(in.With, map[string]any{
			"replication": link.Slot(), "tables": float64(len(found.Tables)), "gaps": gapsOf(found.Gaps), "waived": 0.0, "took": "0s",
		}), nil
	}
	establish := standby.Establish
	if !p.Copy {
		establish = standby.Adopt
	}
	made, err := establish(ctx, from, to, link, func(now standby.Progress) { moved.chunks.Store(int64(now.Ready)) })
	if err != nil {
		return StepDone{}, standbyError(err, "replicate "+p.Component)
	}
	return s.done(in.Guard, map[string]any{
		"replication": link.Slot(), "tables": float64(made.Tables), "gaps": gapsOf(made.Gaps), "waived": float64(len(made.Waived)), "took": tookSince(began),
	})
}

// gapsOf tells kinds and counts: the journal is clear, and gets no names of tables.
func gapsOf(gaps []standby.Gap) string {
	var all []string
	for _, g := range gaps {
		kind, _, _ := strings.Cut(g.Kind, ":")
		if g.Count > 0 {
			kind = fmt.Sprintf("%s %d", kind, g.Count)
		}
		all = append(all, kind)
	}
	return strings.Join(all, "; ")
}

// Unprotect takes a replication away, under a work order. It is safe to repeat; a primary that does not answer is
// reported and no failure.
func (s *Steps) Unprotect(ctx context.Context, in StepInput) (StepDone, error) {
	var p followParams
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if err := s.allowStandby(ctx, in, runbooks.ActionUnprotect, "Unprotect"); err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode == plan.ModePlan {
		return intended(in.With, map[string]any{"left": false, "took": "0s"}), nil
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	to, err := s.databaseAt(ctx, p.Component, p.To)
	if err != nil {
		return StepDone{}, err
	}
	known, err := standby.Ask(ctx, to, p.Component)
	if errors.Is(err, standby.ErrState) { // nothing was begun
		return s.done(in.Guard, map[string]any{"left": false, "took": tookSince(began)})
	}
	if err != nil {
		return StepDone{}, standbyError(err, "look at the standby")
	}
	var primary *secret.String
	if from, err := s.databaseAt(ctx, p.Component, p.From); err == nil {
		primary = &from
	} else if typeOf(err) == TypeConfiguration {
		return StepDone{}, err
	}
	gone, err := standby.Remove(ctx, primary, to, known.Link)
	if err != nil {
		return StepDone{}, standbyError(err, "end the replication of "+p.Component)
	}
	return s.done(in.Guard, map[string]any{"left": gone.PrimaryLeft, "took": tookSince(began)})
}

// LookAtStandby measures how far behind a standby is. It changes nothing but a mark in the primary's log and the copies
// of sequences in the standby's record, so it also runs in plans and drills.
func (s *Steps) LookAtStandby(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		followParams
		Within string `json:"within"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	within, err := plan.ParseDuration(p.Within)
	if err != nil {
		return StepDone{}, InvalidInput("within: %v", err)
	}
	if err := s.Orders.CheckLook(in, "LookAtStandby"); err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	state, err := s.standbyState(ctx, p.followParams, within)
	if err != nil {
		return StepDone{}, err
	}
	return s.done(in.Guard, map[string]any{
		"lag": state.Lag.String(), "bytes": float64(state.LagBytes), "kept": float64(state.KeptBytes), "tables": float64(state.Tables),
		"drift": float64(len(state.Drift.All())), "reached": state.Reached,
	})
}

// standbyState is a standby that is whole and within its time.
func (s *Steps) standbyState(ctx context.Context, p followParams, within time.Duration) (standby.State, error) {
	from, to, err := s.follows(ctx, p)
	if err != nil {
		return standby.State{}, err
	}
	known, err := standby.Ask(ctx, to, p.Component)
	if err != nil {
		return standby.State{}, standbyError(err, "look at the standby of "+p.Component)
	}
	state, err := standby.Look(ctx, from, to, known.Link, within)
	if err == nil {
		err = state.Whole()
	}
	return state, standbyError(err, "look at the standby of "+p.Component)
}

// DrainStandby waits until a standby has everything that the primary committed, and proves it. It is safe to repeat. In
// a plan and in a drill it looks at the lag, for production goes on.
func (s *Steps) DrainStandby(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		followParams
		Within  string `json:"within"`
		Compare bool   `json:"compare"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	within, err := plan.ParseDuration(p.Within)
	if err != nil {
		return StepDone{}, InvalidInput("within: %v", err)
	}
	if err := s.Orders.CheckLook(in, "DrainStandby"); err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	if in.Guard.Mode != plan.ModeLive {
		if _, err := s.standbyState(ctx, p.followParams, within); err != nil {
			return StepDone{}, err
		}
		return s.done(in.Guard, map[string]any{"lsn": "", "compared": 0.0, "took": tookSince(began)})
	}
	from, to, err := s.follows(ctx, p.followParams)
	if err != nil {
		return StepDone{}, err
	}
	known, err := standby.Ask(ctx, to, p.Component)
	if err != nil {
		return StepDone{}, standbyError(err, "look at the standby of "+p.Component)
	}
	drained, err := standby.Drain(ctx, from, to, known.Link, standby.DrainOptions{Patience: within, Compare: p.Compare})
	if err != nil {
		return StepDone{}, standbyError(err, "drain the standby of "+p.Component)
	}
	return s.done(in.Guard, map[string]any{"lsn": drained.LSN, "compared": float64(drained.Tables), "took": tookSince(began)})
}

// promoteParams say which standby is promoted and how.
type promoteParams struct {
	Component string  `json:"component"`
	At        string  `json:"at"`
	From      string  `json:"from"`
	Fenced    any     `json:"fenced"`
	Margin    float64 `json:"margin"`
	Check     bool    `json:"check"`
}

// PromoteStandby makes a standby a primary of its own, under a work order. It is safe to repeat: what was promoted is
// left as it is. In a plan it looks whether it could be done; a drill promotes a branch of the standby and removes it.
func (s *Steps) PromoteStandby(ctx context.Context, in StepInput) (StepDone, error) {
	var p promoteParams
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if err := s.allowStandby(ctx, in, runbooks.ActionPromote, "PromoteStandby"); err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	to, err := s.databaseAt(ctx, p.Component, p.At)
	if err != nil {
		return StepDone{}, err
	}
	known, err := standby.Ask(ctx, to, p.Component)
	if err != nil {
		return StepDone{}, standbyError(err, "look at the standby of "+p.Component)
	}
	if in.Guard.Mode == plan.ModePlan {
		if known.Ready < known.Tables || known.Tables == 0 {
			return StepDone{}, hinted(TypeConflict, nil, "wait until the first copy is done, or restore a backup instead", "the standby of %s is not whole: %d of %d tables follow", p.Component, known.Ready, known.Tables)
		}
		return intended(in.With, map[string]any{
			"promoted": "", "reached": "", "exact": false, "sequences": 0.0, "unknown": 0.0, "constraints": 0.0, "stale": 0.0, "left": false, "took": "0s",
		}), nil
	}
	opt := standby.PromoteOptions{Margin: int64(p.Margin), Check: p.Check, Rehearsal: in.Guard.Mode == plan.ModeDrill}
	if opt.Rehearsal {
		branch, remove, err := s.promotedBranch(ctx, in.Guard, p)
		if err != nil {
			return StepDone{}, err
		}
		defer remove()
		to = branch
	} else if p.From != "" {
		// That nobody tells where it is says the same as that it does not answer.
		if from, err := s.databaseAt(ctx, p.Component, p.From); err == nil {
			opt.Primary = &from
		} else if typeOf(err) == TypeConfiguration {
			return StepDone{}, err
		}
	}
	done, err := standby.Promote(ctx, to, known.Link, opt)
	if err != nil {
		return StepDone{}, standbyError(err, "promote the standby of "+p.Component)
	}
	return s.done(in.Guard, map[string]any{
		"promoted": done.At.Format(time.RFC3339Nano), "reached": done.Reached, "exact": done.Exact, "sequences": float64(done.Sequences),
		"unknown": float64(len(done.Unknown)), "constraints": float64(done.Constraints), "stale": float64(len(done.Stale)), "left": done.SlotLeft, "took": tookSince(began),
	})
}

// promotedPurpose is the purpose of the branch that a drill promotes.
const promotedPurpose = "promote"

// promotedBranch is a branch of a standby for a drill, which is removed in the end, or at the latest expires.
func (s *Steps) promotedBranch(ctx context.Context, g plan.Guard, p promoteParams) (address secret.String, remove func(), err error) {
	c, err := s.Crew.Component(p.Component)
	if err != nil {
		return address, nil, err
	}
	place, err := c.At(p.At)
	if err != nil {
		return address, nil, err
	}
	brancher, ok := place.(Brancher)
	if !ok {
		return address, nil, Misconfigured(nil, "a drill promotes a branch, and the standby of %s is a plain PostgreSQL server, which has none: let the step apply to live executions only", p.Component)
	}
	name := ownBranch(g, promotedPurpose)
	made, err := brancher.MakeBranch(ctx, BranchRequest{Name: name, Compute: ComputeReadWrite, ExpiresAt: time.Now().Add(24 * time.Hour)})
	if err != nil {
		return address, nil, classify(err, "make branch "+name)
	}
	remove = func() {
		// What stays expires by itself: a rehearsal that went well does not fail for it.
		if err := brancher.DropBranch(context.WithoutCancel(ctx), name); err != nil {
			activity.GetLogger(ctx).Warn("remove branch", "branch", name, "error", err)
		}
	}
	if address, err = brancher.BranchAddress(ctx, made.ID); err != nil {
		remove()
		return address, nil, classify(err, "find the way to branch "+name)
	}
	return address, remove, nil
}

// allowStandby checks what a step that changes a standby needs. A plan only looks. A drill has no standby to establish
// or to give up; it may promote, for that it does with a branch.
func (s *Steps) allowStandby(ctx context.Context, in StepInput, action plan.Action, activity string) error {
	if in.Guard.Mode == plan.ModePlan {
		return s.Orders.CheckLook(in, activity)
	}
	if err := s.Orders.CheckStep(ctx, in, action); err != nil {
		return err
	}
	if in.Guard.Mode == plan.ModeDrill && action != runbooks.ActionPromote {
		return onlyLive(string(action))
	}
	return nil
}

func onlyLive(what string) error {
	return hinted(TypeNotAllowed, nil, "let the step apply to live executions only: when: {mode: [live]}", "%s: the standby is production, and this is a drill", what)
}

// follows finds both databases of a component.
func (s *Steps) follows(ctx context.Context, p followParams) (from, to secret.String, err error) {
	if p.From == p.To {
		return from, to, InvalidInput("from and to are the same site %q", p.From)
	}
	if from, err = s.databaseAt(ctx, p.Component, p.From); err != nil {
		return from, to, err
	}
	to, err = s.databaseAt(ctx, p.Component, p.To)
	return from, to, err
}

// databaseAt is the way to a component's database at a site. No site is no answer: the step names it.
func (s *Steps) databaseAt(ctx context.Context, component, site string) (secret.String, error) {
	if site == "" {
		return secret.String{}, InvalidInput("the step names no site")
	}
	// No guard: what follows is production and its standby, also in a drill that works on a copy.
	return s.addressOf(ctx, plan.Guard{}, onDatabase{Component: component, At: site})
}

// standbyError gives a failure of the engine its type.
func standbyError(err error, doing string) error {
	for sentinel, kind := range map[error]string{
		standby.ErrUnfit: TypeConfiguration, standby.ErrState: TypeConflict, standby.ErrBusy: TypeConflict,
		standby.ErrBroken: TypeUnexpected, standby.ErrBehind: TypeUnexpected, standby.ErrDiffers: TypeMismatch,
	} {
		var known *postgres.Error
		if errors.Is(err, sentinel) && errors.As(err, &known) {
			return final(kind, doing+": "+err.Error(), known.Hint)
		}
	}
	return classify(err, doing)
}
