package postgres

import (
	"fmt"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// The kinds of chunks.
const (
	KindTable        = "table"
	KindLargeObjects = "largeobjects"
	KindExtConfig    = "extconfig"
	KindSchema       = "schema"
)

// SplitOptions say how large chunks are to be.
type SplitOptions struct {
	// TargetBytes is the size in the database, TOAST included; zero means 64 MiB.
	TargetBytes int64
}

const (
	defaultTarget = 64 << 20
	// maxObjects bounds the statement that reads a chunk of large objects.
	maxObjects = 10_000
)

// Split cuts a catalog into chunks that together hold every row exactly once. The same catalog always gives
// the same chunks. A table without rows is a chunk, too, so that it is known to have been empty.
//
// For a chunk of large objects the range is one of indexes into the catalog's LargeObjects.
func Split(catalog manifest.Catalog, opt SplitOptions) []manifest.Chunk {
	if opt.TargetBytes <= 0 {
		opt.TargetBytes = defaultTarget
	}
	var chunks []manifest.Chunk
	add := func(kind string, table int, r manifest.Range) {
		chunks = append(chunks, manifest.Chunk{ID: fmt.Sprintf("c%05d", len(chunks)), Kind: kind, Table: table, Range: r})
	}
	for i, table := range catalog.Tables {
		if table.Extension != "" {
			add(KindExtConfig, i, manifest.Range{})
			continue
		}
		for _, r := range ranges(table, opt.TargetBytes) {
			add(KindTable, i, r)
		}
	}
	var from uint32
	var size int64
	for i, object := range catalog.LargeObjects {
		if at := uint32(i); at > from && (size+object.Bytes > opt.TargetBytes || at-from >= maxObjects) {
			add(KindLargeObjects, -1, manifest.Range{From: from, To: at})
			from, size = at, 0
		}
		size += object.Bytes
	}
	if count := uint32(len(catalog.LargeObjects)); count > from {
		add(KindLargeObjects, -1, manifest.Range{From: from, To: count})
	}
	return chunks
}

// ranges cuts a table's blocks evenly. The last range is open, as blocks may have been added since the
// table was measured.
func ranges(table manifest.Table, target int64) []manifest.Range {
	if table.Access != "heap" || table.Pages < 2 || table.Bytes <= target {
		return []manifest.Range{{}}
	}
	count := min(uint64((table.Bytes-1)/target+1), uint64(table.Pages))
	all := make([]manifest.Range, count)
	for i := range all {
		at := func(i int) uint32 { return uint32(uint64(table.Pages) * uint64(i) / count) }
		all[i] = manifest.Range{From: at(i), To: at(i + 1)}
	}
	all[count-1].To = 0
	return all
}
