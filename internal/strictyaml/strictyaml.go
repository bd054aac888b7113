// Package strictyaml reads YAML that people write by hand: one document of bounded depth, with the place
// of every value and with messages that say what to do. It knows nothing of what the values mean.
package strictyaml

import (
	"bytes"
	"errors"
	"regexp"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Place is where something stands in a text; both count from 1.
type Place struct{ Line, Column int }

// Fault is why a text cannot be read at all. It repeats nothing of the text.
type Fault struct {
	Place
	Message string
}

// quoted is text of the file inside the parser's messages.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// maxNesting is far above what a person nests.
const maxNesting = 64

// indicators are dashes and question marks that open one level each on the same line.
var indicators = regexp.MustCompile(`^\s*(?:[-?]\s+){8}`)

// tooDeep finds the line in which text begins to nest absurdly; 0 is none. The parser needs memory
// that grows with the square of the depth, so a short file could otherwise end the process. Brackets in
// texts and comments are counted, too: it is only meant to be quick.
func tooDeep(data []byte) (line int) {
	depth := 0
	for text := range bytes.Lines(data) {
		line++
		depth = max(0, depth+bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")))
		if depth > maxNesting || indicators.Match(text) {
			return line
		}
		depth = max(0, depth-bytes.Count(text, []byte("]"))-bytes.Count(text, []byte("}")))
	}
	return 0
}

// Root parses the YAML and finds its only document: nil when there is nothing in it. A key that stands
// twice is left to the caller, who can name both places. Anchors and aliases are nodes like any other: who
// refuses them, as everybody should, is safe from texts that grow when they are read.
func Root(data []byte) (root ast.Node, fault *Fault) {
	if line := tooDeep(data); line > 0 {
		return nil, &Fault{Place{line, 1}, "this nests deeper than it ever has to: look for brackets that are not closed"}
	}
	// Should the parser panic on malformed text, that is one more syntax error for whoever wrote it.
	defer func() {
		if recover() != nil {
			root, fault = nil, &Fault{Place{1, 1}, "this is not YAML that can be read: look for unbalanced brackets and quotation marks"}
		}
	}()
	tree, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxFault(err)
	}
	for _, doc := range tree.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.NullType || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			return nil, &Fault{At(doc.Body), "a second document begins here: keep everything in one, without \"---\""}
		}
		root = doc.Body
	}
	return root, nil
}

func syntaxFault(err error) *Fault {
	at, message := Place{1, 1}, "this is not YAML that can be read"
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		message = quoted.ReplaceAllString(syntax.GetMessage(), "…")
		if token := syntax.GetToken(); token != nil && token.Position != nil {
			at = Place{token.Position.Line, token.Position.Column}
		}
	}
	return &Fault{at, message + ": look at the indentation, colons and quotation marks here and in the line before"}
}

// At is where a node begins; a mapping begins at its first key.
func At(node ast.Node) Place {
	switch n := node.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 && !n.IsFlowStyle {
			return At(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return At(n.Key)
	}
	if node == nil || node.GetToken() == nil || node.GetToken().Position == nil {
		return Place{1, 1}
	}
	at := node.GetToken().Position
	return Place{at.Line, at.Column}
}

// KindOf says in words what a node is.
func KindOf(node ast.Node) string {
	switch node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "settings with names"
	case *ast.SequenceNode:
		return "a list"
	}
	return "a single value"
}
