package postgres

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// compareSchema dumps the target's schema and compares it with the backup's archive, entry by entry, but
// for what was waived. Each waived entry is a check of its own, so that the record of a verification
// names it with its reason.
func (r *Restorer) compareSchema(ctx context.Context, archive []byte) ([]manifest.Check, error) {
	var now bytes.Buffer
	if _, err := DumpSchema(ctx, r.address, "", &now); err != nil {
		return nil, err
	}
	left, err := r.leftOut(ctx)
	if err != nil {
		return nil, err
	}
	source, err := entries(archive, 0)
	if err != nil {
		return nil, err
	}
	target, err := entries(now.Bytes(), 0)
	if err != nil {
		return nil, err
	}
	for i := range source {
		source[i] = r.roles.apply(source[i])
	}
	if r.selected != nil {
		c, err := r.compareSelectedSchema(ctx, source, target, left)
		return withWaived([]manifest.Check{c}, left), err
	}
	c := manifest.Check{Name: "schema:schema", Detail: fmt.Sprintf("%d entries", len(target))}
	differs := firstDifference(r.described(source, left), r.described(target, left))
	c.OK = differs == ""
	if len(left) > 0 {
		c.Detail += fmt.Sprintf(", %d waived", len(left))
	}
	if !c.OK {
		c.Detail = "differs at " + differs
	}
	return withWaived([]manifest.Check{c}, left), nil
}

func withWaived(checks []manifest.Check, left []waiver) []manifest.Check {
	for _, w := range left {
		checks = append(checks, manifest.Check{Name: "waived:" + w.entry, OK: true, Detail: w.reason})
	}
	return checks
}

// described is what two equal schemas have in common: their entries without order.
func (r *Restorer) described(list []entry, left []waiver) []description {
	waived := map[string]bool{}
	for _, w := range left {
		waived[w.entry] = true
	}
	var all []description
	for _, e := range list {
		if waived[e.key()] || strings.TrimSpace(e.SQL) == "" {
			continue
		}
		text := e.SQL
		// The inherited columns of a child come first once it is restored, wherever they were.
		if e.Type == "TABLE" && strings.Contains(text, "\nINHERITS (") {
			lines := strings.Split(text, "\n")
			for i := range lines {
				lines[i] = strings.TrimSuffix(strings.TrimSpace(lines[i]), ",")
			}
			slices.Sort(lines)
			text = strings.Join(lines, "\n")
		}
		for _, place := range []string{"TABLESPACE " + e.Tablespace, "ACCESS METHOD " + e.Access} {
			if !waived[place] {
				text += "\n" + place
			} else {
				text += "\n" + place[:strings.LastIndex(place, " ")+1] + map[bool]string{true: "heap"}[strings.HasPrefix(place, "ACCESS")]
			}
		}
		if r.roles.keepsOwners() && ownership(e) != "" && !waived["OWNER "+e.key()] {
			text += "\nowner " + e.Owner
		}
		all = append(all, description{e.key(), strings.TrimSpace(text)})
	}
	slices.SortFunc(all, func(a, b description) int {
		if c := strings.Compare(a.key, b.key); c != 0 {
			return c
		}
		return strings.Compare(a.text, b.text)
	})
	return all
}

type description struct{ key, text string }

// firstDifference names the first entry that only one side has; it is empty when there is none.
func firstDifference(a, b []description) string {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return b[i].key
		case i >= len(b):
			return a[i].key
		case a[i] != b[i]:
			return min(a[i].key, b[i].key)
		}
	}
	return ""
}
