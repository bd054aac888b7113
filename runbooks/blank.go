package runbooks

import (
	"fmt"
	"regexp"
	"strings"
)

// Blank makes of a text that was filled in from a template one in which only values that may be seen are left; the
// others become "…". Every character of the result that is no such value is the template's own. A text that cannot
// have come from the template is refused.
func Blank(template, filled string, may func(r Reference, value string) bool) (string, error) {
	parts, err := split(template)
	if err != nil {
		return "", err
	}
	var pattern strings.Builder
	pattern.WriteString(`(?s)^`)
	for _, p := range parts {
		if p.ref != nil {
			pattern.WriteString(`(.*?)`)
		} else {
			pattern.WriteString(regexp.QuoteMeta(p.text))
		}
	}
	pattern.WriteString(`$`)
	match := regexp.MustCompile(pattern.String()).FindStringSubmatch(filled)
	if match == nil {
		return "", fmt.Errorf("the text is not what the runbook says: %d bytes", len(filled))
	}
	var out strings.Builder
	next := 1
	for _, p := range parts {
		switch {
		case p.ref == nil:
			out.WriteString(p.text)
		case may(*p.ref, match[next]):
			out.WriteString(match[next])
			next++
		default:
			out.WriteString("…")
			next++
		}
	}
	return out.String(), nil
}
