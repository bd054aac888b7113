package activities

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// putBack are the parameters of a step that puts rows back.
type putBack struct {
	Component string `json:"component"`
	// From is the purpose of the branch with the rows; Rehearse that of the branch that is written instead of the component.
	From     string   `json:"from"`
	Rehearse string   `json:"rehearse"`
	Tables   []string `json:"tables"`
	Triggers string   `json:"triggers"`
}

func (p putBack) request(g plan.Guard) (postgres.PutBackRequest, error) {
	r := postgres.PutBackRequest{Mark: g.Execution + "/" + g.Step, Fire: p.Triggers == runbooks.TriggersFire}
	seen := map[string]bool{}
	for _, name := range p.Tables {
		schema, table, err := splitTable(name)
		if err != nil {
			return r, err
		}
		if seen[name] {
			return r, InvalidInput("tables: %q stands there twice", name)
		}
		seen[name] = true
		r.Tables = append(r.Tables, [2]string{schema, table})
	}
	if len(r.Tables) == 0 {
		return r, InvalidInput("tables: name the tables whose deleted rows come back")
	}
	return r, nil
}

// PutRowsBack inserts rows that were deleted since a branch's point into a component's database, under a work order, in
// one transaction. What is there stays as it is. It is safe to repeat: what was done is written down in the database
// itself. In a drill it acts on the drill's copy; in a plan it looks whether the tables can take rows back.
func (s *Steps) PutRowsBack(ctx context.Context, in StepInput) (StepDone, error) {
	var p putBack
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	request, err := p.request(in.Guard)
	if err != nil {
		return StepDone{}, err
	}
	if p.From == p.Rehearse {
		return StepDone{}, InvalidInput("from and rehearse are the same branch: rehearse on one of the state of now, made with compute read-write")
	}
	if in.Guard.Mode == plan.ModePlan {
		return s.planPutBack(ctx, in, p, request)
	}
	if err := s.Orders.CheckStep(ctx, in, runbooks.ActionPutRowsBack); err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	from, err := s.ownAddress(ctx, in.Guard, onDatabase{Component: p.Component, Purpose: p.From})
	if err != nil {
		return StepDone{}, err
	}
	into, err := s.putBackInto(ctx, in.Guard, p)
	if err != nil {
		return StepDone{}, err
	}
	var sessions [3]*postgres.Conn
	for i, to := range []secret.String{from, into, into} {
		options := postgres.Options{ReadOnly: i < 2, AppName: "lifeboat put back"}
		if sessions[i], err = postgres.Connect(ctx, to, options); err != nil {
			return StepDone{}, classify(err, "connect to the database")
		}
		defer sessions[i].Close(context.WithoutCancel(ctx))
	}
	done, err := postgres.PutRowsBack(ctx, sessions[0], sessions[1], sessions[2], request)
	if err != nil {
		return StepDone{}, classify(err, "put rows back")
	}
	return s.done(in.Guard, backOutputs(done, tookSince(began)))
}

// putBackInto is the database that is written: a branch of this execution when it is a rehearsal, else the component's,
// or in a drill its copy.
func (s *Steps) putBackInto(ctx context.Context, g plan.Guard, p putBack) (secret.String, error) {
	if p.Rehearse != "" {
		return s.ownAddress(ctx, g, onDatabase{Component: p.Component, Purpose: p.Rehearse})
	}
	source, err := s.changeable(ctx, g, p.Component)
	if err != nil {
		return secret.String{}, err
	}
	address, err := source.Address(ctx, "")
	return address, classify(err, "find the database of "+p.Component)
}

// planPutBack looks whether the tables could take rows back. Which rows nobody knows before the branch is there.
func (s *Steps) planPutBack(ctx context.Context, in StepInput, p putBack, request postgres.PutBackRequest) (StepDone, error) {
	if err := s.Orders.CheckLook(in, "PutRowsBack"); err != nil {
		return StepDone{}, err
	}
	if _, err := s.brancher(p.Component); err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	address, err := s.addressOf(ctx, in.Guard, onDatabase{Component: p.Component})
	if err != nil {
		return StepDone{}, err
	}
	conn, err := postgres.Connect(ctx, address, postgres.Options{ReadOnly: true, AppName: "lifeboat put back"})
	if err != nil {
		return StepDone{}, classify(err, "connect to the database")
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := postgres.CanPutBack(ctx, conn, request); err != nil {
		return StepDone{}, classify(err, "look at the tables")
	}
	return intended(in.With, backOutputs(postgres.PutBack{}, "0s")), nil
}

// backOutputs are counts; the names of tables in them stand in the runbook.
func backOutputs(done postgres.PutBack, took string) map[string]any {
	var all postgres.TableBack
	var detail []string
	for _, t := range done.Tables {
		all.Found, all.Rows, all.Conflicts, all.Orphans = all.Found+t.Found, all.Rows+t.Rows, all.Conflicts+t.Conflicts, all.Orphans+t.Orphans
		detail = append(detail, fmt.Sprintf("%s.%s %d of %d", t.Schema, t.Name, t.Rows, t.Found))
	}
	return map[string]any{
		"found": float64(all.Found), "rows": float64(all.Rows), "conflicts": float64(all.Conflicts), "orphans": float64(all.Orphans),
		"unlisted": float64(done.Unlisted), "detail": strings.Join(detail, "; "), "took": took,
	}
}
