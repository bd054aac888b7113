package plan

import (
	"slices"
	"testing"
)

func TestEveryKindOfCommandHasItsRight(t *testing.T) {
	if len(Rights) != len(CommandKinds) {
		t.Errorf("%d rights for %d kinds", len(Rights), len(CommandKinds))
	}
	for _, kind := range CommandKinds {
		r := RightTo(kind)
		if len(r.Roles) == 0 || r.Reason == "" {
			t.Errorf("%s has no right: %+v", kind, r)
		}
		for _, role := range r.Roles {
			if !slices.Contains(BuiltInRoles, role) {
				t.Errorf("%s is for %q, which nobody is born with", kind, role)
			}
		}
		if r.Permits([]string{RoleAuditor}, nil) {
			t.Errorf("an auditor may %s", kind)
		}
		if r.ByStep && !slices.Contains(stepKinds, kind) {
			t.Errorf("%s is about no step but looks at its roles", kind)
		}
	}
	if RightTo("explode").Permits(BuiltInRoles, BuiltInRoles) {
		t.Error("a command that does not exist was permitted")
	}
}

func TestPermits(t *testing.T) {
	for _, tc := range []struct {
		kind            CommandKind
		held, stepRoles []string
		want            bool
	}{
		{CommandStart, []string{RoleCommander}, nil, true},
		{CommandStart, []string{RoleApprover, RoleOperator, RoleOwner}, nil, false},
		{CommandStart, []string{"dpo"}, []string{"dpo"}, false},
		{CommandApprove, []string{RoleApprover}, nil, true},
		{CommandApprove, []string{RoleApprover}, []string{"dpo"}, false},
		{CommandApprove, []string{"dpo"}, []string{"dpo", "legal"}, true},
		{CommandApprove, []string{RoleCommander, RoleOwner}, nil, false},
		{CommandPause, []string{RoleOperator}, nil, true},
		{CommandSkip, []string{RoleOperator, RoleApprover}, nil, false},
		{CommandConfirm, []string{RoleOperator}, nil, true},
		{CommandConfirm, nil, nil, false},
	} {
		if got := RightTo(tc.kind).Permits(tc.held, tc.stepRoles); got != tc.want {
			t.Errorf("%s by %v at a step for %v: %v", tc.kind, tc.held, tc.stepRoles, got)
		}
	}
}

// TestOnlyHarmlessCommandsMayBeVouchedFor: a stolen worker could click for anybody in Slack.
func TestOnlyHarmlessCommandsMayBeVouchedFor(t *testing.T) {
	for _, r := range Rights {
		want := r.Kind.Decision() || r.Kind == CommandPause || r.Kind == CommandAcknowledge
		if r.ByVoucher != want {
			t.Errorf("%s by voucher: %v", r.Kind, r.ByVoucher)
		}
	}
}
