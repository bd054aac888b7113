package runbooks

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// Bind completes the inputs of an execution: it checks those that were given, and adds the defaults of the
// others. The error says everything that is wrong; it repeats no value.
func (r *Runbook) Bind(given map[string]any) (map[string]any, error) {
	var wrong []string
	bound := make(map[string]any, len(r.Inputs))
	names := make([]string, len(r.Inputs))
	for i, in := range r.Inputs {
		names[i] = in.Name
		value, there := given[in.Name]
		if !there || value == nil {
			if in.Required {
				wrong = append(wrong, fmt.Sprintf("input %s is needed: %s", in.Name, in.purpose()))
			} else if in.Default != nil {
				bound[in.Name] = in.Default
			}
			continue
		}
		if problem := in.wrong(value); problem != "" {
			wrong = append(wrong, fmt.Sprintf("input %s: %s", in.Name, problem))
			continue
		}
		bound[in.Name] = value
	}
	for _, name := range sortedKeys(given) {
		if !slices.Contains(names, name) {
			wrong = append(wrong, fmt.Sprintf("there is no input %s: %s", strictyaml.Quote(name), strictyaml.Suggest(name, names)))
		}
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("read the inputs of %s: %s", r.Name, strings.Join(wrong, "; "))
	}
	return bound, nil
}

func (in Input) purpose() string {
	if in.Title != "" {
		return in.Title
	}
	return "a value of type " + string(in.Type)
}

// ReadText turns what a person typed into a value of the input's kind. Whether it is allowed is for
// [Runbook.Bind] to say.
func (in Input) ReadText(text string) (any, error) {
	switch in.Type {
	case KindBoolean:
		switch text {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, fmt.Errorf("read input %s: write true or false", in.Name)
	case KindInteger, KindNumber:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n-n != 0 {
			return nil, fmt.Errorf("read input %s: write a number", in.Name)
		}
		return n, nil
	}
	return text, nil
}
