package postgres

import (
	"strings"
)

// roleMap says whom roles of the source are in the target.
type roleMap struct {
	// to maps a role of the source to one of the target; who is not in it keeps its name in rights and
	// policies, and owns nothing.
	to map[string]string
	// restorer is the role that restores, and owns what has no owner of its own.
	restorer string
}

// keepsOwners says whether owners are restored at all.
func (m roleMap) keepsOwners() bool { return len(m.to) > 0 }

// owner is who owns in the target what this role owned in the source.
func (m roleMap) owner(role string) string {
	if to, ok := m.to[role]; ok {
		return to
	}
	return m.restorer
}

// grantee is who has the rights of a role on an object of this owner.
func (m roleMap) grantee(role, owner string) string {
	if to, ok := m.to[role]; ok {
		return to
	}
	if role == owner && !strings.HasPrefix(role, "pg_") {
		return m.restorer
	}
	return role
}

// apply gives an entry the roles of the target: its owner, and whom rights, policies and user mappings name.
func (m roleMap) apply(e entry) entry {
	source := e.Owner
	e.Owner = m.owner(source)
	switch e.Type {
	case "ACL", "ACL LANGUAGE":
		e.SQL = m.rights(e.SQL, source)
	case "DEFAULT ACL":
		e.SQL = m.replace(e.SQL, func(role string) string { return m.grantee(role, "") })
	case "POLICY", "USER MAPPING":
		e.SQL = m.replace(e.SQL, func(role string) string { return m.grantee(role, "") })
		if mapped, ok := m.to[strings.TrimPrefix(cutServer(e.Tag), "USER MAPPING ")]; ok && e.Type == "USER MAPPING" {
			rest := strings.TrimPrefix(e.Tag, cutServer(e.Tag))
			e.Tag = "USER MAPPING " + mapped + rest
			e.Name = e.Tag
		}
	}
	return e
}

// cutServer is the part of a user mapping's tag that names the role.
func cutServer(tag string) string {
	if at := strings.LastIndex(tag, " SERVER "); at >= 0 {
		return tag[:at]
	}
	return tag
}

// rights replaces the roles of grants on one object. What is granted to someone who is its owner in the
// target is left out: an owner has every right.
func (m roleMap) rights(sql, owner string) string {
	var kept []string
	for _, s := range statements(sql) {
		var grantees []string
		mapped := m.replace(s, func(role string) string {
			to := m.grantee(role, owner)
			if role != owner {
				grantees = append(grantees, to)
			}
			return to
		})
		if strings.HasPrefix(s, "GRANT ") && len(grantees) == 1 && grantees[0] == m.owner(owner) {
			continue
		}
		kept = append(kept, mapped)
	}
	return strings.Join(kept, "\n") + "\n"
}

// replace gives every role that rights, policies and user mappings name another name. PostgreSQL prints
// them after TO and FROM, FOR ROLE, SESSION AUTHORIZATION and, for a user mapping, FOR; these words are
// reserved there, so nothing else unquoted can read like them.
func (m roleMap) replace(sql string, to func(string) string) string {
	var b strings.Builder
	var expect, list bool // a role comes next; more of them may follow after a comma
	depth, last, mapping := 0, "", strings.HasPrefix(sql, "CREATE USER MAPPING")
	for _, t := range tokens(sql) {
		switch {
		case strings.TrimSpace(t.text) == "":
			b.WriteString(t.text)
			continue
		case t.text == ";":
			expect, list = false, false
		case t.text == "(":
			depth++
			list = false
		case t.text == ")":
			depth--
		case expect && t.name != "":
			expect, list = false, true
			if name := t.name; t.word == "" || !notRoles[t.word] {
				if mapped := to(name); mapped != name {
					t.text = ident(mapped)
				}
			}
			b.WriteString(t.text)
			last = ""
			continue
		case list && t.text == ",":
			expect = true
		default:
			list = false
		}
		if depth == 0 && t.word != "" {
			switch {
			case t.word == "to", t.word == "from", t.word == "authorization":
				expect = true
			case t.word == "role" && last == "for":
				expect = true
			case t.word == "for" && mapping:
				expect, mapping = true, false
			}
		}
		last = t.word
		b.WriteString(t.text)
	}
	return b.String()
}

// notRoles stand where a role may stand and are none.
var notRoles = map[string]bool{"public": true, "current_user": true, "session_user": true, "current_role": true, "default": true}

// ownership is the statement that gives an object to its owner; it is empty for what has none of its own.
func ownership(e entry) string {
	if e.Owner == "" || e.Tag == "" {
		return ""
	}
	name := ident(e.Tag)
	if e.Schema != "" {
		name = relation(e.Schema, e.Tag)
	}
	kind := e.Type
	switch kind {
	case "COLLATION", "CONVERSION", "DOMAIN", "FOREIGN TABLE", "MATERIALIZED VIEW", "SEQUENCE", "STATISTICS", "TABLE",
		"TEXT SEARCH DICTIONARY", "TEXT SEARCH CONFIGURATION", "TYPE", "VIEW",
		"FOREIGN DATA WRAPPER", "SERVER", "SCHEMA", "EVENT TRIGGER", "PUBLICATION":
	case "LARGE OBJECT":
		name = e.Tag
	case "PROCEDURAL LANGUAGE":
		kind = "LANGUAGE"
	case "AGGREGATE", "FUNCTION", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY", "PROCEDURE":
		rest, ok := strings.CutPrefix(strings.TrimSuffix(strings.TrimSpace(e.Drop), ";"), "DROP ")
		if !ok {
			return ""
		}
		return "ALTER " + rest + " OWNER TO " + ident(e.Owner) + ";"
	default:
		return ""
	}
	return "ALTER " + kind + " " + name + " OWNER TO " + ident(e.Owner) + ";"
}
