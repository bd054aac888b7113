package postgres

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// sliceBytes is how much of a large object one row holds; as hex it is twice that.
const sliceBytes = 256 << 10

// inspectObjects finds the large objects that the role can read, and those it cannot.
func inspectObjects(ctx context.Context, conn *pgx.Conn, catalog *manifest.Catalog) error {
	// Before version 18 there is no function that answers whether the role may read one. The owner's
	// members and who is granted SELECT may.
	rows, err := conn.Query(ctx, `SELECT m.oid, pg_catalog.pg_get_userbyid(m.lomowner)::text,
		COALESCE(m.lomacl::text[], '{}'), COALESCE(pg_catalog.obj_description(m.oid, 'pg_largeobject'), ''),
		pg_catalog.pg_has_role(m.lomowner, 'USAGE') OR EXISTS (SELECT FROM pg_catalog.aclexplode(m.lomacl) a
			WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, 'USAGE')))
		FROM pg_catalog.pg_largeobject_metadata m ORDER BY m.oid`)
	if err != nil {
		return fail("list large objects", "", err)
	}
	defer rows.Close()
	for rows.Next() {
		var object manifest.LargeObject
		var readable bool
		if err := rows.Scan(&object.OID, &object.Owner, &object.ACL, &object.Comment, &readable); err != nil {
			return fail("list large objects", "", err)
		}
		if !readable {
			catalog.NotCovered = append(catalog.NotCovered, manifest.NotCovered{Kind: "large-object",
				Name: strconv.FormatUint(uint64(object.OID), 10), Reason: "the role may not read it; its owner is " + object.Owner})
			continue
		}
		catalog.LargeObjects = append(catalog.LargeObjects, object)
	}
	if err := rows.Err(); err != nil {
		return fail("list large objects", "", err)
	}
	return measureObjects(ctx, conn, catalog.LargeObjects)
}

func measureObjects(ctx context.Context, conn *pgx.Conn, objects []manifest.LargeObject) error {
	for start := 0; start < len(objects); start += maxObjects {
		batch := objects[start:min(start+maxObjects, len(objects))]
		rows, err := conn.Query(ctx, `SELECT bytes FROM (`+sizes(batch)+`) s ORDER BY oid`)
		if err != nil {
			return fail("measure large objects", "", err)
		}
		measured, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return fail("measure large objects", "", err)
		}
		if len(measured) != len(batch) {
			return &Error{Op: "measure large objects", Kind: ErrMismatch, Err: errors.New("some are gone")}
		}
		for i := range batch {
			batch[i].Bytes = measured[i]
		}
	}
	return nil
}

// sizes opens, measures and closes each object in turn: an object left open stays so until the
// transaction ends. 262144 is INV_READ, 2 is SEEK_END. OFFSET 0 keeps the order of the three calls.
func sizes(objects []manifest.LargeObject) string {
	return `SELECT b.oid, b.bytes, pg_catalog.lo_close(b.fd) FROM (
		SELECT a.oid, a.fd, pg_catalog.lo_lseek64(a.fd, 0, 2) AS bytes FROM (
		SELECT u.oid, pg_catalog.lo_open(u.oid, 262144) AS fd FROM pg_catalog.unnest('{` + oids(objects) + `}'::oid[]) u(oid)
		OFFSET 0) a OFFSET 0) b OFFSET 0`
}

func oids(objects []manifest.LargeObject) string {
	list := make([]string, len(objects))
	for i, object := range objects {
		list[i] = strconv.FormatUint(uint64(object.OID), 10)
	}
	return strings.Join(list, ",")
}

// copyObjects writes rows of object, position and bytes; see the package comment. An empty object is one
// row without bytes.
func copyObjects(objects []manifest.LargeObject) string {
	size := strconv.Itoa(sliceBytes)
	return `COPY (SELECT l.oid, p.pos, pg_catalog.lo_get(l.oid, p.pos, ` + size + `) FROM (` + sizes(objects) + `) l,
		LATERAL pg_catalog.generate_series(0::bigint, GREATEST(l.bytes - 1, 0), ` + size + `) p(pos)
		ORDER BY l.oid, p.pos) TO STDOUT`
}

func objectsOf(catalog manifest.Catalog, chunk manifest.Chunk) ([]manifest.LargeObject, error) {
	r := chunk.Range
	if r.From >= r.To || uint64(r.To) > uint64(len(catalog.LargeObjects)) {
		return nil, &Error{Op: "find large objects of chunk", Object: chunk.ID, Kind: ErrInvalid, Err: errors.New("the catalog does not know them")}
	}
	return catalog.LargeObjects[r.From:r.To], nil
}
