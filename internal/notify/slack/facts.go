package slack

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	api "github.com/slack-go/slack"

	"github.com/lifeboat-dr/lifeboat/internal/notify"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// unshown stands where a value may not leave.
const unshown = "not shown in Slack"

// question is what is asked: the signed template, with those values filled in that may leave.
func (card Card) question(f plan.Facts) string {
	text, err := runbooks.Blank(card.Message, f.Summary, func(r runbooks.Reference, value string) bool {
		_, ok := notify.Shown(card.means(r), value)
		return ok
	})
	if err != nil {
		return "" // it is not what the runbook asks: the title has to do
	}
	return text
}

// shows are the values that the runbook wants to be seen, those that may leave.
func (card Card) shows(f plan.Facts) (shown [][2]string) {
	for _, label := range slices.Sorted(maps.Keys(f.Shows)) {
		template, signed := card.Shows[label]
		if !signed {
			continue // the label itself could be anything
		}
		name := ""
		if r, err := runbooks.ParseReference(template); err == nil {
			name = card.means(r)
		}
		text, ok := notify.Shown(name, f.Shows[label])
		if !ok {
			text = unshown
		}
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			text = stamp(t)
		}
		shown = append(shown, [2]string{label, text})
	}
	return shown
}

// means is the name under which the allow-list has what a reference stands for.
func (card Card) means(r runbooks.Reference) string {
	if card.Means == nil {
		return ""
	}
	return card.Means(r)
}

// mostFields is how many fields a section takes.
const mostFields = 10

// table shows labels and values, two columns wide.
func table(rows [][2]string) (blocks []api.Block) {
	for group := range slices.Chunk(rows, mostFields) {
		var fields []*api.TextBlockObject
		for _, r := range group {
			fields = append(fields, markdown("*"+escape(clip(r[0], 100))+"*\n"+escape(clip(r[1], 1500))))
		}
		blocks = append(blocks, api.NewSectionBlock(nil, fields, nil))
	}
	return blocks
}

func plain(text string) *api.TextBlockObject {
	return api.NewTextBlockObject(api.PlainTextType, text, false, false)
}

func markdown(text string) *api.TextBlockObject {
	return api.NewTextBlockObject(api.MarkdownType, text, false, true)
}

func section(text string) api.Block { return api.NewSectionBlock(markdown(text), nil, nil) }

// escape keeps a text from becoming a link, a mention or markup.
func escape(text string) string {
	text = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
	// A space of no width behind what would begin markup keeps the characters as they are.
	return strings.NewReplacer("`", "'", "*", "*\u200b", "~", "~\u200b").Replace(text)
}

// clip makes one line of a text, not too long.
func clip(text string, most int) string {
	keep := func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return ' '
		}
		return r
	}
	runes := []rune(strings.Map(keep, text))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most-1]) + "…"
}

// stamp is a moment as everybody reads it, whatever their zone.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// digestOf is what decisions are bound to.
func digestOf(facts string) string { return runbooks.Digest([]byte(facts)) }
