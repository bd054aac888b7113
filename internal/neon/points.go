package neon

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Point says where in a branch's history: at an LSN, at a time, or, when both are zero, at its head.
type Point struct {
	// LSN is in PostgreSQL's notation, for example 16/B3733C50.
	LSN string
	// Time is cut to milliseconds, which is what Neon keeps. What committed at or before it is in.
	Time time.Time
}

// Head says that the point is the newest state.
func (p Point) Head() bool { return p.LSN == "" && p.Time.IsZero() }

func (p Point) String() string {
	switch {
	case p.LSN != "":
		return "LSN " + p.LSN
	case !p.Time.IsZero():
		return stamp(p.Time, time.Millisecond)
	}
	return "head"
}

func (p Point) check(op string) error {
	if p.LSN != "" && !p.Time.IsZero() {
		return invalid(op, "both an LSN and a time are given: choose one")
	}
	if p.LSN != "" {
		if _, ok := parseLSN(p.LSN); !ok {
			return invalid(op, "%q is not an LSN such as 16/B3733C50", p.LSN)
		}
	}
	return nil
}

// held compares the point with what a branch says it holds. Neither is known of a head in advance, so
// that every branch holds it. A branch that does not tell was not verified, which is an error as well: a
// restore to the wrong point looks like a success.
func (p Point) held(op string, b Branch) error {
	wrong := func(got string) error {
		return &Error{Op: op, Kind: ErrWrongPoint, Message: fmt.Sprintf("branch %s holds %s, not %s", b.ID, got, p),
			Hint: "do not use its data; delete it if it is Lifeboat's, or use another name"}
	}
	switch {
	case p.LSN != "":
		want, _ := parseLSN(p.LSN)
		got, ok := parseLSN(b.ParentLSN)
		if !ok {
			return wrong("an LSN that Neon does not tell")
		}
		// Neon's storage moves a point up to the next place where a record can begin, which is the same point.
		if got != want && got != (want+7)&^7 {
			return wrong("LSN " + b.ParentLSN)
		}
	case !p.Time.IsZero():
		if b.ParentTime.IsZero() {
			return wrong("a time that Neon does not tell")
		}
		if !b.ParentTime.Truncate(time.Millisecond).Equal(p.Time.Truncate(time.Millisecond)) {
			return wrong(stamp(b.ParentTime, time.Millisecond))
		}
	}
	return nil
}

// parseLSN reads two hexadecimal halves; texts that differ, 0/0A and 0/A, can be the same place.
func parseLSN(text string) (uint64, bool) {
	high, low, ok := strings.Cut(text, "/")
	if !ok {
		return 0, false
	}
	h, err := strconv.ParseUint(high, 16, 32)
	if err != nil {
		return 0, false
	}
	l, err := strconv.ParseUint(low, 16, 32)
	if err != nil {
		return 0, false
	}
	return h<<32 | l, true
}
