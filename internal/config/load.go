package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile bounds the file in bytes; a configuration of a hundred components is far below.
const maxFile = 128 << 10

// Load reads and checks a configuration file. When anything is wrong the error is of type [Problems] and
// holds all of it; otherwise Warnings of the result may still have something to say.
func Load(path string) (*Config, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find configuration %s: %w", path, err)
	}
	data, err := read(absolute)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	c, err := parse(path, filepath.Dir(absolute), data)
	if err != nil {
		return nil, err
	}
	c.File = absolute
	return c, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes: is it the right file?", path, maxFile)
	}
	return data, err
}

// parse turns the text of a file into a checked configuration. File is its name in messages, dir what
// relative paths are meant from.
func parse(file, dir string, data []byte) (*Config, error) {
	d := decoder{file: file, dir: dir, places: map[string]place{}, failed: map[string]bool{}}
	var c Config
	if root, ok := d.root(data); ok {
		d.value(root, "", reflect.ValueOf(&c).Elem())
		if !d.failed[""] {
			d.check(&c)
		}
	}
	if len(d.problems) > 0 {
		return nil, Problems(inOrder(d.problems))
	}
	c.Warnings = inOrder(d.warnings)
	return &c, nil
}

// quoted is text of the file inside the parser's messages.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// maxNesting is far above what a configuration nests.
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

// root parses the YAML and finds its only document.
func (d *decoder) root(data []byte) (root ast.Node, ok bool) {
	if line := tooDeep(data); line > 0 {
		d.fail(place{line, 1}, "", "this nests deeper than any configuration does: look for brackets that are not closed")
		return nil, false
	}
	// Should the parser panic on malformed text, that is one more syntax error for whoever wrote it.
	defer func() {
		if recover() != nil {
			d.fail(place{1, 1}, "", "this is not YAML that can be read: look for unbalanced brackets and quotation marks")
			root, ok = nil, false
		}
	}()
	tree, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, message := place{1, 1}, "this is not YAML that can be read"
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			message = quoted.ReplaceAllString(syntax.GetMessage(), "…")
			if token := syntax.GetToken(); token != nil && token.Position != nil {
				at = place{token.Position.Line, token.Position.Column}
			}
		}
		d.fail(at, "", "%s: look at the indentation, colons and quotation marks here and in the line before", message)
		return nil, false
	}
	for _, doc := range tree.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.NullType || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			d.fail(placeOf(doc.Body), "", "a second document begins here: keep everything in one, without \"---\"")
			return nil, false
		}
		root = doc.Body
	}
	if root == nil {
		d.fail(place{1, 1}, "", "the file is empty: begin with a copy of lifeboat.example.yaml")
		return nil, false
	}
	return root, true
}
