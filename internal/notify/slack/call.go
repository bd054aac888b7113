package slack

import (
	"context"
	"errors"
	"fmt"
	"strings"

	api "github.com/slack-go/slack"

	"github.com/lifeboat-dr/lifeboat/internal/notify"
	"github.com/lifeboat-dr/lifeboat/internal/notify/call"
)

var _ call.Chat = (*Client)(nil)

// Call writes to a channel (C…), a person (U…) or everybody of a user group (S…), with a button that takes the call.
// Taking it stops the calling and decides nothing. Repeating it is safe.
func (c *Client) Call(ctx context.Context, to string, m notify.Message, p call.Page) error {
	if err := m.Check(); err != nil {
		return err
	}
	m, _ = m.Allowed()
	if strings.HasPrefix(to, "S") {
		members, err := c.api.GetUserGroupMembersContext(ctx, to)
		if err != nil {
			return fmt.Errorf("ask Slack who is in group %s: %w", to, reason(err))
		}
		var errs []error
		for _, member := range members {
			errs = append(errs, c.Call(ctx, member, m, p))
		}
		return errors.Join(errs...)
	}
	channel := to
	if strings.HasPrefix(to, "U") || strings.HasPrefix(to, "W") {
		opened, _, _, err := c.api.OpenConversationContext(ctx, &api.OpenConversationParameters{Users: []string{to}, ReturnIM: true})
		if err != nil {
			return fmt.Errorf("open a conversation with %s in Slack: %w", to, reason(err))
		}
		channel = opened.ID
	}
	token, err := c.seal(ticket{Execution: m.Execution, Gate: p.Step, Digest: p.Brief, Mode: p.Mode, Target: p.Target, Title: m.Title, Page: true})
	if err != nil {
		return err
	}
	said := c.message(m, channel)
	said.id = "call/" + m.ID // the message itself may stand there, too
	said.blocks = append(said.blocks, api.NewActionBlock("take", api.NewButtonBlockElement(actionAcknowledge, token, plain("I take it"))))
	_, err = c.send(ctx, said)
	return err
}
