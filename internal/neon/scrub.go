package neon

import (
	"regexp"
	"strings"
	"unicode"
)

// maxMessage is how much of a message is shown, in bytes.
const maxMessage = 400

// What may lie in the text of an error and must not be seen: connection strings, passwords in JSON, in
// key=value form and in prose, bearer tokens, and Neon's own prefixes of passwords and keys.
var secrets = []*regexp.Regexp{
	regexp.MustCompile(`(?i)postgres(ql)?:\\?/\\?/[^\s"'<>]*`),
	regexp.MustCompile(`(?i)\w*passw(or)?d\\?"?\s*[:=]\s*(\\?"(\\.|[^"\\])*"|'[^']*'|[^\s,;}"']+)`),
	regexp.MustCompile(`(?i)\w*passw(or)?d\s+(is\s+|was\s+)?("[^"]*"|'[^']*'|[^\s,;}"']*[0-9][^\s,;}"']*)`),
	regexp.MustCompile(`(?i)bearer\s+[^\s,;"']+`),
	regexp.MustCompile(`(?i)\b(npg|napi)_[a-z0-9_-]+`),
}

// scrub makes the text of a foreign answer fit to be shown: no secret, one line, not too long.
func scrub(text string, also ...string) string {
	for _, s := range also {
		if len(s) >= 4 {
			text = strings.ReplaceAll(text, s, "[redacted]")
		}
	}
	for _, re := range secrets {
		text = re.ReplaceAllString(text, "[redacted]")
	}
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}
