package webhook

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/traffic"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 10

// The types of requests. They are part of the contract.
const (
	typeState = "door.state"
	typeHold  = "door.hold"
	typeMove  = "door.move"
	typeOpen  = "door.open"
	typeClose = "door.close"
)

// request is the body of a request in the scheme.
type request struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      order     `json:"data"`
}

// order is what is asked for.
type order struct {
	Database string `json:"database"`
	By       string `json:"by,omitempty"`
	Epoch    int64  `json:"epoch"`
	// DrainSeconds and Kill belong to door.hold.
	DrainSeconds float64 `json:"drain_seconds,omitempty"`
	Kill         bool    `json:"kill,omitempty"`
	// To and System belong to door.move.
	To     *place `json:"to,omitempty"`
	System string `json:"system,omitempty"`
	// Back belongs to door.open.
	Back bool `json:"back,omitempty"`
}

type place struct {
	Host     string `json:"host"`
	Port     uint16 `json:"port"`
	Database string `json:"database"`
	User     string `json:"user,omitempty"`
}

// answer is what the other side says of the door.
type answer struct {
	Database        string        `json:"database"`
	State           traffic.State `json:"state"`
	Recorded        traffic.State `json:"recorded"`
	Note            string        `json:"note"`
	To              *place        `json:"to"`
	System          string        `json:"system"`
	Waiting         int           `json:"waiting"`
	Active          int           `json:"active"`
	PatienceSeconds float64       `json:"patience_seconds"`
	Since           time.Time     `json:"since"`
	By              string        `json:"by"`
	Epoch           int64         `json:"epoch"`
	Cut             int           `json:"cut"`
}

// refusal is the body of an answer with status 409.
type refusal struct {
	Error   string `json:"error"`
	Message string `json:"message"`
}

// refusals are the words that the other side has for why it did not do it.
var refusals = map[string]error{
	"busy": traffic.ErrBusy, "state": traffic.ErrState, "overtaken": traffic.ErrOvertaken, "wrong_server": traffic.ErrWrongServer,
	"unfit": traffic.ErrUnfit, "invalid": traffic.ErrInvalid,
}

// read makes a report of an answer.
func (d *Door) read(op string, status int, text []byte) (traffic.Report, error) {
	const hint = "look at the other side's own log; docs/door.md says what it has to answer"
	switch {
	case status == http.StatusConflict:
		var no refusal
		_ = json.Unmarshal(text, &no) // what cannot be read is no known refusal
		kind, known := refusals[no.Error]
		if !known {
			kind = traffic.ErrInvalid
		}
		return traffic.Report{}, traffic.Fail(op, kind, hint, "the other side refuses (%.20q): %.200q", no.Error, no.Message)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return traffic.Report{}, traffic.Fail(op, traffic.ErrDenied, "compare the secrets of both sides, and their clocks", "the other side does not believe the signature")
	case status == http.StatusTooManyRequests, status >= 500:
		return traffic.Report{}, traffic.Fail(op, traffic.ErrUnavailable, hint, "the other side answered with status %d", status)
	case status != http.StatusOK:
		return traffic.Report{}, traffic.Fail(op, traffic.ErrInvalid, hint, "the other side answered with status %d", status)
	}
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return traffic.Report{}, traffic.Fail(op, traffic.ErrInvalid, hint, "the answer is not as it has to be")
	}
	if a.Database != d.cfg.Database {
		return traffic.Report{}, traffic.Fail(op, traffic.ErrInvalid, hint, "the answer is about another door")
	}
	for _, state := range []traffic.State{a.State, a.Recorded} {
		if state != traffic.Open && state != traffic.Held && state != traffic.Closed {
			return traffic.Report{}, traffic.Fail(op, traffic.ErrInvalid, hint, "the answer names a state that there is not")
		}
	}
	report := traffic.Report{
		State: a.State, Recorded: a.Recorded, Note: a.Note, Database: a.Database, System: a.System, Waiting: a.Waiting, Active: a.Active,
		Patience: time.Duration(a.PatienceSeconds * float64(time.Second)), Since: a.Since, By: a.By, Epoch: a.Epoch, Cut: a.Cut,
	}
	if a.To != nil {
		report.To = &traffic.Destination{Host: a.To.Host, Port: a.To.Port, Database: a.To.Database, User: a.To.User}
	}
	return report, nil
}
