package postgres

import (
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"
)

// pattern names tables or schemas as people write them for pg_dump: SQL identifiers, folded to lower case
// unless quoted, in which * stands for anything and ? for one character, but not between quotes.
type pattern struct {
	text string
	// schema is nil where any schema will do; name is nil where any name will do.
	schema, name *regexp.Regexp
	// exact says that there is no wildcard in the name.
	exact bool
	// plain is the text without quotes and wildcards, to find names that look like it.
	plain string
}

func (p pattern) matches(schema, name string) bool {
	return (p.schema == nil || p.schema.MatchString(schema)) && (p.name == nil || p.name.MatchString(name))
}

// tablePattern reads "name" or "schema.name".
func tablePattern(text string) (pattern, error) {
	words, err := patternWords(text)
	if err != nil {
		return pattern{}, err
	}
	p := pattern{text: text, exact: true}
	for _, w := range words {
		p.plain = w.plain
	}
	switch last := words[len(words)-1]; len(words) {
	case 1:
		p.name, p.exact = last.expression, last.exact
	case 2:
		p.schema, p.name, p.exact = words[0].expression, last.expression, last.exact
		p.plain = words[0].plain + "." + last.plain
	default:
		return pattern{}, badPattern(text, "it has more than two parts; a backup is of one database, so write schema.table")
	}
	return p, nil
}

// schemaPattern reads "schema".
func schemaPattern(text string) (pattern, error) {
	words, err := patternWords(text)
	if err != nil {
		return pattern{}, err
	}
	if len(words) != 1 {
		return pattern{}, badPattern(text, "a schema has no parts; a name with a dot in it has to be quoted")
	}
	return pattern{text: text, schema: words[0].expression, plain: words[0].plain}, nil
}

// word is one identifier of a pattern.
type word struct {
	expression *regexp.Regexp
	plain      string
	exact      bool
}

func badPattern(text, why string) error {
	return &Error{Op: "read pattern", Object: text, Kind: ErrInvalid, Err: errors.New(why)}
}

// patternWords cuts a pattern at the dots outside quotes.
func patternWords(text string) ([]word, error) {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil, badPattern(text, "it is not text")
	}
	var words []word
	var expression, plain strings.Builder
	exact, quoted, any := true, false, false
	end := func() error {
		if !any {
			return badPattern(text, "a name is empty")
		}
		words = append(words, word{expression: regexp.MustCompile(`(?s)\A` + expression.String() + `\z`), plain: plain.String(), exact: exact})
		expression.Reset()
		plain.Reset()
		exact, any = true, false
		return nil
	}
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; {
		case r == '"' && quoted && i+1 < len(runes) && runes[i+1] == '"':
			i++
			expression.WriteByte('"')
			plain.WriteByte('"')
		case r == '"':
			quoted = !quoted
		case quoted:
			expression.WriteString(regexp.QuoteMeta(string(r)))
			plain.WriteRune(r)
			any = true
		case r == '.':
			if err := end(); err != nil {
				return nil, err
			}
		case r == '*':
			expression.WriteString(".*")
			exact, any = false, true
		case r == '?':
			expression.WriteByte('.')
			exact, any = false, true
		default:
			// As the server folds names: letters of ASCII only would be its rule for multi-byte encodings.
			folded := string(r)
			if r < utf8.RuneSelf {
				folded = strings.ToLower(folded)
			}
			expression.WriteString(regexp.QuoteMeta(folded))
			plain.WriteString(folded)
			any = true
		}
	}
	if quoted {
		return nil, badPattern(text, `a " is not closed`)
	}
	return words, end()
}
