package activities

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// VouchInput asks for the receipt of a step that a workflow of its own did. What the receipt says is read from the
// vault and from the receipts of workers; of what stands here only Took is taken as it is.
type VouchInput struct {
	Guard plan.Guard     `json:"guard"`
	With  map[string]any `json:"with"`
	// Workflow is the id of the workflow that did the step.
	Workflow string `json:"workflow"`
	// Backup is the id of the backup that was made, verified or restored.
	Backup string `json:"backup"`
	// Compared is the receipt of a restore's comparison.
	Compared Receipt `json:"compared,omitzero"`
	// Took is how long the workflow took.
	Took time.Duration `json:"took"`
}

// workedOn are the parameters that the types of steps share which are workflows of their own.
type workedOn struct {
	Component string `json:"component"`
	Backup    string `json:"backup"`
	LSN       string `json:"lsn"`
	Vault     string `json:"vault"`
	To        *struct {
		Site   string `json:"site"`
		Target string `json:"target"`
	} `json:"to"`
	Tables []string `json:"tables"`
}

// VouchWorkflow makes the receipt of a step that a workflow did: a backup, a verification, a restore. It needs the
// step's work order, and believes the signed manifest, the signed record of a verification, and the worker's receipt
// of a comparison; all of them have to be of this execution. Without it a later step that changes something could take
// nothing from this one, for anybody who owns the Temporal namespace can make up the result of a workflow. It changes
// nothing, and is safe to repeat.
func (s *Steps) VouchWorkflow(ctx context.Context, in VouchInput) (StepDone, error) {
	step := StepInput{Guard: in.Guard, With: in.With}
	var p workedOn
	if err := step.read(&p); err != nil {
		return StepDone{}, err
	}
	kind, began, err := s.Orders.checkWorkflow(step)
	if err != nil {
		return StepDone{}, err
	}
	c, err := s.Crew.ComponentIn(p.Component, p.Vault)
	if err != nil {
		return StepDone{}, err
	}
	if p.Backup != "" && p.Backup != in.Backup && manifest.ValidBackupID(p.Backup) {
		return StepDone{}, unvouched("the step is about backup %s, not %s", p.Backup, in.Backup)
	}
	defer alive(ctx, &counter{})()
	b, err := s.Finder.Load(ctx, c, in.Backup)
	if errors.Is(err, ErrNoBackup) {
		return StepDone{}, unvouched("%v", err)
	}
	if err != nil {
		return StepDone{}, err
	}
	outputs := map[string]any{"backup": b.Envelope.Backup, "point": b.Envelope.Point.Time.UTC().Format(time.RFC3339Nano), "took": in.Took.String()}
	switch kind.Workflow {
	case "Backup":
		err = vouchBackup(outputs, b, began)
	case "Verify":
		err = s.vouchVerification(ctx, outputs, c, b, began)
	case "RestoreBackup":
		err = s.vouchRestore(outputs, in, p, b)
	default:
		err = InvalidInput("step %s is of type %s, which nobody can vouch for", in.Guard.Step, kind.Name)
	}
	if err != nil {
		return StepDone{}, err
	}
	return s.done(in.Guard, outputs)
}

// checkWorkflow returns the type of a step that is a workflow, and when its execution was started, when people
// allowed the step with their signatures.
func (o *Orders) checkWorkflow(in StepInput) (*runbooks.Type, time.Time, error) {
	bench, err := o.bench()
	if err != nil {
		return nil, time.Time{}, err
	}
	permit, err := bench.Check(in.Guard, o.now())
	if err != nil {
		return nil, time.Time{}, refused(err, "to vouch for a step")
	}
	kind, _, err := asked(permit, in)
	if err == nil && (kind.Workflow == "" || len(kind.Actions) == 0 || in.Guard.Work.Undo) {
		err = roster.Refuse(roster.CauseWrongStep, "step %q is of type %s, which is no workflow", in.Guard.Step, kind.Name)
	}
	if err == nil {
		err = allows(permit, in, kind.Actions[0])
	}
	if err != nil {
		return nil, time.Time{}, refused(err, "to vouch for a step")
	}
	began, err := time.Parse(time.RFC3339, permit.Scope.Execution.Started)
	return kind, began, err
}

// vouchBackup is for a backup that was made since the execution was started. Another one of that time holds what it
// says just as well.
func vouchBackup(outputs map[string]any, b *Backup, began time.Time) error {
	e := b.Envelope
	if e.Started.Before(began) {
		return unvouched("backup %s was begun at %s, before the execution was started", e.Backup, e.Started.Format(time.RFC3339))
	}
	outputs["lsn"], outputs["sha256"] = e.Point.LSN, b.SHA256
	outputs["rows"], outputs["bytes"] = float64(e.Totals.Rows), float64(e.Totals.StoredBytes)
	return nil
}

// vouchVerification is for a record that was signed since the execution was started.
func (s *Steps) vouchVerification(ctx context.Context, outputs map[string]any, c *Component, b *Backup, began time.Time) error {
	newest, key, err := s.Finder.newestRecord(ctx, c, b)
	if err != nil {
		return err
	}
	if newest == nil || newest.Started.Before(began) {
		return unvouched("backup %s has no record of a verification that was begun since the execution was started", b.Envelope.Backup)
	}
	outputs["checks"], outputs["record"] = float64(len(newest.Checks)), key
	return nil
}

// vouchRestore is for what a worker compared, for a workflow that this step began.
func (s *Steps) vouchRestore(outputs map[string]any, in VouchInput, p workedOn, b *Backup) error {
	r, kind := in.Compared, receiptCompared
	if len(p.Tables) > 0 {
		kind += ofAPart
	}
	if !beganBy(in.Guard, in.Workflow) {
		return unvouched("workflow %s was not begun by this step", in.Workflow)
	}
	if err := r.holds(kind, s.Keys, plan.Guard{Execution: in.Workflow}, b); err != nil {
		return err
	}
	where := Target{Kind: BranchTarget, Site: p.To.Site}
	if p.To.Target != "" {
		where = Target{Kind: NamedTarget, Name: p.To.Target}
	}
	if r.Manifest != b.SHA256 || r.Target.Kind != where.Kind || r.Target.Name != where.Name || where.Site != "" && r.Target.Site != where.Site || len(r.Checks) == 0 {
		return refusedReceipt(receiptCompared, "it is of another target or manifest than the step's, or nothing was compared")
	}
	outputs["site"], outputs["branch"], outputs["database"] = r.Target.Site, r.Target.Branch, r.Target.Database
	outputs["rows"], outputs["checks"] = float64(r.Rows), float64(len(r.Checks))
	return nil
}

// beganBy says that a workflow has the id that the engine gives a try of this step.
func beganBy(g plan.Guard, workflow string) bool {
	try, ok := strings.CutPrefix(workflow, g.Execution+"/"+g.Step+"/")
	n, err := strconv.Atoi(try)
	return ok && err == nil && n > 0 && strconv.Itoa(n) == try
}

func unvouched(format string, args ...any) error {
	return hinted(TypeUntrusted, nil, "look at the workflow of this step in Temporal, and at who may write to the namespace; retry does the step again", "nobody can vouch for the step: "+format, args...)
}
