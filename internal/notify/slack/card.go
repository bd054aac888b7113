package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	api "github.com/slack-go/slack"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// State is where the gate of a card is.
type State string

// The states of a card. Only one that is open has buttons.
const (
	Open     State = "open"
	Approved State = "approved"
	Rejected State = "rejected"
	// Confirmed is a task that somebody did.
	Confirmed State = "confirmed"
	Expired   State = "expired"
	// Ended is a gate that is not decided any more: the execution went another way.
	Ended State = "ended"
)

// Card is a gate as Slack shows it.
type Card struct {
	// Facts is the exact text that decisions are bound to. Everything that people see of the gate comes from it.
	Facts string
	// Title is the step's, Message the template that the gate's question was filled in from and Shows those of the
	// values below it, by label: all as the owners signed them.
	Title, Message string
	Shows          map[string]string
	// Means is the allow-list's name for what a reference in them stands for; empty for what may not be shown.
	Means func(runbooks.Reference) string
	// Runbook is the runbook's title, Commander who commands, Requester who started it.
	Runbook, Commander, Requester string
	// Task says that a person reports what was done, which takes their own signature.
	Task bool
	// Grave says that what the gate lets through cannot be taken back, in a live execution.
	Grave bool
	// ClicksSuffice says that nobody has to sign for it.
	ClicksSuffice bool
	State         State
	Decisions     []Decision
	// Looks says that the card may have been posted before.
	Look bool
}

// Decision is what one person said.
type Decision struct {
	Person  string
	Kind    plan.CommandKind
	Reason  string
	Time    time.Time
	Clicked bool
}

// Show brings a card to what it is now: it is posted when at is empty, and else updated. Repeating it is safe; when it
// is not known whether the card was posted before, say so with Look.
func (c *Client) Show(ctx context.Context, at Place, card Card) (Place, error) {
	leave, err := c.enter()
	if err != nil {
		return at, err
	}
	defer leave()
	var facts plan.Facts
	if err := json.Unmarshal([]byte(card.Facts), &facts); err != nil {
		return at, fmt.Errorf("read facts of the card: %w", err)
	}
	p := post{id: cardID(facts), channel: c.cfg.Channels.of(facts.Mode), since: facts.Opened, look: card.Look}
	if p.text, p.blocks, err = c.render(card, facts); err != nil {
		return at, err
	}
	if at.TS == "" {
		return c.place(ctx, p)
	}
	return at, c.update(ctx, at, p)
}

// place posts the card, or brings one that is there to what it is now.
func (c *Client) place(ctx context.Context, p post) (Place, error) {
	if p.look {
		ts, err := c.find(ctx, p)
		if err != nil {
			return Place{}, err
		}
		if ts != "" {
			at := Place{p.channel, ts}
			return at, c.update(ctx, at, p)
		}
		p.look = false
	}
	return c.send(ctx, p)
}

// cardID names the card of one round of a gate.
func cardID(f plan.Facts) string {
	return "card/" + f.Execution + "/" + f.Gate + "/" + strconv.Itoa(f.Round)
}

// render makes the card's blocks, and the text that phones and screen readers get.
func (c *Client) render(card Card, f plan.Facts) (text string, blocks []api.Block, err error) {
	kind := "REAL"
	if f.Mode == plan.ModeDrill {
		kind = "DRILL"
	}
	text = fmt.Sprintf("%s · %s · %s: %s", kind, f.Target, card.Title, card.standing(f))
	blocks = append(blocks, api.NewHeaderBlock(plain(clip(kind+" · "+card.Title, 150))))
	if question := card.question(f); question != "" {
		blocks = append(blocks, section(escape(clip(question, 2500))))
	}
	fields := [][2]string{{"Target", f.Target}, {"Runbook", card.Runbook}, {"Commander", c.name(card.Commander)}}
	if f.Epoch > 0 {
		fields = append(fields, [2]string{"Epoch", strconv.FormatInt(f.Epoch, 10)})
	}
	if f.Deadline.IsZero() {
		fields = append(fields, [2]string{"Deadline", "none: it waits"})
	} else {
		fields = append(fields, [2]string{"Deadline", stamp(f.Deadline)})
	}
	fields = append(fields, [2]string{"Who may decide", c.deciders(card, f)})
	blocks = append(blocks, table(fields)...)
	if shown := card.shows(f); len(shown) > 0 {
		blocks = append(blocks, table(shown)...)
	}
	if steps := behind(f); steps != "" {
		blocks = append(blocks, section(steps))
	}
	blocks = append(blocks, api.NewDividerBlock(), section(card.said(f)))
	if card.State == Open {
		last, err := c.bottom(card, f)
		if err != nil {
			return "", nil, err
		}
		blocks = append(blocks, last...)
	}
	about := fmt.Sprintf("Execution `%s` · gate `%s` · round %d · facts `%s`\nEverything: `lifeboat show %s`", escape(f.Execution), escape(f.Gate), f.Round, digestOf(card.Facts), escape(f.Execution))
	return text, append(blocks, api.NewContextBlock("", markdown(about))), nil
}

// bottom is what a person can do at an open card.
func (c *Client) bottom(card Card, f plan.Facts) ([]api.Block, error) {
	if card.Task {
		return []api.Block{section("When it is done: `lifeboat confirm " + escape(f.Execution+" "+f.Gate) + "` — a task takes your own signature.")}, nil
	}
	token, err := c.seal(ticket{
		Execution: f.Execution, Gate: f.Gate, Round: f.Round, Digest: digestOf(card.Facts), Mode: f.Mode, Target: f.Target, Title: card.Title, Grave: card.Grave,
	})
	if err != nil {
		return nil, err
	}
	approve := api.NewButtonBlockElement(actionApprove, token, plain("Approve…")).WithStyle(api.StylePrimary)
	reject := api.NewButtonBlockElement(actionReject, token, plain("Reject…")).WithStyle(api.StyleDanger)
	blocks := []api.Block{api.NewActionBlock("decide", approve, reject)}
	if card.Grave && !card.ClicksSuffice {
		blocks = append(blocks, section("What it lets through cannot be taken back: the last approval that is needed, or one before it, has to be signed by its person: `lifeboat approve "+escape(f.Execution+" "+f.Gate)+"`"))
	}
	return blocks, nil
}

// standing is one line that says where it stands.
func (card Card) standing(f plan.Facts) string {
	switch card.State {
	case Open:
		return fmt.Sprintf("waiting, %d of %d", len(card.Decisions), max(1, f.Requires))
	case Ended:
		return "not asked any more"
	}
	return string(card.State)
}

// said is who decided, when and why.
func (card Card) said(f plan.Facts) string {
	head := map[State]string{
		Open: "Waiting", Approved: "Approved", Rejected: "Rejected", Confirmed: "Done", Expired: "Nobody decided in time", Ended: "Not asked any more: the execution went on without it",
	}[card.State]
	var b strings.Builder
	fmt.Fprintf(&b, "*%s*: %d of %d", head, len(card.Decisions), max(1, f.Requires))
	for _, d := range card.Decisions {
		how := "signed"
		if d.Clicked {
			how = "in Slack"
		}
		fmt.Fprintf(&b, "\n• *%s* %s %s, %s: %s", escape(d.Person), verb(d.Kind), stamp(d.Time), how, escape(clip(d.Reason, 300)))
	}
	return clip(b.String(), 2900)
}

func verb(k plan.CommandKind) string {
	switch k {
	case plan.CommandApprove:
		return "approved"
	case plan.CommandReject:
		return "rejected"
	case plan.CommandConfirm:
		return "did it"
	}
	return string(k)
}

// name is how a person is shown: by the roster's name, and as Slack knows them.
func (c *Client) name(id string) string {
	people, err := c.cfg.People()
	if err != nil {
		return id
	}
	p, ok := people.Person(id)
	if !ok {
		return id
	}
	return p.Name
}

// mostNames is how many people a card names.
const mostNames = 8

// deciders are the roles that may decide, and who has them now.
func (c *Client) deciders(card Card, f plan.Facts) string {
	roles := f.Roles
	kind := plan.CommandApprove
	if card.Task {
		kind = plan.CommandConfirm
	}
	roles = plan.RightTo(kind).Allowed(roles)
	text := strings.Join(roles, " or ")
	people, err := c.cfg.People()
	if err != nil {
		return text
	}
	var names []string
	for _, p := range people.Holders(roles...) {
		if f.ExcludeRequester && p.ID == card.Requester {
			continue
		}
		names = append(names, p.Name)
	}
	if len(names) > mostNames {
		names = append(names[:mostNames], fmt.Sprintf("%d more", len(names)-mostNames))
	}
	return fmt.Sprintf("%d of: %s (%s)", max(1, f.Requires), strings.Join(names, ", "), text)
}

// behind are the steps that the gate lets through.
func behind(f plan.Facts) string {
	if len(f.Steps) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("*What it lets through*")
	for i, s := range f.Steps {
		line := fmt.Sprintf("\n• `%s` (%s)", escape(s.ID), escape(s.Type))
		if s.Effect == "irreversible" {
			line += " — *cannot be taken back*"
		}
		if b.Len()+len(line) > 2700 {
			fmt.Fprintf(&b, "\n… and %d more", len(f.Steps)-i)
			break
		}
		b.WriteString(line)
	}
	return b.String()
}
