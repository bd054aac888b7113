package medlink

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// first is the month of the oldest generated claim; data spans the eighteen months that have partitions.
var first = time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC)

const months = 18

// table is one table to fill: row appends the COPY text of its n-th unit, rows counts the units.
type table struct {
	name, copy string
	rows       int
	row        func(b []byte, n int) []byte
}

// tables are all tables to fill, in the order of their foreign keys. Each has a random source of its own,
// so that one table's rows do not depend on how many another has.
func tables(size Size) []table {
	g := generator{Size: size}
	return []table{
		{"payers", "COPY public.payers (id, code, name, settings, created_at, updated_at) FROM STDIN", size.Payers, g.payer()},
		{"providers", "COPY public.providers (id, number, name, specialty, address, active, created_at, updated_at) FROM STDIN", size.Providers, g.provider()},
		{"patients", "COPY public.patients (id, record_number, family_name, given_name, born, contact, primary_provider_id, created_at, updated_at) FROM STDIN", size.Patients, g.patient()},
		{"claims", "COPY public.claims (id, control_number, patient_id, provider_id, payer_id, service_date, status, diagnoses, total_cents, details, submitted_at, created_at, updated_at) FROM STDIN", size.Claims, g.claim()},
		{"claim_lines", "COPY public.claim_lines (id, claim_id, line_number, procedure_code, units, unit_cents) FROM STDIN", size.Claims, g.lines()},
		{"attachments", "COPY public.attachments (id, claim_id, object_key, media_type, size_bytes, sha256, extracted_text, created_at) FROM STDIN", size.Claims / 2, g.attachment()},
		{"sessions", "COPY public.sessions (token_sha256, provider_id, address, created_at, expires_at) FROM STDIN", min(size.Providers, 500), g.session()},
		{"audit_log", "COPY public.audit_log (id, at, actor, action, entity, entity_id, detail) FROM STDIN", size.Claims, g.audit()},
	}
}

type generator struct{ Size }

func (g generator) random(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(g.Seed, stream)) }

func pick(r *rand.Rand, words []string) string { return words[r.IntN(len(words))] }

// created is when claim n came in: spread evenly, in the order of the ids.
func (g generator) created(n int) time.Time {
	span := first.AddDate(0, months, 0).Sub(first)
	return first.Add(time.Duration(float64(span) * float64(n) / float64(g.Claims+1))).Truncate(time.Microsecond)
}

func (g generator) payer() func([]byte, int) []byte {
	r := g.random(1)
	return func(b []byte, n int) []byte {
		name := pick(r, familyNames)
		b = fmt.Appendf(b, "%d\tPAY%04d\t%s Mutual %d\t{\"portal\": \"https://payer-%d.example\", \"days\": %d}\t", n+1, n+1, name, n+1, n+1, 10+r.IntN(50))
		return twice(b, first)
	}
}

func (g generator) provider() func([]byte, int) []byte {
	r := g.random(2)
	return func(b []byte, n int) []byte {
		b = fmt.Appendf(b, "%d\t%010d\tClinic %s %d\t%s\t", n+1, n+1, pick(r, familyNames), n+1, pick(r, specialties))
		// A composite: its quotes protect the comma, and one street has an apostrophe.
		b = fmt.Appendf(b, "(\"%d, %s\",%s,QC,Z%dZ %dZ%d)\t%c\t", 1+r.IntN(999), pick(r, streets), pick(r, cities), r.IntN(10), r.IntN(10), r.IntN(10), "tttttttf"[r.IntN(8)])
		return twice(b, first)
	}
}

func (g generator) patient() func([]byte, int) []byte {
	r := g.random(3)
	return func(b []byte, n int) []byte {
		born := time.Date(1930, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, r.IntN(34000))
		b = fmt.Appendf(b, "%d\tMR%08d\t%s\t%s\t", n+1, n+1, pick(r, familyNames), pick(r, givenNames))
		b = born.AppendFormat(b, time.DateOnly)
		b = fmt.Appendf(b, "\t{\"mail\": \"patient-%d@mail.example\", \"street\": \"%d %s\", \"city\": \"%s\", \"language\": \"%s\"}\t",
			n+1, 1+r.IntN(999), pick(r, streets), pick(r, cities), [2]string{"fr", "en"}[r.IntN(2)])
		if r.IntN(5) == 0 {
			b = append(b, `\N`...)
		} else {
			b = strconv.AppendInt(b, int64(1+r.IntN(g.Providers)), 10)
		}
		b = append(b, '\t')
		return twice(b, first.Add(time.Duration(n)*time.Second))
	}
}

func (g generator) claim() func([]byte, int) []byte {
	r := g.random(4)
	return func(b []byte, n int) []byte {
		at, status := g.created(n), pick(r, statuses)
		b = fmt.Appendf(b, "%d\tMC%010d\t%d\t%d\t%d\t", n+1, n+1, 1+r.IntN(g.Patients), 1+r.IntN(g.Providers), 1+r.IntN(g.Payers))
		b = at.AppendFormat(b, time.DateOnly)
		b = fmt.Appendf(b, "\t%s\t{%s,%s}\t%d\t", status, pick(r, diagnoses), pick(r, diagnoses), g.total(n))
		b = fmt.Appendf(b, "{\"channel\": \"%s\", \"accident\": %t, \"batch\": %d, \"note\": \"", pick(r, actors), r.IntN(20) == 0, n/100)
		b = words(b, r, 20+r.IntN(60), true)
		b = append(b, "\"}\t"...)
		if status == "draft" {
			b = append(b, `\N`...)
		} else {
			b = stamp(b, at.Add(time.Duration(r.IntN(3600))*time.Second))
		}
		b = append(b, '\t')
		return twice(b, at)
	}
}

// line is one line of a claim. Lines come from the claim's number alone, so that its total is known
// before they are written.
type line struct {
	procedure  string
	hundredths int64 // units, in hundredths
	cents      int64 // of one unit
	total      int64
}

func linesOf(r *rand.Rand) []line {
	lines := make([]line, 1+r.IntN(4))
	for i := range lines {
		l := line{procedure: pick(r, procedures), hundredths: int64(100 * (1 + r.IntN(4))), cents: int64(500 + r.IntN(40000))}
		if r.IntN(4) == 0 {
			l.hundredths = int64(25 * (1 + r.IntN(40)))
		}
		// Rounded as PostgreSQL's round(numeric) does: half away from zero.
		l.total = (l.hundredths*l.cents + 50) / 100
		lines[i] = l
	}
	return lines
}

func totalOf(lines []line) (cents int64) {
	for _, l := range lines {
		cents += l.total
	}
	return cents
}

func (g generator) linesOf(n int) []line { return linesOf(g.random(1<<32 + uint64(n))) }

func (g generator) total(n int) int64 { return totalOf(g.linesOf(n)) }

func (g generator) lines() func([]byte, int) []byte {
	id := 0
	return func(b []byte, n int) []byte {
		for i, l := range g.linesOf(n) {
			id++
			b = fmt.Appendf(b, "%d\t%d\t%d\t%s\t%d.%02d\t%d\n", id, n+1, i+1, l.procedure, l.hundredths/100, l.hundredths%100, l.cents)
		}
		return b
	}
}

func (g generator) attachment() func([]byte, int) []byte {
	r := g.random(6)
	return func(b []byte, n int) []byte {
		claim := 2 * n
		id := hexes(r, 16)
		b = fmt.Appendf(b, "%s-%s-4%s-8%s-%s\t%d\t", id[:8], id[8:12], id[13:16], id[17:20], id[20:32], claim+1)
		b = fmt.Appendf(b, "uploads/%s/%d\t%s\t%d\t\\\\x%s\t", id[:4], n+1, pick(r, mediaTypes), 1000+r.IntN(5_000_000), hexes(r, 32))
		switch size := r.IntN(20); {
		case size == 0: // nothing could be read in the scan
			b = append(b, `\N`...)
		case size == 1: // long enough for TOAST
			b = words(b, r, 2000+r.IntN(3000), false)
		default:
			b = words(b, r, 100+r.IntN(400), false)
		}
		b = append(b, '\t')
		b = stamp(b, g.created(claim).Add(time.Minute))
		return append(b, '\n')
	}
}

func (g generator) session() func([]byte, int) []byte {
	r := g.random(7)
	return func(b []byte, n int) []byte {
		at := first.AddDate(0, months, 0).Add(-time.Duration(r.IntN(86400)) * time.Second)
		b = fmt.Appendf(b, "\\\\x%s\t%d\t198.51.100.%d\t", hexes(r, 32), n+1, r.IntN(256))
		b = append(stamp(b, at), '\t')
		return append(stamp(b, at.Add(12*time.Hour)), '\n')
	}
}

func (g generator) audit() func([]byte, int) []byte {
	r := g.random(8)
	return func(b []byte, n int) []byte {
		for i, action := range [2]string{"claim.created", "claim.reviewed"} {
			b = fmt.Appendf(b, "%d\t", 2*n+i+1)
			b = stamp(b, g.created(n).Add(time.Duration(i)*time.Hour))
			b = fmt.Appendf(b, "\t%s\t%s\tclaim\tMC%010d\t{\"request\": \"%s\", \"total_cents\": %d}\n", pick(r, actors), action, n+1, hexes(r, 16), g.total(n))
		}
		return b
	}
}

// twice ends a row with created_at and updated_at.
func twice(b []byte, at time.Time) []byte {
	b = append(stamp(b, at), '\t')
	return append(stamp(b, at), '\n')
}

func stamp(b []byte, at time.Time) []byte {
	return at.AppendFormat(b, "2006-01-02T15:04:05.999999Z07:00")
}

// words appends prose as COPY text; inside JSON it is escaped for that first.
func words(b []byte, r *rand.Rand, n int, json bool) []byte {
	for i := range n {
		if i > 0 {
			b = append(b, ' ')
		}
		for _, c := range []byte(pick(r, prose)) {
			switch {
			case c == '\\' && json:
				b = append(b, `\\\\`...)
			case c == '\\':
				b = append(b, `\\`...)
			case c == '\n' && json:
				b = append(b, `\\n`...)
			case c == '\n':
				b = append(b, `\n`...)
			case c == '\t' && json:
				b = append(b, `\\t`...)
			case c == '\t':
				b = append(b, `\t`...)
			default:
				b = append(b, c)
			}
		}
	}
	return b
}

func hexes(r *rand.Rand, n int) string {
	raw := make([]byte, 0, 32)
	for len(raw) < n {
		v := r.Uint64()
		raw = append(raw, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56))
	}
	return hex.EncodeToString(raw[:n])
}
