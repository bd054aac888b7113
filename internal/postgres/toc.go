package postgres

import (
	"errors"
	"fmt"
	"strconv"
)

// The sections of an archive, as pg_dump numbers them.
const (
	sectionNone     = 1
	sectionPreData  = 2
	sectionData     = 3
	sectionPostData = 4
)

// entry is one entry of a schema archive's table of contents. It is read from the archive itself and not
// from the SQL that pg_restore prints: in that, a function's body or a comment can look like the head of
// an entry.
type entry struct {
	// ID is unique in the archive; Needs are the ids that have to be there first.
	ID    int
	Needs []int
	// Type is the archive's own, for example "FK CONSTRAINT".
	Type string
	// Name is Schema.Tag, or Tag where there is no schema, for example "public.claims claims_pkey".
	Name, Schema, Tag string
	SQL               string
	// Drop is the statement that would remove it: it says how functions and operators are addressed.
	Drop  string
	Owner string
	// Tablespace and Access are where and how it is stored; empty means the database's own.
	Tablespace, Access string
	section            int
}

// archiveVersion is a version of the archive format.
type archiveVersion struct{ major, minor, rev int }

func (v archiveVersion) atLeast(minor int) bool { return v.major > 1 || v.minor >= minor }

// The versions of the custom format that are read: PostgreSQL 12 wrote 1.14, 16 wrote 1.15, 17 and 18 write 1.16.
const (
	oldestMinor = 14
	newestMinor = 16
)

var errArchive = errors.New("the schema archive cannot be read")

// toc reads the table of contents of an archive in custom format.
func toc(archive []byte) ([]entry, error) {
	r := tocReader{data: archive}
	list, err := r.read()
	if err != nil {
		return nil, &Error{Op: "read schema archive", Kind: ErrInvalid, Err: err}
	}
	return list, nil
}

// tocReader reads the archive's numbers and strings. The first failure stays.
type tocReader struct {
	data        []byte
	at          int
	intSize     int
	offsetSize  int
	err         error
	version     archiveVersion
	lastSection int
}

func (r *tocReader) read() ([]entry, error) {
	if string(r.bytes(5)) != "PGDMP" {
		return nil, fmt.Errorf("%w: it is not in pg_dump's custom format", errArchive)
	}
	r.version = archiveVersion{int(r.byte()), int(r.byte()), int(r.byte())}
	if r.err == nil && (r.version.major != 1 || r.version.minor < oldestMinor || r.version.minor > newestMinor) {
		return nil, fmt.Errorf("%w: its format is %d.%d, known are 1.%d to 1.%d", errArchive, r.version.major, r.version.minor, oldestMinor, newestMinor)
	}
	r.intSize, r.offsetSize = int(r.byte()), int(r.byte())
	if format := r.byte(); r.err == nil && (format != 1 || r.intSize < 1 || r.intSize > 8 || r.offsetSize > 8) {
		return nil, fmt.Errorf("%w: it is not in pg_dump's custom format", errArchive)
	}
	if r.version.atLeast(15) {
		r.byte() // how data is compressed
	} else {
		r.int()
	}
	for range 7 {
		r.int() // when it was made
	}
	for range 3 {
		_, _ = r.str() // database, version of the server, version of pg_dump
	}
	count := r.int()
	r.lastSection = sectionPreData
	var list []entry
	for i := 0; i < count && r.err == nil; i++ {
		list = append(list, r.entry())
	}
	return list, r.err
}

func (r *tocReader) entry() entry {
	var e entry
	e.ID = r.int()
	r.int()        // whether it has data
	_, _ = r.str() // the catalog that it is of, and its oid there
	_, _ = r.str()
	e.Tag, _ = r.str()
	e.Type, _ = r.str()
	e.section = r.int()
	e.SQL, _ = r.str()
	e.Drop, _ = r.str()
	_, _ = r.str() // how its data is copied
	e.Schema, _ = r.str()
	e.Tablespace, _ = r.str()
	e.Access, _ = r.str()
	if r.version.atLeast(16) {
		r.int() // relkind
	}
	e.Owner, _ = r.str()
	_, _ = r.str() // WITH OIDS, of long ago
	for {
		need, ok := r.str()
		if !ok {
			break
		}
		id, err := strconv.Atoi(need)
		if err != nil && r.err == nil {
			r.err = fmt.Errorf("%w: entry %d depends on %q", errArchive, e.ID, need)
		}
		e.Needs = append(e.Needs, id)
	}
	r.byte() // where its data is
	r.bytes(r.offsetSize)
	e.Name = e.Tag
	if e.Schema != "" {
		e.Name = e.Schema + "." + e.Tag
	}
	// Comments and rights belong to the section of what stands before them, as in pg_restore.
	if e.section < sectionPreData || e.section > sectionPostData {
		e.section = r.lastSection
	}
	r.lastSection = e.section
	return e
}

func (r *tocReader) bytes(n int) []byte {
	if r.err == nil && (n < 0 || n > len(r.data)-r.at) {
		r.err = fmt.Errorf("%w: it ends too early", errArchive)
	}
	if r.err != nil {
		return nil
	}
	b := r.data[r.at : r.at+n]
	r.at += n
	return b
}

func (r *tocReader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// int is a sign and a number in little endian.
func (r *tocReader) int() int {
	negative := r.byte() != 0
	value := 0
	for i, b := range r.bytes(r.intSize) {
		value |= int(b) << (8 * i)
	}
	if negative {
		return -value
	}
	return value
}

// str is a length and bytes; a length below zero is no string at all.
func (r *tocReader) str() (s string, ok bool) {
	n := r.int()
	if n < 0 || r.err != nil {
		return "", false
	}
	return string(r.bytes(n)), true
}
