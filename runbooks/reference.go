package runbooks

import (
	"errors"
	"slices"
	"strings"
)

// Root is where a reference begins.
type Root string

// The roots of references.
const (
	RootInputs    Root = "inputs"
	RootSteps     Root = "steps"
	RootExecution Root = "execution"
)

// executionFields are what an execution says about itself, with their kinds; that of its target is
// the kind of whatever the runbook's target refers to.
var executionFields = []Output{
	{"id", KindString, "the execution's id"},
	{"mode", KindString, "plan, drill or live"},
	{"target", KindName, "what is acted upon"},
	{"approach", KindString, "graceful or ungraceful, as it is when the step begins"},
	{"commander", KindString, "who started it, or took it over"},
	{"started", KindTime, "when it started"},
}

// Reference is one ${…}.
type Reference struct {
	Root Root
	// Step is the id of the step, for RootSteps; that of a step of a nested runbook has dots.
	Step string
	// Name is the input, the output or the field.
	Name string
}

// String is the reference as it is written.
func (r Reference) String() string {
	if r.Root == RootSteps {
		return "${steps." + r.Step + "." + r.Name + "}"
	}
	return "${" + string(r.Root) + "." + r.Name + "}"
}

// part is either literal text or a reference.
type part struct {
	text string
	ref  *Reference
}

var errReference = errors.New("a reference is ${inputs.NAME}, ${steps.ID.OUTPUT} or ${execution.FIELD}; write $${ for the characters ${ themselves")

// split cuts a text into literal parts and references.
func split(text string) ([]part, error) {
	var parts []part
	literal := ""
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			literal += text
			break
		}
		if i > 0 && text[i-1] == '$' {
			literal += text[:i-1] + "${"
			text = text[i+2:]
			continue
		}
		literal += text[:i]
		end := strings.IndexByte(text[i:], '}')
		if end < 0 {
			return nil, errReference
		}
		ref, err := parseReference(text[i+2 : i+end])
		if err != nil {
			return nil, err
		}
		if literal != "" {
			parts = append(parts, part{text: literal})
			literal = ""
		}
		parts = append(parts, part{ref: &ref})
		text = text[i+end+1:]
	}
	if literal != "" {
		parts = append(parts, part{text: literal})
	}
	return parts, nil
}

// ParseReference reads a text that is nothing but one reference, such as "${inputs.site}".
func ParseReference(text string) (Reference, error) {
	parts, err := split(text)
	if err != nil {
		return Reference{}, err
	}
	if len(parts) != 1 || parts[0].ref == nil {
		return Reference{}, errReference
	}
	return *parts[0].ref, nil
}

func parseReference(inside string) (Reference, error) {
	words := strings.Split(inside, ".")
	for _, word := range words {
		if !referable(word) {
			return Reference{}, errReference
		}
	}
	switch root := Root(words[0]); {
	case root == RootSteps && len(words) >= 3 && len(words) <= MaxDepth+2:
		// The id of a step of a nested runbook has a dot for each runbook around it.
		last := len(words) - 1
		return Reference{Root: root, Step: strings.Join(words[1:last], "."), Name: words[last]}, nil
	case (root == RootInputs || root == RootExecution) && len(words) == 2:
		return Reference{Root: root, Name: words[1]}, nil
	}
	return Reference{}, errReference
}

// referable says whether a word can stand between the dots of a reference.
func referable(word string) bool {
	if word == "" || len(word) > 40 {
		return false
	}
	for i := range len(word) {
		c := word[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// references calls found for every reference in a value, with the path of the text it is in; whole says
// that the text is nothing else. It goes through mappings in the order of their keys.
func references(value any, path string, found func(ref Reference, path string, whole bool)) {
	switch v := value.(type) {
	case string:
		parts, err := split(v)
		if err != nil {
			return
		}
		for _, p := range parts {
			if p.ref != nil {
				found(*p.ref, path, len(parts) == 1)
			}
		}
	case []any:
		for i, item := range v {
			references(item, at(path, i), found)
		}
	case map[string]any:
		for _, key := range sortedKeys(v) {
			references(v[key], join(path, key), found)
		}
	}
}

// wholeReference is the reference that a value consists of, nil when it is anything else.
func wholeReference(value any) *Reference {
	text, ok := value.(string)
	if !ok {
		return nil
	}
	parts, err := split(text)
	if err != nil || len(parts) != 1 {
		return nil
	}
	return parts[0].ref
}

// hasReference says whether a value has a reference anywhere.
func hasReference(value any) bool {
	any := false
	references(value, "", func(Reference, string, bool) { any = true })
	return any
}

// References are all references in a value, each once, in a fixed order.
func References(value any) []Reference {
	var all []Reference
	references(value, "", func(ref Reference, _ string, _ bool) {
		if !slices.Contains(all, ref) {
			all = append(all, ref)
		}
	})
	return all
}
