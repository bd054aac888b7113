// Package evidence keeps the journal of an execution: every event, hash-chained and signed, one object an
// entry, in every vault that can be reached. From it an execution goes on after Temporal is lost, and an
// auditor checks it with ssh-keygen and sha256sum alone. It holds ids, counts, times and what people
// wrote; never a row of anybody's data.
//
// The text of an entry follows from the execution, its place and its event alone. So a worker that repeats
// an append writes the same bytes, and two that disagree are found out: [ErrFork].
package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// Format is the format of journals.
const Format = 1

// maxEvent bounds an event's data, in bytes: the first one holds the runbook.
const maxEvent = 1 << 20

// Event is something that happened in an execution.
type Event struct {
	// Kind is what happened: "started", "stepCompleted", … The workflow names them.
	Kind string `json:"kind"`
	// Step is what it happened to; empty when it is about the whole execution.
	Step string `json:"step,omitempty"`
	// Time is when, by the workflow's clock.
	Time time.Time `json:"time"`
	// Data is what else there is to know, as JSON.
	Data json.RawMessage `json:"data,omitempty"`
}

// Entry is an event at its place in the journal.
type Entry struct {
	Format    int    `json:"format"`
	Execution string `json:"execution"`
	// Seq counts from 1 without gaps.
	Seq int64 `json:"seq"`
	// Previous is the SHA-256 (hex) of the signed text of the entry before; empty for the first.
	Previous string `json:"previous,omitempty"`
	Event
}

// Head is the end of a journal: what the next entry continues.
type Head struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`
}

// Ended is the kind of the last event of every execution. A journal without it is of an execution that
// goes on, or was lost, or whose end somebody kept from us: nothing in a chain shows that its tail is
// missing.
const Ended = "ended"

var (
	// ErrFork says that two different entries claim the same place: two engines run the same execution, or
	// somebody writes in another's name.
	ErrFork = errors.New("the journal has another entry in this place")
	// ErrBroken says that a journal is not whole: an entry is missing, does not continue the one before, or
	// its signature does not hold.
	ErrBroken = errors.New("the journal is not whole")
)

var executionID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9:._-]*/\d{8}T\d{6}Z$`)

// ValidExecution says whether id can be the id of an execution: <runbook>/<target>/<UTC>. It becomes part
// of keys.
func ValidExecution(id string) bool { return len(id) <= 200 && executionID.MatchString(id) }

// next makes the entry that continues a journal, and its text.
func next(execution string, head Head, event Event) (Entry, string, error) {
	if !ValidExecution(execution) {
		return Entry{}, "", fmt.Errorf("make journal entry: %q is not the id of an execution", execution)
	}
	if event.Kind == "" || event.Time.IsZero() {
		return Entry{}, "", errors.New("make journal entry: the event has no kind or no time")
	}
	if len(event.Data) > maxEvent {
		return Entry{}, "", fmt.Errorf("make journal entry: %d bytes of data are more than %d", len(event.Data), maxEvent)
	}
	event.Time = event.Time.UTC()
	e := Entry{Format: Format, Execution: execution, Seq: head.Seq + 1, Previous: head.Hash, Event: event}
	text, err := json.Marshal(e)
	if err != nil {
		return Entry{}, "", fmt.Errorf("make journal entry: %w", err)
	}
	return e, string(text), nil
}

// parse reads the text of an entry that is meant to be at a place.
func parse(execution string, seq int64, text string) (Entry, error) {
	var e Entry
	if err := manifest.Decode([]byte(text), &e); err != nil {
		return e, err
	}
	if e.Format != Format || e.Execution != execution || e.Seq != seq {
		return e, fmt.Errorf("it is entry %d of %q in format %d", e.Seq, e.Execution, e.Format)
	}
	return e, nil
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
