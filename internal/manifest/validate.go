package manifest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Validate reports what is wrong with an envelope, whoever signed it: a signature says who wrote it, not
// that it makes sense.
func (e Envelope) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if e.Format != Format {
		return fmt.Errorf("format %d is not known to this version of Lifeboat, which reads %d", e.Format, Format)
	}
	if !ValidComponent(e.Component) {
		bad("component %q is not a name", e.Component)
	}
	if !ValidBackupID(e.Backup) {
		bad("backup %q is not an id", e.Backup)
	}
	if e.Application == "" || e.Snapshot == "" || strings.ContainsAny(e.Snapshot, "/.") {
		bad("application %q, snapshot %q: not what a backup has", e.Application, e.Snapshot)
	}
	if e.Point.Time.IsZero() {
		bad("it has no restore point")
	}
	if e.Finished.Before(e.Started) {
		bad("it finished before it started")
	}
	if len(e.Recipients) == 0 {
		bad("it names no recipients")
	}
	if len(e.Contents) == 0 || len(e.Objects) == 0 {
		bad("it lists no objects")
	}
	prefix := ChunkKey(e.Component, e.Backup, e.Snapshot, "")
	last, used := "", make(map[string]bool, len(e.Objects))
	for _, o := range e.Objects {
		if o.Key <= last {
			bad("object %s is out of order or listed twice", o.Key)
		}
		last, used[o.Key] = o.Key, true
	}
	for _, o := range e.Contents {
		if used[o.Key] {
			bad("object %s of the contents is listed twice", o.Key)
		}
		used[o.Key] = true
	}
	var stored int64
	for _, o := range append(append([]Object{}, e.Objects...), e.Contents...) {
		if !strings.HasPrefix(o.Key, prefix) || strings.Contains(o.Key[len(prefix):], "/") {
			bad("object %s does not belong to this backup", o.Key)
		}
		if !isDigest(o.SHA256) || o.Size <= 0 {
			bad("object %s has no digest or no size", o.Key)
		}
		stored += o.Size
	}
	if stored != e.Totals.StoredBytes {
		bad("its objects hold %d bytes, not %d", stored, e.Totals.StoredBytes)
	}
	return firstFew(errs)
}

// Validate reports where contents contradict themselves or their envelope: a chunk twice, a part that is
// not in the vault's list or is there and belongs to nothing, gaps, sums that do not add up.
func (c Contents) Validate(e Envelope) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Format != Format || c.Backup != e.Backup {
		bad("the contents are of format %d and backup %s", c.Format, c.Backup)
	}
	listed := make(map[string]Object, len(e.Objects))
	for _, o := range e.Objects {
		listed[o.Key] = o
	}
	seen := map[string]bool{}
	var rows, plain int64
	for _, chunk := range append([]Chunk{c.Schema}, c.Chunks...) {
		if seen[chunk.ID] {
			bad("chunk %s is there twice", chunk.ID)
		}
		seen[chunk.ID] = true
		rows, plain = rows+chunk.Rows, plain+chunk.Bytes
		if err := c.validateChunk(e, chunk, listed); err != nil {
			errs = append(errs, err)
		}
	}
	for key := range listed {
		bad("object %s belongs to no chunk", key)
	}
	if len(c.Chunks) != e.Totals.Chunks || rows != e.Totals.Rows || plain != e.Totals.PlainBytes || len(c.Catalog.Tables) != e.Totals.Tables ||
		len(c.Catalog.NotCovered) != e.Totals.NotCovered {
		bad("the envelope's totals are not those of the contents")
	}
	errs = append(errs, c.validateRanges()...)
	return firstFew(errs)
}

// validateChunk takes the chunk's objects out of listed.
func (c Contents) validateChunk(e Envelope, chunk Chunk, listed map[string]Object) error {
	if chunk.Table >= len(c.Catalog.Tables) || chunk.Rows < 0 || chunk.Bytes < 0 {
		return fmt.Errorf("chunk %s: its table or counts are out of range", chunk.ID)
	}
	if ofTable := chunk.Kind == kindTable || chunk.Kind == kindExtConfig; ofTable != (chunk.Table >= 0) {
		return fmt.Errorf("chunk %s: a chunk of kind %q and table %d is none", chunk.ID, chunk.Kind, chunk.Table)
	}
	if chunk.Kind != kindSchema && !isHex(chunk.Fingerprint, 16) {
		return fmt.Errorf("chunk %s: it has no fingerprint", chunk.ID)
	}
	var offset int64
	for i, p := range chunk.Parts {
		if p.Key != PartKey(e.Component, e.Backup, e.Snapshot, chunk.ID, i) {
			return fmt.Errorf("chunk %s: its part %d is %s", chunk.ID, i, p.Key)
		}
		if listed[p.Key] != p.Object {
			return fmt.Errorf("chunk %s: part %s is not what the envelope lists, or is used twice", chunk.ID, p.Key)
		}
		delete(listed, p.Key)
		if p.Offset != offset || p.Bytes < 0 || !isDigest(p.PlainSHA256) {
			return fmt.Errorf("chunk %s: part %s does not follow the one before", chunk.ID, p.Key)
		}
		offset += p.Bytes
	}
	if len(chunk.Parts) == 0 || offset != chunk.Bytes {
		return fmt.Errorf("chunk %s: its parts hold %d of %d bytes", chunk.ID, offset, chunk.Bytes)
	}
	return nil
}

func isDigest(s string) bool { return isHex(s, 32) }

func isHex(s string, bytes int) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == bytes && s == strings.ToLower(s)
}

// firstFew keeps a report readable when everything is wrong.
func firstFew(errs []error) error {
	const shown = 5
	if len(errs) > shown {
		errs = append(errs[:shown:shown], fmt.Errorf("and %d more", len(errs)-shown))
	}
	return errors.Join(errs...)
}
