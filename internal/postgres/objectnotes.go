package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// notesBatch is how many large objects get their notes in one transaction.
const notesBatch = 500

// restoreObjectNotes sets what a schema archive leaves out of large objects: owner, comment and rights. Rights
// of roles that are not there are noted as waived.
func (r *Restorer) restoreObjectNotes(ctx context.Context, catalog manifest.Catalog) error {
	n := 0
	for batch := range slices.Chunk(catalog.LargeObjects, notesBatch) {
		n++
		err := r.once(ctx, fmt.Sprintf("large objects %d", n), func(tx pgx.Tx) error {
			for _, object := range batch {
				for _, e := range objectNotes(object) {
					if err := r.runEntry(ctx, tx, r.roles.apply(e), ""); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// objectNotes are the entries that an archive would have for a large object.
func objectNotes(object manifest.LargeObject) []entry {
	name := fmt.Sprintf("LARGE OBJECT %d", object.OID)
	e := entry{Name: name, Tag: fmt.Sprint(object.OID), Owner: object.Owner}
	var list []entry
	if object.Comment != "" {
		comment := e
		comment.Type, comment.SQL = "COMMENT", "COMMENT ON "+name+" IS "+literal(object.Comment)
		list = append(list, comment)
	}
	owner := e
	owner.Type = "LARGE OBJECT"
	list = append(list, owner)
	if len(object.ACL) == 0 {
		return list
	}
	// No rights at all are written as a list, too: the owner's may have been taken away.
	rights := e
	rights.Type, rights.SQL = "ACL", "REVOKE ALL ON "+name+" FROM "+ident(object.Owner)+";\n"
	for _, item := range object.ACL {
		rights.SQL += grant(name, item, object.Owner)
	}
	return append(list, rights)
}

// grant turns an aclitem such as reader=r*w/owner into statements.
func grant(object, item, owner string) string {
	grantee, rest, ok := cutRole(item)
	rights, ok2 := strings.CutPrefix(rest, "=")
	if !ok || !ok2 {
		return ""
	}
	rights, by, _ := strings.Cut(rights, "/")
	grantor, _, _ := cutRole(by)
	to := "PUBLIC"
	if grantee != "" {
		to = ident(grantee)
	}
	var sql string
	for i, letter := range rights {
		right := map[rune]string{'r': "SELECT", 'w': "UPDATE"}[letter]
		if right == "" {
			continue
		}
		sql += "GRANT " + right + " ON " + object + " TO " + to
		if strings.HasPrefix(rights[i+1:], "*") {
			sql += " WITH GRANT OPTION"
		}
		sql += ";\n"
	}
	if grantor != owner && sql != "" {
		sql = "SET SESSION AUTHORIZATION " + ident(grantor) + ";\n" + sql + "RESET SESSION AUTHORIZATION;\n"
	}
	return sql
}

// cutRole reads a role's name, quoted or not, at the beginning of s.
func cutRole(s string) (role, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, "=/")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], true
	}
	n := quotedLen(s, '"', false)
	if n < 2 {
		return "", "", false
	}
	return strings.ReplaceAll(s[1:n-1], `""`, `"`), s[n:], true
}
