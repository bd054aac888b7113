package plan

import "slices"

// The roles that are built in. Runbooks may ask for others, which people then hold in the roster by name.
const (
	// RoleOwner signs the roster, runbooks and standing orders, and decides nothing at night.
	RoleOwner = "owner"
	// RoleCommander starts an execution, steers it and answers for it.
	RoleCommander = "commander"
	// RoleApprover decides at gates that name no other role.
	RoleApprover = "approver"
	// RoleOperator keeps the machinery running.
	RoleOperator = "operator"
	// RoleAuditor reads evidence and decides nothing.
	RoleAuditor = "auditor"
)

// BuiltInRoles are the roles that exist without being named by a runbook.
var BuiltInRoles = []string{RoleOwner, RoleCommander, RoleApprover, RoleOperator, RoleAuditor}

// Right says who may give a command of one kind.
type Right struct {
	Kind CommandKind
	// Roles are those who may, always. At gates and manual tasks it is who may when the step names no role.
	Roles []string
	// ByStep says that roles named by the step take the place of Roles.
	ByStep bool
	// ByVoucher says that a worker may vouch for a click in Slack in place of the person's own signature.
	ByVoucher bool
	// Reason is why.
	Reason string
}

// Rights is the one table of who may command what.
var Rights = []Right{
	{CommandStart, []string{RoleCommander}, false, false, "who starts it answers for it, and the start is what every later step leans on: never by a click"},
	{CommandApprove, []string{RoleApprover}, true, true, "the runbook's owners say whose consent each gate needs"},
	{CommandReject, []string{RoleApprover}, true, true, "who may consent may refuse"},
	{CommandConfirm, []string{RoleCommander, RoleOperator}, true, false, "a manual task is confirmed by those it was given to, who can be named afterwards"},
	{CommandAcknowledge, []string{RoleCommander, RoleApprover, RoleOperator, RoleOwner}, false, true, "whoever was paged may stop the paging; it decides nothing"},
	{CommandPause, []string{RoleCommander, RoleApprover, RoleOperator, RoleOwner}, false, true, "stopping is the safe side: anybody with a part in it may"},
	{CommandResume, []string{RoleCommander}, false, false, "going on needs the one who knows why it stood still"},
	{CommandRetry, []string{RoleCommander, RoleOperator}, false, false, "it repeats what was allowed already, often after the operator mended something"},
	{CommandSkip, []string{RoleCommander}, false, false, "it changes the plan and leaves an exception"},
	{CommandUndo, []string{RoleCommander}, false, false, "it gives up what was reached"},
	{CommandUngraceful, []string{RoleCommander}, false, false, "it accepts the loss of data"},
	{CommandCancel, []string{RoleCommander}, false, false, "it ends the recovery"},
	{CommandHandover, []string{RoleCommander}, false, false, "only a commander makes a commander, also when the one before cannot be reached"},
}

// RightTo returns the right to a kind of command; a kind that is not known is nobody's.
func RightTo(kind CommandKind) Right {
	for _, r := range Rights {
		if r.Kind == kind {
			return r
		}
	}
	return Right{Kind: kind, Reason: "nobody may give a command that does not exist"}
}

// Allowed are the roles of which one is enough. stepRoles are what the step names, if it names any.
func (r Right) Allowed(stepRoles []string) []string {
	if r.ByStep && len(stepRoles) > 0 {
		return stepRoles
	}
	return r.Roles
}

// Permits says whether somebody with the roles held may give the command.
func (r Right) Permits(held, stepRoles []string) bool {
	return slices.ContainsFunc(r.Allowed(stepRoles), func(role string) bool { return slices.Contains(held, role) })
}
