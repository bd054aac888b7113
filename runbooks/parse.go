package runbooks

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// document is a text as far as it could be read.
type document struct {
	*reader
	text []byte
	// runbook is nil when there was nothing to read.
	runbook *Runbook
	// paths are where the steps of the runbook stand.
	paths []string
}

// Parse reads the text of a runbook, strictly. When anything is wrong the error is of type [Problems] and
// holds all of it. What Parse returns has explicit needs without a cycle, known types with known
// parameters, and all defaults; whether it makes sense is for [Lint] to say.
func Parse(text []byte) (*Runbook, error) {
	d := parse(text)
	if errs := d.problems.Errors(); len(errs) > 0 {
		return nil, errs.inOrder()
	}
	return d.runbook, nil
}

// Digest is the SHA-256 of a runbook's exact text, in hex: what its owners sign.
func Digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func parse(text []byte) *document {
	d := &document{reader: &reader{places: map[string]strictyaml.Place{}, failed: map[string]bool{}}, text: text}
	root, ok := d.root()
	if !ok {
		return d
	}
	s, ok := d.section(root, "", "apiVersion", "name", "title", "scenario", "description", "objectives", "target", "inputs", "roles", "escalation", "limits", "steps")
	if !ok {
		return d
	}
	d.runbook = &Runbook{}
	d.head(s)
	d.inputs(s)
	d.roles(s)
	d.steps(s)
	return d
}

// root finds the document, and refuses texts that do not look like what they are.
func (d *document) root() (ast.Node, bool) {
	begin := strictyaml.Place{Line: 1, Column: 1}
	if len(d.text) > MaxText {
		d.fail(begin, "", "the text is larger than %d bytes: split it into several runbooks", MaxText)
		return nil, false
	}
	if place, ok := unreadable(d.text); !ok {
		d.fail(place, "", "this line holds a character that people cannot see, or that is no UTF-8: what is signed has to be what was read")
		return nil, false
	}
	root, fault := strictyaml.Root(d.text)
	if fault != nil {
		d.fail(fault.Place, "", "%s", fault.Message)
		return nil, false
	}
	if root == nil {
		d.fail(begin, "", "the text is empty: begin with apiVersion: %s", APIVersion)
		return nil, false
	}
	return root, true
}

// unreadable finds control characters and those that turn the direction of writing around.
func unreadable(text []byte) (strictyaml.Place, bool) {
	place := strictyaml.Place{Line: 1, Column: 1}
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRune(text[i:])
		lone := c == '\r' && (i+1 == len(text) || text[i+1] != '\n') // a terminal writes over the line
		bad := lone || c == utf8.RuneError && size == 1 || c < ' ' && c != '\n' && c != '\t' && c != '\r' || c >= 0x7f && c < 0xa0 ||
			c >= 0x200b && c <= 0x200f || c >= 0x2028 && c <= 0x202e || c >= 0x2060 && c <= 0x2069 || c == 0xfeff
		if bad {
			return place, false
		}
		i += size
		place.Column++
		if c == '\n' {
			place = strictyaml.Place{Line: place.Line + 1, Column: 1}
		}
	}
	return place, true
}

// head reads everything but the lists.
func (d *document) head(s *section) {
	r := d.runbook
	if s.need("apiVersion", "write "+APIVersion) {
		if r.APIVersion = s.text("apiVersion"); r.APIVersion != APIVersion && !d.failed["apiVersion"] {
			d.fail(d.places["apiVersion"], "apiVersion", "only %s is known", APIVersion)
		}
	}
	r.Name = s.name("name", "the runbook's name, the same as its file's without .yaml")
	if s.need("title", "what it is for, in a few words") {
		r.Title = s.line("title")
	}
	if s.need("scenario", "what has happened when it is used") {
		r.Scenario = word(s, "scenario", Scenarios, "")
	}
	r.Description = s.text("description")
	r.Escalation = s.text("escalation")
	if s.need("target", "what is acted upon: a name, or ${inputs.NAME}") {
		r.Target = s.text("target")
		if wholeReference(r.Target) == nil && !d.failed["target"] && KindName.wrongText(r.Target) != "" {
			d.fail(d.places["target"], "target", "a name or a reference such as ${inputs.component} is expected here")
		}
	}
	if node := s.values["objectives"]; node != nil {
		if o, ok := d.section(node, "objectives", "rpo", "rto"); ok {
			r.Objectives = Objectives{RPO: o.duration("rpo", 0), RTO: o.duration("rto", 0)}
		}
	}
	r.Duration = 48 * time.Hour
	if node := s.values["limits"]; node != nil {
		if l, ok := d.section(node, "limits", "duration"); ok {
			r.Duration = l.duration("duration", r.Duration)
		}
	}
}

// line reads a text of one line.
func (s *section) line(name string) string {
	text, path := s.text(name), join(s.path, name)
	if !s.failed[path] && (text == "" || len(text) > 200 || lineBreak.MatchString(text)) {
		s.fail(s.places[path], path, "one line of at most 200 bytes is expected here: longer text belongs into the description or summary")
	}
	return text
}

var lineBreak = regexp.MustCompile(`[\r\n]`)

// roles reads the roles.
func (d *document) roles(s *section) {
	node := s.values["roles"]
	if node == nil {
		return
	}
	pairs, _ := d.pairs(node, "roles")
	for _, pair := range pairs {
		name, path := pair.Key.GetToken().Value, join("roles", pair.Key.GetToken().Value)
		if !validName(name) {
			d.report(SeverityError, strictyaml.At(pair.Key), "roles", "%s: %s", strictyaml.Quote(name), KindName.wrongText(name))
			continue
		}
		d.places[path] = strictyaml.At(pair.Key)
		role := Role{Name: name}
		if pair.Value != nil && pair.Value.Type() != ast.NullType {
			if f, ok := d.section(pair.Value, path, "title", "description"); ok {
				role.Title, role.Description = f.text("title"), f.text("description")
			}
		}
		d.runbook.Roles = append(d.runbook.Roles, role)
	}
}
