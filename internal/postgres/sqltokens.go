package postgres

import (
	"strings"
	"unicode/utf8"
)

// token is a piece of SQL: the pieces of a statement, joined, are the statement.
type token struct {
	text string
	// word is the lower-case word of an unquoted identifier or keyword, else empty.
	word string
	// name is what an identifier, quoted or not, names; else empty.
	name string
}

// tokens cuts SQL that PostgreSQL itself printed, for rights and policies: identifiers, strings, blanks and
// the rest. Standard-conforming strings are on, as in pg_dump.
func tokens(sql string) []token {
	var list []token
	for len(sql) > 0 {
		n := tokenLen(sql)
		t := token{text: sql[:n]}
		switch c := sql[0]; {
		case c == '"':
			t.name = strings.ReplaceAll(sql[1:n-1], `""`, `"`)
		case wordByte(c) && (c < '0' || c > '9'):
			t.word = strings.ToLower(sql[:n])
			t.name = t.word
		}
		list = append(list, t)
		sql = sql[n:]
	}
	return list
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= utf8.RuneSelf || (c|0x20 >= 'a' && c|0x20 <= 'z') || (c >= '0' && c <= '9')
}

func tokenLen(sql string) int {
	c := sql[0]
	switch {
	case c == '"' || c == '\'':
		return quotedLen(sql, c, false)
	case (c == 'E' || c == 'e') && len(sql) > 1 && sql[1] == '\'':
		return 1 + quotedLen(sql[1:], '\'', true)
	case wordByte(c):
		n := 1
		for n < len(sql) && wordByte(sql[n]) {
			n++
		}
		return n
	}
	return 1
}

// quotedLen is the length of what begins with a quote; a doubled quote stands for itself.
func quotedLen(sql string, quote byte, escapes bool) int {
	for i := 1; i < len(sql); i++ {
		switch {
		case escapes && sql[i] == '\\':
			i++
		case sql[i] == quote && i+1 < len(sql) && sql[i+1] == quote:
			i++
		case sql[i] == quote:
			return i + 1
		}
	}
	return len(sql)
}

// statements cuts SQL at its semicolons.
func statements(sql string) []string {
	var list []string
	var b strings.Builder
	for _, t := range tokens(sql) {
		b.WriteString(t.text)
		if t.text == ";" {
			list = append(list, strings.TrimSpace(b.String()))
			b.Reset()
		}
	}
	if rest := strings.TrimSpace(b.String()); rest != "" {
		list = append(list, rest)
	}
	return list
}
