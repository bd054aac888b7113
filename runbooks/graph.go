package runbooks

import (
	"bytes"
	"fmt"
	"html"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// The measures of the drawing, in its units: pixels on a screen.
const (
	boxWidth, boxHeight   = 232, 74
	gapAcross, gapDown    = 28, 46
	margin                = 16
	lettersOfTitle        = 30
	lettersBelow          = 38
	bendWidth             = 60
	graphStyle            = `text{font-family:Helvetica,Arial,sans-serif;fill:#111}.t{font-size:13px;font-weight:600}.s{font-size:10.5px;fill:#444}.m{font-size:10px;font-weight:700;letter-spacing:.03em}.b{fill:#fff;stroke:#555;stroke-width:1.2}.inside{fill:#eaf1fb;stroke:#1f4e8c;stroke-width:2}.gate{fill:#fff3cd;stroke:#8a6d00;stroke-width:2}.final{fill:#fde8e8;stroke:#b00020;stroke-width:3.5}.maybe{stroke-dasharray:6 4}.l{fill:none;stroke:#777;stroke-width:1.3}`
	unitWidth, unitHeight = boxWidth + gapAcross, boxHeight + gapDown
)

// Graph draws what comes before what, as SVG: gates are yellow with cut corners, steps that cannot be taken
// back are red with a thick border, runbooks inside are blue, and steps with a condition have a dashed border. The
// drawing needs nothing from outside.
func (r *Runbook) Graph() []byte {
	l := r.place()
	width, height := 2*margin+boxWidth, 2*margin+len(l.layers)*unitHeight-gapDown
	for i := range r.Steps {
		width = max(width, int(l.nodes[i].x*unitWidth)+boxWidth+2*margin)
	}
	for i := len(r.Steps); i < len(l.nodes); i++ {
		width = max(width, int(l.nodes[i].x*unitWidth)+boxWidth/2+bendWidth+2*margin)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`, width, height, width, height, html.EscapeString(r.Title))
	fmt.Fprintf(&b, `<style>%s</style><defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#777"/></marker></defs>`, graphStyle)
	for _, line := range l.lines {
		l.draw(&b, line, len(r.Steps))
	}
	final := r.PointOfNoReturn(plan.ModeLive)
	for i := range r.Steps {
		r.box(&b, i, l.nodes[i], slices.Contains(final, r.Steps[i].ID))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// spot is where a node's middle is.
func spot(n node) (x, top float64) {
	return margin + n.x*unitWidth + boxWidth/2.0, float64(margin + n.layer*unitHeight)
}

// draw draws one line: curves between layers, straight down beside the boxes that it passes.
func (l *layout) draw(b *bytes.Buffer, line []int, steps int) {
	x, y := spot(l.nodes[line[0]])
	y += boxHeight
	fmt.Fprintf(b, `<path class="l" marker-end="url(#tip)" d="M%.1f %.1f`, x, y)
	for _, i := range line[1:] {
		toX, toY := spot(l.nodes[i])
		middle := (y + toY) / 2
		fmt.Fprintf(b, `C%.1f %.1f %.1f %.1f %.1f %.1f`, x, middle, toX, middle, toX, toY)
		if i >= steps {
			toY += boxHeight
			fmt.Fprintf(b, `L%.1f %.1f`, toX, toY)
		}
		x, y = toX, toY
	}
	b.WriteString(`"/>`)
}

// box draws one step.
func (r *Runbook) box(b *bytes.Buffer, i int, n node, first bool) {
	step := &r.Steps[i]
	x, top := spot(n)
	left := x - boxWidth/2.0
	class, mark := "b", ""
	switch {
	case step.Type == "approval":
		class, mark = "gate", fmt.Sprintf("APPROVAL %d × %s", GateOf(step).Requires, strings.Join(GateOf(step).Roles, ", "))
	case step.Type == typeRunbook:
		class, mark = "inside", "RUNBOOK / PROCÉDURE: "+textOr(step.With["name"])
	case step.Effect == EffectIrreversible:
		class, mark = "final", "IRREVERSIBLE / IRRÉVERSIBLE"
		if first {
			mark = "POINT OF NO RETURN / NON-RETOUR"
		}
	case step.Undo != nil:
		mark = "UNDO / RETOUR: " + step.Undo.Type
	}
	if step.When != nil {
		class += " maybe"
	}
	fmt.Fprintf(b, `<g><title>%s</title>`, html.EscapeString(step.Title))
	if step.Type == "approval" {
		fmt.Fprintf(b, `<path class="%s" d="M%.1f %.1fh%dl12 12v%dl-12 12h-%dl-12 -12v-%dz"/>`, class, left+12, top, boxWidth-24, boxHeight-24, boxWidth-24, boxHeight-24)
	} else {
		fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%.1f" width="%d" height="%d" rx="6"/>`, class, left, top, boxWidth, boxHeight)
	}
	lines := wrap(fmt.Sprintf("%d. %s", i+1, step.Title), lettersOfTitle, 2)
	for k, text := range lines {
		fmt.Fprintf(b, `<text class="t" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, x, top+19+float64(k)*15, html.EscapeString(text))
	}
	fmt.Fprintf(b, `<text class="s" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, x, top+22+float64(len(lines))*15, html.EscapeString(short(step.ID+" · "+step.Type, lettersBelow)))
	if mark != "" {
		fmt.Fprintf(b, `<text class="m" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, x, top+66, html.EscapeString(short(mark, lettersBelow-4)))
	}
	b.WriteString("</g>")
}

func textOr(value any) string { text, _ := value.(string); return text }

// wrap breaks a text into at most so many lines of at most so many letters.
func wrap(text string, letters, lines int) []string {
	var all []string
	line := ""
	words := strings.Fields(text)
	for i, word := range words {
		joined := strings.TrimSpace(line + " " + word)
		if utf8.RuneCountInString(joined) <= letters || line == "" {
			line = joined
			continue
		}
		if len(all) == lines-1 {
			line = strings.Join(append([]string{line}, words[i:]...), " ")
			break
		}
		all, line = append(all, line), word
	}
	all = append(all, line)
	for i := range all {
		all[i] = short(all[i], letters)
	}
	return all
}

// short cuts a text to so many letters.
func short(text string, letters int) string {
	if utf8.RuneCountInString(text) <= letters {
		return text
	}
	return strings.TrimSpace(string([]rune(text)[:letters-1])) + "…"
}
