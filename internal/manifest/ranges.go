package manifest

import (
	"cmp"
	"fmt"
	"slices"
)

// The kinds of chunks.
const (
	kindTable        = "table"
	kindExtConfig    = "extconfig"
	kindLargeObjects = "largeobjects"
	kindSchema       = "schema"
)

// validateRanges reports tables and large objects that the chunks do not hold exactly once. Comparing a
// restore with the chunks would not notice: what was never read is missing on both sides.
func (c Contents) validateRanges() []error {
	var errs []error
	if c.Schema.Kind != kindSchema {
		errs = append(errs, fmt.Errorf("the schema is a chunk of kind %q", c.Schema.Kind))
	}
	tables := make([][]Range, len(c.Catalog.Tables))
	var objects []Range
	for _, chunk := range c.Chunks {
		switch {
		case chunk.Kind == kindLargeObjects:
			objects = append(objects, chunk.Range)
		case chunk.Table >= 0 && chunk.Table < len(tables):
			tables[chunk.Table] = append(tables[chunk.Table], chunk.Range)
		default:
			errs = append(errs, fmt.Errorf("chunk %s: kind %q is not known", chunk.ID, chunk.Kind))
		}
	}
	for i, ranges := range tables {
		if !covers(ranges, 0) {
			errs = append(errs, fmt.Errorf("table %d: its %d chunks do not hold each block exactly once", i, len(ranges)))
		}
	}
	if count := uint32(len(c.Catalog.LargeObjects)); (count > 0 || len(objects) > 0) && !covers(objects, count) {
		errs = append(errs, fmt.Errorf("the %d chunks of large objects do not hold each of %d exactly once", len(objects), count))
	}
	return errs
}

// covers says whether ranges, put in order, begin at zero, follow each other without gap or overlap, and
// end at end.
func covers(ranges []Range, end uint32) bool {
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.From, b.From) })
	var at uint32
	for i, r := range ranges {
		last := i == len(ranges)-1
		open := last && r.To == 0 && end == 0 // to the end of the table, wherever that is
		if r.From != at || (r.To <= r.From && !open) {
			return false
		}
		at = r.To
	}
	return len(ranges) > 0 && at == end
}
