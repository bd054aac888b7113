package notify

import (
	"regexp"
	"strconv"
	"time"
)

var (
	fieldName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
	idValue   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]{0,159}$`)
	number    = regexp.MustCompile(`^[0-9]{1,18}$`)
)

func anID(v string) bool     { return idValue.MatchString(v) }
func aCount(v string) bool   { return number.MatchString(v) }
func aPeriod(v string) bool  { _, err := time.ParseDuration(v); return err == nil }
func anAnswer(v string) bool { return v == "true" || v == "false" }
func aTime(v string) bool    { _, err := time.Parse(time.RFC3339Nano, v); return err == nil }

// fields is the allow-list: the names that may leave, and what their values must look like. Names that
// Lifeboat gives to things are ids; names that people give to patients, rows or files have no place here.
var fields = map[string]func(string) bool{
	"backup": anID, "verified": anID, "snapshot": anID, "vault": anID, "target": anID, "branch": anID, "project": anID,
	"runbook": anID, "step": anID, "gate": anID, "mode": anID, "state": anID, "order": anID, "schedule": anID, "error_type": anID,
	"component": anID, "site": anID, "database": anID, "door": anID, "digest": anID, "request_id": anID, "lsn": anID, "version": anID, "worker": anID,

	"count": aCount, "answer": anAnswer, "rows": aCount, "tables": aCount, "chunks": aCount, "objects": aCount, "parts": aCount, "bytes": aCount, "attempts": aCount,
	"failures": aCount, "mismatches": aCount, "not_covered": aCount, "missing": aCount, "epoch": aCount, "approvals": aCount, "required": aCount, "level": aCount, "round": aCount,

	"rpo": aPeriod, "rto": aPeriod, "age": aPeriod, "late_by": aPeriod, "duration": aPeriod, "waited": aPeriod,

	"point": aTime, "backup_point": aTime, "verified_point": aTime, "started": aTime, "finished": aTime, "expires_at": aTime,
	"deadline": aTime, "next_try": aTime,
}

// Shown is how a value may be shown to people outside, under the name that Lifeboat has for what it is: only under a name
// of the allow-list, and only in the shape of its kind. false is what may not: a text, or a number, that could be anything.
func Shown(name string, value any) (text string, ok bool) {
	switch v := value.(type) {
	case float64:
		text = strconv.FormatFloat(v, 'f', -1, 64)
	case int:
		text = strconv.Itoa(v)
	case bool:
		text = strconv.FormatBool(v)
	case string:
		text = v
	default:
		return "", false
	}
	shape, known := fields[name]
	return text, known && shape(text)
}
