// Package manifest says what a backup is: the clear envelope that is signed, the sealed contents that
// only a key holder reads, the records beside them, and every key of a vault (keys.go). It does no I/O
// and knows no database and no store.
package manifest

import "time"

// Format is the version of the backup format this code writes. Later versions read it.
const Format = 1

// Envelope is the clear, signed part of a manifest. With it alone a backup can be copied, locked and
// checked for completeness; it tells sizes, times and ciphertext digests, nothing of the contents.
type Envelope struct {
	Format      int    `json:"format"`
	Application string `json:"application"`
	Component   string `json:"component"`
	Backup      string `json:"backup"`
	// Snapshot names the consistent state that was read; it is part of every data key.
	Snapshot string `json:"snapshot"`
	Source   Source `json:"source"`
	Point    Point  `json:"point"`
	// Started and Finished are the workflow's times.
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// Writer is the version of Lifeboat that wrote it.
	Writer string `json:"writer"`
	// Recipients are the age public keys that every object is sealed to.
	Recipients []string `json:"recipients"`
	// Contents are the objects that together hold the sealed [Contents], in order.
	Contents []Object `json:"contents"`
	// Objects are all the data objects, sorted by key.
	Objects []Object `json:"objects"`
	Totals  Totals   `json:"totals"`
}

// Source identifies where a backup came from. It never holds a credential.
type Source struct {
	Kind string `json:"kind"` // "neon" or "postgres"
	Site string `json:"site"`
	// Project and Branch are Neon's ids; Branch is the parent of the snapshot branch.
	Project  string `json:"project,omitempty"`
	Branch   string `json:"branch,omitempty"`
	Database string `json:"database"`
	// System is pg_control_system's system identifier of the server that was read, in decimal.
	System string `json:"system,omitempty"`
	// ServerVersion is server_version_num, for example 150018.
	ServerVersion int `json:"server_version"`
}

// Point is the restore point: the backup holds what committed at or before it.
type Point struct {
	Time time.Time `json:"time"`
	// LSN is PostgreSQL's write-ahead log position in its own notation, for example 16/B3733C50.
	LSN string `json:"lsn,omitempty"`
}

// Object is one stored object of a backup.
type Object struct {
	Key string `json:"key"`
	// Version is the store's version id in the vault the backup was first written to.
	Version string `json:"version,omitempty"`
	// Size is in bytes of ciphertext.
	Size int64 `json:"size"`
	// SHA256 is the lower-case hex digest of the ciphertext.
	SHA256 string `json:"sha256"`
}

// Totals are counts for people and for progress.
type Totals struct {
	Tables int   `json:"tables"`
	Chunks int   `json:"chunks"`
	Rows   int64 `json:"rows"`
	// PlainBytes are bytes of COPY text and schema before compression; StoredBytes are ciphertext.
	PlainBytes  int64 `json:"plain_bytes"`
	StoredBytes int64 `json:"stored_bytes"`
	// NotCovered counts what the contents list as not covered by this backup.
	NotCovered int `json:"not_covered"`
}

// Contents is the sealed part of a manifest: the catalog, and for every chunk its counts, fingerprint
// and plaintext digests. It is stored like a chunk, as zstd inside age.
type Contents struct {
	Format  int     `json:"format"`
	Backup  string  `json:"backup"`
	Catalog Catalog `json:"catalog"`
	// Schema is the chunk that holds pg_dump's custom-format archive of all sections, without data.
	Schema Chunk `json:"schema"`
	// Chunks are all data chunks, in the order of their ids.
	Chunks []Chunk `json:"chunks"`
}

// Chunk is one unit of reading and restoring, with what was found when it was read.
type Chunk struct {
	// ID is unique in a snapshot and part of the object keys, for example "c00042".
	ID string `json:"id"`
	// Kind is "table", "largeobjects", "schema" or "extconfig".
	Kind string `json:"kind"`
	// Table indexes Catalog.Tables; -1 where the chunk is not of a table.
	Table int `json:"table"`
	// Range is the half-open range of heap blocks.
	Range Range `json:"range"`
	Rows  int64 `json:"rows"`
	// Bytes are plaintext bytes.
	Bytes int64 `json:"bytes"`
	// Fingerprint is the sum modulo 2^128 of a 128-bit hash of each row, as 32 hex digits.
	Fingerprint string `json:"fingerprint"`
	Parts       []Part `json:"parts"`
}

// Range is a half-open range of heap blocks [From, To). To zero means to the end of the table; a range
// that is zero on both sides is the whole table.
type Range struct {
	From uint32 `json:"from"`
	To   uint32 `json:"to"`
}

// Part is one object of a chunk: a run of its plaintext, compressed and sealed on its own.
type Part struct {
	Object
	// Offset and Bytes place the part in the chunk's plaintext.
	Offset int64 `json:"offset"`
	Bytes  int64 `json:"bytes"`
	// PlainSHA256 is the hex digest of the part's plaintext.
	PlainSHA256 string `json:"plain_sha256"`
}
