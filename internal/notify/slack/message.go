package slack

import (
	"context"
	"fmt"
	"strings"
	"time"

	api "github.com/slack-go/slack"

	"github.com/lifeboat-dr/lifeboat/internal/notify"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

var _ notify.Notifier = (*Client)(nil)

// recent is how far back a message of the same id is looked for: a message is repeated for half an hour.
const recent = time.Hour

// Notify posts a message: what executions say into the channel of their mode, the rest into that of its severity. A
// severity without a channel is not told here. Repeating it is safe.
func (c *Client) Notify(ctx context.Context, m notify.Message) error {
	if err := m.Check(); err != nil {
		return err
	}
	if m.Carded {
		return nil
	}
	m, _ = m.Allowed()
	channel := c.cfg.Channels.Severity[m.Severity]
	if mode := plan.Mode(m.Fields["mode"]); mode == plan.ModeLive || mode == plan.ModeDrill {
		channel = c.cfg.Channels.of(mode)
	}
	if channel == "" {
		return nil
	}
	_, err := c.send(ctx, c.message(m, channel))
	return err
}

func (c *Client) message(m notify.Message, channel string) post {
	title := strings.ToUpper(string(m.Severity)) + " · " + m.Title
	blocks := []api.Block{section("*" + escape(title) + "*")}
	if m.Text != "" {
		blocks = append(blocks, section(escape(m.Text)))
	}
	var rows [][2]string
	for _, name := range m.FieldNames() {
		rows = append(rows, [2]string{strings.ReplaceAll(name, "_", " "), m.Fields[name]})
	}
	blocks = append(blocks, table(rows)...)
	if about := about(m); about != "" {
		blocks = append(blocks, api.NewContextBlock("", markdown(about)))
	}
	// Whether it is the first try is not known here, so it is always looked for.
	return post{id: "message/" + m.ID, channel: channel, text: title, blocks: blocks, since: m.Time.Add(-recent), look: true}
}

func about(m notify.Message) string {
	var parts []string
	for _, p := range [][2]string{{"Component", m.Component}, {"Site", m.Site}, {"Execution", m.Execution}} {
		if p[1] != "" {
			parts = append(parts, fmt.Sprintf("%s `%s`", p[0], escape(p[1])))
		}
	}
	return strings.Join(parts, " · ")
}

// Say writes lines below a card, as one message. Its id is the same for every try; since is a moment before which it
// was surely not said.
func (c *Client) Say(ctx context.Context, at Place, id string, since time.Time, lines []string) error {
	for i := range lines {
		lines[i] = escape(clip(lines[i], 300))
	}
	_, err := c.send(ctx, post{
		id: "thread/" + id, channel: at.Channel, thread: at.TS, text: clip(strings.Join(lines, "\n"), 3500), since: since, look: true,
	})
	return err
}
