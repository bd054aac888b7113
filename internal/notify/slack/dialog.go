package slack

import (
	"fmt"
	"strings"
	"time"

	api "github.com/slack-go/slack"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// The ids of what people press and fill in.
const (
	actionApprove     = "approve"
	actionReject      = "reject"
	actionAcknowledge = "acknowledge"
	dialogDecide      = "decide"
	inputReason       = "reason"
	inputTarget       = "target"
	inputText         = "text"
)

// mostReason bounds a reason in bytes; a command takes 2000.
const mostReason = 1500

// dialogLives is how long a dialog may lie open before what was seen when it opened is too old.
const dialogLives = 15 * time.Minute

// dialog asks for the reason, and, before what cannot be taken back, for the target's name.
func (c *Client) dialog(t ticket) (api.ModalViewRequest, error) {
	sealed, err := c.seal(t)
	if err != nil {
		return api.ModalViewRequest{}, err
	}
	kind, title := "REAL", "Approve"
	if t.Mode == plan.ModeDrill {
		kind = "DRILL"
	}
	if t.Kind == plan.CommandReject {
		title = "Reject"
	}
	about := fmt.Sprintf("*%s* · target *%s*\n%s\nExecution `%s`, gate `%s`", kind, escape(t.Target), escape(clip(t.Title, 300)), escape(t.Execution), escape(t.Gate))
	reason := api.NewPlainTextInputBlockElement(plain("For the journal. No patients' data."), inputText).WithMultiline(true).WithMaxLength(mostReason)
	blocks := []api.Block{section(about), api.NewInputBlock(inputReason, plain("Why?"), nil, reason)}
	if t.typed() {
		target := api.NewPlainTextInputBlockElement(nil, inputText)
		hint := plain("This cannot be taken back. Type the name of what is acted upon: " + clip(t.Target, 80))
		blocks = append(blocks, api.NewInputBlock(inputTarget, plain("Target"), hint, target))
	}
	return api.ModalViewRequest{
		Type: api.VTModal, CallbackID: dialogDecide, Title: plain(title), Submit: plain(title + " (" + kind + ")"), Close: plain("Back"),
		PrivateMetadata: sealed, Blocks: api.Blocks{BlockSet: blocks},
	}, nil
}

// typed says that the target's name has to be typed.
func (t ticket) typed() bool { return t.Grave && t.Kind == plan.CommandApprove }

// filled reads what a person wrote; errors are by input, in words.
func filled(t ticket, state *api.ViewState) (reason string, errs map[string]string) {
	value := func(block string) string {
		if state == nil {
			return ""
		}
		return strings.TrimSpace(state.Values[block][inputText].Value)
	}
	errs = map[string]string{}
	reason = value(inputReason)
	switch {
	case reason == "":
		errs[inputReason] = "Write why: it stands in the journal."
	case len(reason) > mostReason:
		errs[inputReason] = fmt.Sprintf("That is too long: %d bytes are the most.", mostReason)
	}
	if t.typed() && value(inputTarget) != t.Target {
		errs[inputTarget] = "That is not the target. Look again at what this would act upon."
	}
	return reason, errs
}
