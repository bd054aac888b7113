package notify

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func message() Message {
	return Message{ID: "protection/claims/late/20261125T0400Z", Kind: "backup.late", Severity: Critical, Component: "claims",
		Site: "east", Title: "The backup of claims is late", Text: "Look at the schedules.", Time: time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC)}
}

func TestOnlyIDsCountsAndTimesLeave(t *testing.T) {
	m := message()
	m.Fields = map[string]string{
		"backup": "20261123T020000Z-k3v7qa", "verified": "", "rpo": "4h0m0s", "rows": "1200", "point": "2026-11-23T02:00:00.5Z",
		// Known names with values that are no id, count, period or time.
		"step": "Mme Tremblay, NAS 046 454 286", "bytes": "12 rows", "age": "old", "started": "yesterday", "vault": "<script>",
		// Unknown names.
		"patient": "42", "email": "a@example.test", "Jean Tremblay": "1",
	}
	got, dropped := m.Allowed()
	want := map[string]string{"backup": "20261123T020000Z-k3v7qa", "rpo": "4h0m0s", "rows": "1200", "point": "2026-11-23T02:00:00.5Z"}
	if diff := cmp.Diff(want, got.Fields); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"(unreadable name)", "age", "bytes", "email", "patient", "started", "step", "vault"}, dropped); diff != "" {
		t.Error(diff)
	}
	if got.Dropped != len(dropped) {
		t.Errorf("the message counts %d dropped fields", got.Dropped)
	}
	if len(m.Fields) != 13 {
		t.Error("the caller's message was changed")
	}
	again, more := got.Allowed()
	if len(more) != 0 || cmp.Diff(got, again) != "" {
		t.Error("an allowed message is not allowed the second time")
	}
}

func TestTextsAreOneParagraph(t *testing.T) {
	m := message()
	m.Title, m.Text = "a\r\nb\x1b[31m\x00c", strings.Repeat("é", 5000)
	got, _ := m.Allowed()
	if got.Title != "a b [31m c" || len(got.Text) > maxText || !strings.HasSuffix(got.Text, "é…") {
		t.Errorf("%q, %d bytes", got.Title, len(got.Text))
	}
}

func TestCheck(t *testing.T) {
	if err := message().Check(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*Message){
		"no id": func(m *Message) { m.ID = "" }, "no kind": func(m *Message) { m.Kind = "" }, "kind": func(m *Message) { m.Kind = "Backup Late" },
		"severity": func(m *Message) { m.Severity = "bad" }, "no title": func(m *Message) { m.Title = "" }, "no time": func(m *Message) { m.Time = time.Time{} },
	} {
		m := message()
		change(&m)
		if m.Check() == nil {
			t.Errorf("%s: taken", what)
		}
	}
}

type probe struct {
	err error
	got []Message
	// wait is closed by another receiver: it shows that nobody waits for anybody.
	wait, done chan struct{}
}

func (p *probe) Notify(ctx context.Context, m Message) error {
	p.got = append(p.got, m)
	if p.wait != nil {
		select {
		case <-p.wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if p.done != nil {
		close(p.done)
	}
	return p.err
}

func TestMultiTellsEverybody(t *testing.T) {
	down, gone := errors.New("down"), errors.New("gone")
	last := make(chan struct{})
	a, b, c := &probe{err: down, wait: last}, &probe{err: gone}, &probe{done: last}
	var log bytes.Buffer
	n, err := NewMulti(slog.New(slog.NewTextHandler(&log, nil)), Receiver{"pager", a}, Receiver{"chat", b}, Receiver{"mail", c})
	if err != nil {
		t.Fatal(err)
	}
	m := message()
	m.Fields = map[string]string{"rows": "7", "patient": "Tremblay"}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = n.Notify(ctx, m)
	if !errors.Is(err, down) || !errors.Is(err, gone) || !strings.Contains(err.Error(), "tell pager: down") || strings.Contains(err.Error(), "mail") {
		t.Errorf("got %v", err)
	}
	for who, p := range map[string]*probe{"pager": a, "chat": b, "mail": c} {
		if len(p.got) != 1 || p.got[0].ID != m.ID || p.got[0].Dropped != 1 || cmp.Diff(map[string]string{"rows": "7"}, p.got[0].Fields) != "" {
			t.Errorf("%s got %+v", who, p.got)
		}
	}
	if !strings.Contains(log.String(), "patient") || strings.Contains(log.String(), "Tremblay") {
		t.Errorf("the log says %s", log.String())
	}
	m.ID = ""
	if err := n.Notify(ctx, m); err == nil || len(c.got) != 1 {
		t.Error("a message without id was sent")
	}
}

func TestNobodyIsAnError(t *testing.T) {
	if _, err := NewMulti(nil); err == nil {
		t.Error("a message to nobody would look delivered")
	}
}

func TestLog(t *testing.T) {
	var out bytes.Buffer
	m := message()
	m.Fields = map[string]string{"rows": "7", "patient": "Tremblay"}
	if err := (Log{slog.New(slog.NewJSONHandler(&out, nil))}).Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"level":"ERROR"`, `"message_id":"` + m.ID, `"rows":"7"`, `"dropped_fields":["patient"]`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log lacks %s: %s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "Tremblay") {
		t.Error("the log holds what was dropped")
	}
}
