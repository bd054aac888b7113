package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"unicode/utf8"
)

// MaxDocument bounds a signed document in bytes. The largest is the manifest of a database of some
// hundred thousand objects.
const MaxDocument = 64 << 20

// Document is a signed document as it is stored: the exact text that was signed, and the armored SSHSIG
// over it. It can be checked without Lifeboat:
//
//	jq -j .signed manifest.json | ssh-keygen -Y verify -n manifest@lifeboat-dr -s <(jq -r .signature manifest.json) …
type Document struct {
	Signed    string `json:"signed"`
	Signature string `json:"signature"`
}

// Bytes is the document as an object of a vault.
func (d Document) Bytes() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("render document: %w", err)
	}
	if b.Len() > MaxDocument {
		return nil, fmt.Errorf("render document: %d bytes are more than the %d that are ever read", b.Len(), MaxDocument)
	}
	return b.Bytes(), nil
}

// What stands around the two texts of a document, to the byte: no bit of an object may change unnoticed. A text
// cannot hold these, since a line's end is written as \n in it.
const (
	documentHead   = "{\n  \"signed\": \""
	documentMiddle = "\",\n  \"signature\": \""
	documentTail   = "\"\n}\n"
)

// ParseDocument reads a document without believing it.
func ParseDocument(data []byte) (Document, error) {
	var d Document
	if len(data) > MaxDocument {
		return d, fmt.Errorf("document has %d bytes, at most %d are read", len(data), MaxDocument)
	}
	if !bytes.HasPrefix(data, []byte(documentHead)) || bytes.Count(data, []byte(documentMiddle)) != 1 || !bytes.HasSuffix(data, []byte(documentTail)) {
		return d, errors.New("document is not written as signed documents are")
	}
	if err := Decode(data, &d); err != nil {
		return d, err
	}
	if d.Signed == "" || d.Signature == "" {
		return d, errors.New("document is not signed")
	}
	return d, nil
}

// Decode reads JSON strictly: unknown fields, fields that are there twice or in another case, bytes that are
// no UTF-8 and text after the end are errors. Within one format version nothing is ever added silently, and
// no two readers take the same bytes for different documents.
func Decode(data []byte, into any) error {
	if !utf8.Valid(data) {
		return errors.New("decode document: it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("decode document: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("decode document: there is text after its end")
	}
	return exact(json.NewDecoder(bytes.NewReader(data)), reflect.TypeOf(into))
}
