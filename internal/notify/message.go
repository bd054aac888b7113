package notify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Severity says how soon people have to look.
type Severity string

// The severities, from what may wait to what may not.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// The longest texts that are sent, in bytes: enough for a sentence on a phone, too little for data.
const (
	maxTitle = 200
	maxText  = 1000
)

// Message is one thing people are to know.
type Message struct {
	// ID is the same for every try to send the message, and another for every other message: receivers
	// drop repetitions by it.
	ID string
	// Kind is what happened, for machines: "backup.failed", "backup.late", "backup.recovered", …
	Kind     string
	Severity Severity
	// Component and Site are where; both may be empty.
	Component, Site string
	// Title is one line. Text is what happened and what to do, for people.
	Title, Text string
	// Fields hold ids, counts and times under the names of the allow-list; anything else is dropped.
	Fields map[string]string
	// Dropped counts the fields that were dropped.
	Dropped int
	Time    time.Time
	// Execution is the workflow id, empty where there is none.
	Execution string
	// Carded says that Slack shows a card for it, and needs no message besides.
	Carded bool
}

// Check says whether a message can be sent at all.
func (m Message) Check() error {
	switch {
	case m.ID == "":
		return fmt.Errorf("check message %q: it has no id, so receivers could not drop repetitions", m.Kind)
	case m.Kind == "" || strings.ContainsFunc(m.Kind, func(r rune) bool { return (r < 'a' || r > 'z') && r != '.' && r != '_' }):
		return fmt.Errorf("check message %q: kind %q is not made of lower-case words and dots", m.ID, m.Kind)
	case m.Severity != Info && m.Severity != Warning && m.Severity != Critical:
		return fmt.Errorf("check message %q: severity %q is not info, warning or critical", m.ID, m.Severity)
	case m.Title == "":
		return fmt.Errorf("check message %q: it has no title", m.ID)
	case m.Time.IsZero():
		return fmt.Errorf("check message %q: it has no time", m.ID)
	}
	return nil
}

// Allowed is the message as it may leave: only fields of the allow-list whose values have the shape of
// their kind, and texts of one paragraph that are not too long. The second result names what was dropped;
// a name that is none is counted and not repeated, since it may be data itself. Empty fields say nothing
// and go without report.
func (m Message) Allowed() (Message, []string) {
	var dropped []string
	kept := make(map[string]string, len(m.Fields))
	for _, name := range m.FieldNames() {
		value := m.Fields[name]
		switch shape, known := fields[name]; {
		case value == "":
		case known && shape(value):
			kept[name] = value
		case known || fieldName.MatchString(name):
			dropped = append(dropped, name)
		default:
			dropped = append(dropped, "(unreadable name)")
		}
	}
	m.Fields = kept
	m.Dropped += len(dropped)
	m.Title, m.Text = clip(m.Title, maxTitle), clip(m.Text, maxText)
	return m, dropped
}

// FieldNames are the names of the fields, sorted.
func (m Message) FieldNames() []string { return slices.Sorted(maps.Keys(m.Fields)) }

// clip makes one paragraph of a text: terminals and chat programs act on control characters.
func clip(text string, most int) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most-len("…")], "") + "…"
	}
	return text
}
