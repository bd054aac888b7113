package activities

import (
	"context"
	"fmt"
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
)

// shownMismatches is how many differing objects an error names.
const shownMismatches = 10

// shownWaivers is how many entries that were left out a record names.
const shownWaivers = 200

// summarize turns one check per object into one per kind: histories and records hold counts. A check's
// name is "kind:object"; any that failed becomes an error that names the object, never a value. What was waived stays
// named, up to shownWaivers: a record has to say what a restore leaves out.
func summarize(checks []manifest.Check) ([]manifest.Check, error) {
	var kinds, failed []string
	var waived []manifest.Check
	count := map[string]int{}
	detail := map[string]string{}
	for _, c := range checks {
		kind, _, _ := strings.Cut(c.Name, ":")
		if kind == "waived" && count[kind] < shownWaivers {
			waived = append(waived, c)
		}
		if count[kind] == 0 {
			kinds = append(kinds, kind)
		}
		count[kind]++
		detail[kind] = c.Detail
		if !c.OK {
			failed = append(failed, c.Name+" "+c.Detail)
		}
	}
	if len(checks) == 0 {
		return nil, Mismatch("nothing was compared")
	}
	if n := len(failed); n > 0 {
		return nil, Mismatch("%d of %d objects differ from the backup: %s", n, len(checks), strings.Join(failed[:min(n, shownMismatches)], "; "))
	}
	summed := make([]manifest.Check, 0, len(kinds))
	for _, kind := range kinds {
		text := fmt.Sprintf("%d equal", count[kind])
		if kind == "waived" {
			text = fmt.Sprintf("%d left out", count[kind])
		}
		if count[kind] == 1 && kind != "waived" && detail[kind] != "" {
			text = detail[kind]
		}
		summed = append(summed, manifest.Check{Name: kind, OK: true, Detail: text})
	}
	return append(summed, waived...), nil
}

// SmokeTarget runs the component's smoke queries, read only. An answer that is not what the
// configuration expects fails, without being quoted. The receipt is given also when there is no query.
func (r *Restores) SmokeTarget(ctx context.Context, in TargetInput) (Compared, error) {
	s, err := r.begin(ctx, in)
	if err != nil {
		return Compared{}, err
	}
	if len(s.component.Smoke) == 0 {
		return r.vouch(receiptSmoked, in, s, nil)
	}
	defer alive(ctx, &counter{})()
	address, err := s.place.Address(ctx, in.Target)
	if err != nil {
		return Compared{}, classify(err, "find the way to the target")
	}
	conn, err := postgres.Connect(ctx, address, postgres.Options{ReadOnly: true})
	if err != nil {
		return Compared{}, classify(err, "connect to the target")
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var checks []manifest.Check
	for _, q := range s.component.Smoke {
		rows, value, err := postgres.Ask(ctx, conn, q.SQL)
		if postgres.Retryable(err) || ctx.Err() != nil {
			return Compared{}, classify(err, "run smoke query "+q.Name)
		}
		if err == nil {
			err = q.Check(rows, value)
		}
		if err != nil {
			return Compared{}, hinted(TypeSmoke, err, "the backup restores, but the application could not work with it: look at the query in the configuration and at the release that wrote the data", "smoke query %q", q.Name)
		}
		checks = append(checks, manifest.Check{Name: "smoke:" + q.Name, OK: true})
	}
	return r.vouch(receiptSmoked, in, s, checks)
}
