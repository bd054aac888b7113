package postgres

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// TOC lets tests hold the archive's entries against what pg_restore lists.
func TOC(archive []byte) (kinds, names, sql []string, err error) {
	list, err := toc(archive)
	for _, e := range list {
		kinds, names, sql = append(kinds, e.Type), append(names, e.Tag), append(sql, e.SQL)
	}
	return kinds, names, sql, err
}

// MapRoles lets tests see what becomes of the SQL of rights, policies and user mappings.
func MapRoles(kind, owner, sql, restorer string, to map[string]string) string {
	return roleMap{to: to, restorer: restorer}.apply(entry{Type: kind, Owner: owner, SQL: sql}).SQL
}

// Rights lets tests see the statements for a large object.
var Rights = grant

// ResolveUnchecked trusts the target to refuse a selection that cannot be.
func ResolveUnchecked(s Selection, contents manifest.Contents, archive []byte) (*Selected, error) {
	list, err := entries(archive, sectionPreData)
	if err != nil {
		return nil, err
	}
	_, selected, err := resolve(s, contents, list)
	return selected, err
}

// SetLockWait shortens the waits for locks until the returned function is called.
func SetLockWait(d time.Duration) (restore func()) {
	before, reader := lockWait, readerWait
	lockWait, readerWait = d, d
	return func() { lockWait, readerWait = before, reader }
}
