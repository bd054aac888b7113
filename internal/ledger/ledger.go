// Package ledger keeps the lost window of an execution: the rows that one state of a database has and the one that is
// kept has not, for people to enter again or to write off. Rows lie in a vault, sealed to the recipients of backups; a
// clear index beside them says how many there are and names the sealed parts by digest. The index is written last and
// create-only: a ledger without one does not exist. Whoever reads it holds the index against the digest that stands in
// the execution's signed journal.
package ledger

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"
)

// Format is the version of the layout that this code writes and reads.
const Format = 1

// Index says what a ledger holds. It is clear: it has counts and no name of a table.
type Index struct {
	Format    int       `json:"format"`
	Execution string    `json:"execution"`
	Step      string    `json:"step"`
	Component string    `json:"component"`
	Written   time.Time `json:"written"`
	Inserted  int64     `json:"inserted"`
	Updated   int64     `json:"updated"`
	Deleted   int64     `json:"deleted"`
	// Parts are the sealed parts in their order.
	Parts []Part `json:"parts"`
}

// Fleet lets workers tell an index that one of them wrote from one that somebody else put into the vault before.
type Fleet interface {
	// MAC is the fleet's word for the text of an object, and CheckMAC says whether it is.
	MAC(objectKey, text string) string
	CheckMAC(objectKey, text, mac string) bool
}

// document is an index as it lies in the vault.
type document struct {
	Index string `json:"index"`
	MAC   string `json:"mac"`
}

// Part is one sealed part: lines of JSON, zstd, age.
type Part struct {
	Key string `json:"key"`
	// Size and SHA256 (hex) are those of the sealed bytes, Rows the number of lines.
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Rows   int64  `json:"rows"`
}

// Digest is what the journal says of an index.
func Digest(index []byte) string {
	sum := sha256.Sum256(index)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Row is one line of a part.
type Row struct {
	// Table is SCHEMA.NAME, Change inserted, updated or deleted.
	Table  string `json:"table"`
	Change string `json:"change"`
	// Was is the row of the state that is kept, Is that of the state that is given up, by column.
	Was map[string]Value `json:"was,omitempty"`
	Is  map[string]Value `json:"is,omitempty"`
}

// Value is a value as PostgreSQL writes it as text; nil is NULL. In JSON it is null, a text, or, where it is no UTF-8,
// {"base64": …}.
type Value []byte

// MarshalJSON implements [json.Marshaler].
func (v Value) MarshalJSON() ([]byte, error) {
	switch {
	case v == nil:
		return []byte("null"), nil
	case utf8.Valid(v):
		return json.Marshal(string(v))
	}
	return json.Marshal(map[string]string{"base64": base64.StdEncoding.EncodeToString(v)})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (v *Value) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*v = nil
		return nil
	}
	var plain string
	if json.Unmarshal(text, &plain) == nil {
		*v = Value(plain)
		return nil
	}
	var coded struct {
		Base64 []byte `json:"base64"`
	}
	if err := json.Unmarshal(text, &coded); err != nil {
		return fmt.Errorf("read value: %w", err)
	}
	*v = coded.Base64
	return nil
}
