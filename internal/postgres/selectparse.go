package postgres

import (
	"regexp"
	"strings"
)

// relationName is a relation's name as the server holds it, without quotes.
type relationName struct{ schema, name string }

func (n relationName) String() string { return relation(n.schema, n.name) }

// shown is the name as a person may write it in a pattern.
func (n relationName) shown() string { return shown(n.schema) + "." + shown(n.name) }

var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_$]*$`)

func shown(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return ident(name)
}

// takeIdent reads one identifier from the start of SQL that PostgreSQL wrote.
func takeIdent(sql string) (name, rest string, ok bool) {
	if !strings.HasPrefix(sql, `"`) {
		end := strings.IndexFunc(sql, func(r rune) bool {
			return r != '_' && r != '$' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
		})
		if end < 0 {
			end = len(sql)
		}
		return sql[:end], sql[end:], end > 0
	}
	var b strings.Builder
	for i := 1; i < len(sql); i++ {
		if sql[i] != '"' {
			b.WriteByte(sql[i])
			continue
		}
		if i+1 < len(sql) && sql[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		return b.String(), sql[i+1:], true
	}
	return "", sql, false
}

// takeRelation reads schema.name.
func takeRelation(sql string) (n relationName, rest string, ok bool) {
	n.schema, rest, ok = takeIdent(sql)
	if !ok || !strings.HasPrefix(rest, ".") {
		return relationName{}, sql, false
	}
	n.name, rest, ok = takeIdent(rest[1:])
	return n, rest, ok
}

var (
	alterTable  = regexp.MustCompile(`^ALTER (FOREIGN )?TABLE (ONLY )?`)
	createIndex = regexp.MustCompile(`^CREATE (UNIQUE )?INDEX `)
	createOther = regexp.MustCompile(`^CREATE (OR REPLACE )?(CONSTRAINT )?(TRIGGER|POLICY|RULE) `)
	createRule  = regexp.MustCompile(`^CREATE (OR REPLACE )?VIEW `)
)

// definition is a table as an archive defines it.
type definition struct {
	relationName
	// parents are what it inherits from or is a partition of.
	parents     []relationName
	partitioned bool
	foreign     bool
}

// definitions reads the tables of an archive's first section.
func definitions(list []entry) []definition {
	var found []definition
	index := map[relationName]int{}
	for _, e := range list {
		if !isTable(e) {
			continue
		}
		name, rest := relationName{e.Schema, e.Tag}, withoutLiterals(e.SQL)
		index[name] = len(found)
		found = append(found, definition{relationName: name, parents: inherited(rest), partitioned: strings.Contains(rest, "\nPARTITION BY "), foreign: e.Type == "FOREIGN TABLE"})
	}
	for _, e := range list {
		if e.Type != "TABLE ATTACH" {
			continue
		}
		parent, child, ok := attached(e.SQL)
		if i, known := index[child]; ok && known {
			found[i].parents = append(found[i].parents, parent)
		}
	}
	return found
}

// withoutLiterals empties the literals of SQL that the server wrote: they may hold anything, SQL as well.
func withoutLiterals(sql string) string {
	var b strings.Builder
	for _, t := range tokens(sql) {
		if strings.HasSuffix(t.text, "'") {
			t.text = "''"
		}
		b.WriteString(t.text)
	}
	return b.String()
}

// inherited reads the list after INHERITS, which follows the columns.
func inherited(sql string) (parents []relationName) {
	const word = "\n)\nINHERITS ("
	at := strings.LastIndex(sql, word)
	if at < 0 {
		return nil
	}
	rest := sql[at+len(word):]
	for {
		parent, after, ok := takeRelation(rest)
		if !ok {
			return parents
		}
		parents = append(parents, parent)
		if rest, ok = strings.CutPrefix(after, ", "); !ok {
			return parents
		}
	}
}

func attached(sql string) (parent, child relationName, ok bool) {
	at := alterTable.FindStringIndex(sql)
	if at == nil {
		return parent, child, false
	}
	parent, rest, ok := takeRelation(sql[at[1]:])
	if !ok {
		return parent, child, false
	}
	if rest, ok = strings.CutPrefix(rest, " ATTACH PARTITION "); !ok {
		return parent, child, false
	}
	child, _, ok = takeRelation(rest)
	return parent, child, ok
}

// subject is the relation that an entry after the data belongs to, where its SQL says so.
func subject(e entry) (relationName, bool) {
	sql := e.SQL
	if at := createIndex.FindStringIndex(sql); at != nil {
		if _, rest, ok := takeIdent(sql[at[1]:]); ok {
			if rest, ok = strings.CutPrefix(rest, " ON "); ok {
				n, _, ok := takeRelation(strings.TrimPrefix(rest, "ONLY "))
				return n, ok
			}
		}
		return relationName{}, false
	}
	if at := strings.LastIndex(sql, " FROM "); at >= 0 && e.Type == "STATISTICS" {
		n, _, ok := takeRelation(sql[at+len(" FROM "):])
		return n, ok
	}
	if at := alterTable.FindStringIndex(sql); at != nil {
		n, _, ok := takeRelation(sql[at[1]:])
		return n, ok
	}
	return relationName{}, false
}

// completedView is the view whose real query an entry gives: where views and what they use go round in a
// circle, pg_dump first makes a view of nulls.
func completedView(e entry) (relationName, bool) {
	if e.Type != "RULE" {
		return relationName{}, false
	}
	at := createRule.FindStringIndex(e.SQL)
	if at == nil {
		return relationName{}, false
	}
	n, _, ok := takeRelation(e.SQL[at[1]:])
	return n, ok
}
