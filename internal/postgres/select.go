package postgres

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// Selection says which tables of a backup are restored. Tables and Schemas unite; without both it is every
// table; Exclude is taken away. Each holds patterns as pg_dump knows them: an SQL identifier, with its schema or without,
// folded to lower case unless quoted, and * and ? outside quotes.
//
// A table brings its partitions and what inherits from it, and takes them away when it is excluded. A partition or
// a child that is selected without its parent becomes a table of its own.
type Selection struct {
	Tables, Schemas, Exclude []string
}

// Empty says that nothing is selected, so that everything is restored.
func (s Selection) Empty() bool { return len(s.Tables)+len(s.Schemas)+len(s.Exclude) == 0 }

// Equal says whether two selections say the same.
func (s Selection) Equal(o Selection) bool { return s.text() == o.text() }

// text is the same for selections that say the same.
func (s Selection) text() string {
	for _, list := range []*[]string{&s.Tables, &s.Schemas, &s.Exclude} {
		*list = slices.Compact(slices.Sorted(slices.Values(*list)))
	}
	data, _ := json.Marshal(s) // strings always can be
	return string(data)
}

// Selected is a selection held against a backup.
type Selected struct {
	// Contents are the backup's, with the chunks of the selected tables only.
	Contents manifest.Contents
	// Tables counts the selected tables that have rows of their own, Of those of the whole backup.
	Tables, Of int
	// LeftOut is what a selection never brings, with the reason. What is left out because it needs a table that
	// is not selected is known only in the target: [Restorer.LeftOut].
	LeftOut []manifest.NotCovered

	keep []relationName
	text string
}

// Resolve holds a selection against a backup and its schema archive. A pattern that fits nothing is refused, with the
// names that look like it. It reads nothing but its arguments and changes nothing.
func Resolve(s Selection, contents manifest.Contents, archive []byte) (*Selected, error) {
	list, err := entries(archive, sectionPreData)
	if err != nil {
		return nil, err
	}
	c, selected, err := resolve(s, contents, list)
	if err != nil {
		return nil, err
	}
	return selected, c.refuseIncomplete(list)
}

func resolve(s Selection, contents manifest.Contents, list []entry) (*choice, *Selected, error) {
	c := newChoice(contents.Catalog, definitions(list))
	if err := c.choose(s); err != nil {
		return nil, nil, err
	}
	selected, err := c.selected(s, contents)
	return c, selected, err
}

// choice is a selection on its way.
type choice struct {
	tables map[relationName]*candidate
	names  []relationName // in order
}

// candidate is a table that could be chosen.
type candidate struct {
	definition
	index    int // in the catalog; -1 where there are no rows in the backup
	children []relationName
	config   bool // an extension's
	missing  string
	chosen   bool
}

func newChoice(catalog manifest.Catalog, defined []definition) *choice {
	c := &choice{tables: map[relationName]*candidate{}}
	at := func(n relationName) *candidate {
		if c.tables[n] == nil {
			c.tables[n] = &candidate{definition: definition{relationName: n}, index: -1}
		}
		return c.tables[n]
	}
	for i, t := range catalog.Tables {
		found := at(relationName{t.Schema, t.Name})
		found.index, found.config = i, t.Extension != ""
	}
	for _, d := range defined {
		found := at(d.relationName)
		found.definition = d
		if found.index < 0 && !d.partitioned {
			found.missing = "its rows are not in the backup"
		}
	}
	why := map[string]string{}
	for _, missing := range catalog.NotCovered {
		why[missing.Name] = missing.Reason
	}
	for n, found := range c.tables {
		if reason := why[n.String()]; found.missing != "" && reason != "" {
			found.missing = reason
		}
		c.names = append(c.names, n)
		for _, parent := range found.parents {
			if up := c.tables[parent]; up != nil {
				up.children = append(up.children, n)
			}
		}
	}
	slices.SortFunc(c.names, func(a, b relationName) int {
		return strings.Compare(a.schema+"\x00"+a.name, b.schema+"\x00"+b.name)
	})
	return c
}

func (c *choice) choose(s Selection) error {
	if len(s.Tables)+len(s.Schemas) == 0 {
		for _, found := range c.tables {
			found.chosen = !found.config
		}
	}
	for _, kind := range []struct {
		texts  []string
		read   func(string) (pattern, error)
		chosen bool
	}{{s.Schemas, schemaPattern, true}, {s.Tables, tablePattern, true}, {s.Exclude, tablePattern, false}} {
		for _, text := range kind.texts {
			p, err := kind.read(text)
			if err != nil {
				return err
			}
			if err := c.apply(p, kind.chosen); err != nil {
				return err
			}
		}
	}
	return nil
}

// apply chooses what a pattern fits, and what belongs to that, or takes it away.
func (c *choice) apply(p pattern, chosen bool) error {
	fits := 0
	var why string
	for _, n := range c.names {
		found := c.tables[n]
		// An extension's own rows come only where they are asked for by name.
		if !p.matches(n.schema, n.name) || (found.config && chosen && !p.exact) {
			continue
		}
		if chosen && found.missing != "" {
			why = n.shown() + ": " + found.missing
			if p.exact {
				continue
			}
		} else {
			fits++
		}
		c.mark(n, chosen, map[relationName]bool{})
	}
	if fits == 0 {
		return c.nothingFits(p, why)
	}
	return nil
}

func (c *choice) mark(n relationName, chosen bool, seen map[relationName]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	c.tables[n].chosen = chosen
	for _, child := range c.tables[n].children {
		c.mark(child, chosen, seen)
	}
}

// shownNames is how many names an error suggests.
const shownNames = 8

func (c *choice) nothingFits(p pattern, why string) error {
	if why != "" {
		return &Error{Op: "select tables", Object: p.text, Kind: ErrInvalid, Err: errors.New(why), Hint: "nothing was changed"}
	}
	names := map[string]int{} // how far each is
	for _, n := range c.names {
		switch {
		case p.name == nil:
			names[shown(n.schema)] = levenshtein.ComputeDistance(p.plain, n.schema)
		case strings.Contains(p.plain, "."):
			names[n.shown()] = levenshtein.ComputeDistance(p.plain, n.schema+"."+n.name)
		default:
			names[n.shown()] = levenshtein.ComputeDistance(p.plain, n.name)
		}
	}
	near := make([]string, 0, len(names))
	for name := range names {
		near = append(near, name)
	}
	slices.SortFunc(near, func(a, b string) int {
		if d := names[a] - names[b]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	hint := "the backup has no table"
	if n := len(near); n > 0 {
		hint = "nothing was changed; the nearest of " + fmt.Sprint(n) + ": " + strings.Join(near[:min(n, shownNames)], ", ")
	}
	return &Error{Op: "select tables", Object: p.text, Kind: ErrInvalid, Err: errors.New("it fits nothing in the backup"), Hint: hint}
}

// selected is the outcome.
func (c *choice) selected(s Selection, contents manifest.Contents) (*Selected, error) {
	out := &Selected{Contents: contents, Of: len(contents.Catalog.Tables), text: s.text()}
	chosen := make([]bool, len(contents.Catalog.Tables))
	for _, n := range c.names {
		found := c.tables[n]
		if found.chosen && found.missing != "" {
			out.LeftOut = append(out.LeftOut, manifest.NotCovered{Kind: "table", Name: n.shown(), Reason: found.missing})
			continue
		}
		if !found.chosen {
			continue
		}
		if !found.config {
			out.keep = append(out.keep, n)
		}
		if found.index >= 0 {
			chosen[found.index] = true
			out.Tables++
		}
	}
	if out.Tables == 0 && len(out.keep) == 0 {
		return nil, &Error{Op: "select tables", Kind: ErrInvalid, Err: errors.New("the exclusions leave no table"), Hint: "nothing was changed"}
	}
	out.Contents.Catalog.Tables = slices.Clone(contents.Catalog.Tables)
	for i, t := range out.Contents.Catalog.Tables {
		// Without its parent a partition is a table like others, and is loaded directly.
		if len(t.Root) == 2 && !c.isChosen(relationName{t.Root[0], t.Root[1]}) {
			out.Contents.Catalog.Tables[i].Root = nil
		}
		if t.Extension != "" && !chosen[i] {
			out.LeftOut = append(out.LeftOut, manifest.NotCovered{Kind: "extension-configuration", Name: relationName{t.Schema, t.Name}.shown(), Reason: "the rows of extension " + t.Extension + " come only where this table is named"})
		}
	}
	out.Contents.Chunks = nil
	for _, chunk := range contents.Chunks {
		if chunk.Table >= 0 && chunk.Table < len(chosen) && chosen[chunk.Table] {
			out.Contents.Chunks = append(out.Contents.Chunks, chunk)
		}
	}
	if n := len(contents.Catalog.LargeObjects); n > 0 {
		out.Contents.Catalog.LargeObjects = nil
		out.LeftOut = append(out.LeftOut, manifest.NotCovered{Kind: "large-objects", Name: fmt.Sprintf("%d large objects", n), Reason: "they belong to no table: only a restore of everything brings them"})
	}
	return out, nil
}

func (c *choice) isChosen(n relationName) bool {
	found := c.tables[n]
	return found != nil && found.chosen
}
