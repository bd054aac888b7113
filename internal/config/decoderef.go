package config

import (
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

const refHint = "a secret is never written here: use {env: NAME} or {file: PATH}"

// An environment variable's name, strictly in capitals: tokens that are pasted in its place rarely look so.
var envName = regexp.MustCompile(`^[A-Z_][A-Z0-9_]{0,99}$`)

func isName(s string) bool { return manifest.ValidComponent(s) }

// ref reads where a secret is. Whatever stands in its place may be the secret itself, so no message
// repeats a word of it, keys included.
func (d *decoder) ref(node ast.Node, path string, into *secret.Ref) {
	var pairs []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	}
	if len(pairs) != 1 {
		d.fail(strictyaml.At(node), path, "%s", refHint)
		return
	}
	text, ok := refText(pairs[0].Value)
	switch key := pairs[0].Key.GetToken().Value; {
	case !ok || (key != "env" && key != "file"):
		d.fail(strictyaml.At(node), path, "%s", refHint)
	case key == "env" && !envName.MatchString(text):
		d.fail(strictyaml.At(pairs[0].Value), path, "env takes the name of an environment variable in capitals, such as LIFEBOAT_KEY; the secret itself belongs into that variable")
	case key == "env":
		into.Env = text
	case text == "" || strings.ContainsAny(text, "\n\r") || strictyaml.Secretive.MatchString(text) && strings.Contains(text, "://") || strings.HasPrefix(text, "AGE-SECRET-KEY-") || strings.Contains(text, "PRIVATE KEY"):
		d.fail(strictyaml.At(pairs[0].Value), path, "file takes the path of a file; the secret itself belongs into that file")
	default:
		into.File = string(d.path(text))
	}
}

func refText(node ast.Node) (string, bool) {
	if s, ok := node.(*ast.StringNode); ok {
		return s.Value, true
	}
	return "", false
}

// signers reads a path or a list of lines.
func (d *decoder) signers(node ast.Node, path string, into *Signers) {
	if list, ok := node.(*ast.SequenceNode); ok {
		for _, item := range list.Values {
			line, ok := refText(item)
			if !ok || strings.TrimSpace(line) == "" {
				d.fail(strictyaml.At(item), path, "every entry is one line as in allowed_signers: PRINCIPAL [OPTIONS] KEYTYPE KEY")
				return
			}
			into.Lines = append(into.Lines, line)
		}
		return
	}
	text, ok := refText(node)
	if !ok || text == "" || strings.Contains(text, "\n") {
		d.fail(strictyaml.At(node), path, "this takes the path of an allowed_signers file, or a list of its lines")
		return
	}
	into.File = d.path(text)
}
