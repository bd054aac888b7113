package roster

import "github.com/lifeboat-dr/lifeboat/internal/plan"

// signedRunbook makes sure that owners signed the text of the runbook and of those inside of it, that the
// brief is for these, and that it knows the step.
func (h *hearing) signedRunbook() error {
	if err := h.signed("the runbook", h.docket.Runbook, h.docket.Signatures); err != nil {
		return err
	}
	if err := h.signedNested(); err != nil {
		return err
	}
	runbook, err := RunbookOf(h.docket)
	if err != nil {
		return refuse(CauseWrongBrief, "%v", err)
	}
	if runbook.Name != h.permit.Brief.Runbook {
		return refuse(CauseWrongBrief, "the brief is for runbook %q, the text is %q", h.permit.Brief.Runbook, runbook.Name)
	}
	if h.permit.Brief.Until.Sub(h.permit.Start.Command.Issued) > runbook.Duration {
		return refuse(CauseWrongBrief, "the runbook allows %s, the start wants more", runbook.Duration)
	}
	h.permit.Runbook = runbook
	return nil
}

// signed makes sure that enough owners signed a text when the execution started.
func (h *hearing) signed(what, text string, armored []string) error {
	by, refused := RunbookSigners(h.Roster, text, armored, h.started)
	if required := h.Roster.Version.Required; len(by) < required {
		return refuse(CauseRunbookUnsigned, "%s is signed by %d owners, %d are needed (lifeboat runbook sign)%s", what, len(by), required, because(refused))
	}
	return nil
}

// signedNested makes sure that the runbooks inside are those whose digests the commander signed, all of them
// and no others, and that owners signed each.
func (h *hearing) signedNested() error {
	briefed := map[string]bool{}
	for name, wanted := range h.permit.Brief.Nested {
		if briefed[wanted] {
			return refuse(CauseWrongBrief, "the brief names the same text twice, once as %q", name)
		}
		briefed[wanted] = true
	}
	for _, nested := range h.docket.Nested {
		sum := digest(nested.Text)
		if !briefed[sum] {
			return refuse(CauseWrongBrief, "the docket holds a runbook with digest %s, which is not in the brief, or twice", sum)
		}
		delete(briefed, sum)
		if err := h.signed("a runbook inside, with digest "+sum+",", nested.Text, nested.Signatures); err != nil {
			return err
		}
	}
	if len(briefed) > 0 {
		return refuse(CauseWrongBrief, "the docket lacks %d of the runbooks that the brief names", len(briefed))
	}
	return nil
}

// bound reads the changes that the commander bound the execution to.
func (h *hearing) bound() error {
	switch b := h.permit.Brief; {
	case b.Plan == "" && b.PlanExecution == "" && h.docket.Plan == "":
		return nil
	case b.Plan == "" || b.PlanExecution == "" || digest(h.docket.Plan) != b.Plan:
		return refuse(CauseWrongBrief, "the docket holds another plan than the brief names")
	case b.Mode == plan.ModePlan:
		return refuse(CauseWrongBrief, "a plan is not bound to another one")
	}
	if err := strict([]byte(h.docket.Plan), &h.permit.Planned); err != nil {
		return refuse(CauseWrongBrief, "the plan cannot be read: %v", err)
	}
	return nil
}
