package slack

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	api "github.com/slack-go/slack"

	"github.com/lifeboat-dr/lifeboat/internal/notify/outbound"
)

// event is the type of the metadata that our messages carry; its payload has their id.
const event = "lifeboat_message"

// Place is where a message is.
type Place struct {
	Channel string `json:"channel"`
	TS      string `json:"ts"`
}

// post is one message. Its id is the same for every try.
type post struct {
	id, channel string
	// thread is the message below which it stands; empty for none.
	thread string
	text   string
	blocks []api.Block
	// since is a moment before which it was surely not posted.
	since time.Time
	// look says that it may have been posted before.
	look bool
}

// send posts a message once. Slack knows no idempotency: after an answer that did not come, the channel's history says
// whether the message is there, and only when it is not, it is posted again. While the history cannot be read the
// outcome is unknown, and an error; the next try, with look, begins there.
func (c *Client) send(ctx context.Context, p post) (Place, error) {
	for try := 0; ; try++ {
		if p.look || try > 0 {
			if ts, err := c.find(ctx, p); err != nil || ts != "" {
				return Place{p.channel, ts}, err
			}
		}
		if err := c.turn(ctx, p.channel); err != nil {
			return Place{}, err
		}
		channel, ts, err := c.api.PostMessageContext(ctx, p.channel, p.options()...)
		if err == nil {
			return Place{channel, ts}, nil
		}
		if _, refused := errors.AsType[api.SlackErrorResponse](err); refused || isRateLimit(err) || try == 1 || ctx.Err() != nil {
			return Place{}, fmt.Errorf("post to Slack: %w", reason(err))
		}
	}
}

func (p post) options() []api.MsgOption {
	options := []api.MsgOption{
		api.MsgOptionText(p.text, false), api.MsgOptionDisableLinkUnfurl(), api.MsgOptionDisableMediaUnfurl(),
		api.MsgOptionMetadata(api.SlackMetadata{EventType: event, EventPayload: map[string]any{"id": p.id}}),
	}
	if len(p.blocks) > 0 {
		options = append(options, api.MsgOptionBlocks(p.blocks...))
	}
	if p.thread != "" {
		options = append(options, api.MsgOptionTS(p.thread))
	}
	return options
}

// find looks for a message of ours in its channel or thread; empty when it is not there.
func (c *Client) find(ctx context.Context, p post) (ts string, err error) {
	oldest := ""
	if !p.since.IsZero() {
		oldest = strconv.FormatInt(p.since.Add(-time.Minute).Unix(), 10) // clocks differ
	}
	cursor := ""
	for {
		var page []api.Message
		if p.thread != "" {
			page, _, cursor, err = c.api.GetConversationRepliesContext(ctx, &api.GetConversationRepliesParameters{
				ChannelID: p.channel, Timestamp: p.thread, Oldest: oldest, Cursor: cursor, Limit: 200, Inclusive: true, IncludeAllMetadata: true,
			})
		} else {
			var history *api.GetConversationHistoryResponse
			history, err = c.api.GetConversationHistoryContext(ctx, &api.GetConversationHistoryParameters{
				ChannelID: p.channel, Oldest: oldest, Cursor: cursor, Limit: 200, Inclusive: true, IncludeAllMetadata: true,
			})
			if err == nil {
				page, cursor = history.Messages, history.ResponseMetaData.NextCursor
			}
		}
		if err != nil {
			return "", fmt.Errorf("look in Slack whether the message is there: %w", reason(err))
		}
		for _, m := range page {
			if m.Metadata.EventType == event && m.Metadata.EventPayload["id"] == p.id {
				return m.Timestamp, nil
			}
		}
		if cursor == "" {
			return "", nil
		}
	}
}

// update replaces a message. Repeating it is safe.
func (c *Client) update(ctx context.Context, at Place, p post) error {
	if err := c.turn(ctx, at.Channel); err != nil {
		return err
	}
	if _, _, _, err := c.api.UpdateMessageContext(ctx, at.Channel, at.TS, p.options()...); err != nil {
		return fmt.Errorf("update the message in Slack: %w", reason(err))
	}
	return nil
}

// whisper tells one person something that nobody else sees.
func (c *Client) whisper(ctx context.Context, channel, user, text string) {
	if _, err := c.api.PostEphemeralContext(ctx, channel, user, api.MsgOptionText(text, false)); err != nil {
		c.cfg.Log.WarnContext(ctx, "tell a person in Slack", "channel", channel, "user", user, "error", reason(err))
	}
}

func isRateLimit(err error) bool {
	_, limited := errors.AsType[*api.RateLimitedError](err)
	return limited
}

// reason is an error of Slack's library without addresses.
func reason(err error) error {
	refused, is := errors.AsType[api.SlackErrorResponse](err)
	switch {
	case is && (refused.Err == "invalid_auth" || refused.Err == "not_authed" || refused.Err == "token_revoked" || refused.Err == "account_inactive"):
		return fmt.Errorf("%s: look at the tokens under slack", refused.Err)
	case is && (refused.Err == "channel_not_found" || refused.Err == "not_in_channel"):
		return fmt.Errorf("%s: invite the app to the channel, and name it by its id", refused.Err)
	case is && refused.Needed != "":
		return fmt.Errorf("%s: the app needs the scope %s", refused.Err, refused.Needed)
	case is:
		return errors.New(refused.Err)
	case isRateLimit(err):
		return errors.New("it asks to be written to more slowly")
	}
	if status, is := errors.AsType[api.StatusCodeError](err); is {
		return fmt.Errorf("it answered %d", status.Code)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return errors.New(outbound.Reason(err, timeout))
}
