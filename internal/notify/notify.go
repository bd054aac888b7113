// Package notify is how people are told: one message, several receivers, and an allow-list that keeps
// what belongs to patients out of all of them. The receivers are the packages below it. A message says
// that something is the matter and where to look; it never carries data, and it decides nothing.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
)

// Notifier brings a message to one receiver. Repeating is safe: the receiver can tell a repetition by
// the message's ID.
type Notifier interface {
	// Notify returns nil only when the receiver took the message.
	Notify(ctx context.Context, m Message) error
}

// Receiver is a notifier with the name that people gave it in the configuration.
type Receiver struct {
	Name string
	Notifier
}

// Multi tells all receivers.
type Multi struct {
	receivers []Receiver
	log       *slog.Logger
}

var _ Notifier = (*Multi)(nil)

// NewMulti makes a notifier of several. An empty list is refused: a message to nobody would look like
// one that was delivered. Use [Log] where nobody else is to be told.
func NewMulti(log *slog.Logger, receivers ...Receiver) (*Multi, error) {
	if len(receivers) == 0 {
		return nil, errors.New("make notifier: nobody is named who is to be told")
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Multi{receivers: receivers, log: log}, nil
}

// Notify tells everybody at the same time, whoever else fails, and returns what failed with the names
// of those who were not told. Fields that are not allowed are dropped before, and reported in the log and
// in the message itself.
func (n *Multi) Notify(ctx context.Context, m Message) error {
	if err := m.Check(); err != nil {
		return err
	}
	m, dropped := m.Allowed()
	if len(dropped) > 0 {
		n.log.WarnContext(ctx, "dropped fields of a message: only ids, counts and times may leave",
			slog.String("message_id", m.ID), slog.String("kind", m.Kind), slog.Any("fields", dropped))
	}
	failed := make([]error, len(n.receivers))
	var all sync.WaitGroup
	for i, r := range n.receivers {
		all.Go(func() {
			if err := r.Notify(ctx, m); err != nil {
				failed[i] = fmt.Errorf("tell %s: %w", r.Name, err)
			}
		})
	}
	all.Wait()
	return errors.Join(failed...)
}

// Log is the receiver that is always there: it writes messages to the log of the process.
type Log struct{ Logger *slog.Logger }

var _ Notifier = Log{}

// Notify implements [Notifier]. It never fails.
func (l Log) Notify(ctx context.Context, m Message) error {
	m, dropped := m.Allowed()
	level := slog.LevelInfo
	switch m.Severity {
	case Warning:
		level = slog.LevelWarn
	case Critical:
		level = slog.LevelError
	}
	attrs := []slog.Attr{slog.String("message_id", m.ID), slog.String("kind", m.Kind), slog.String("component", m.Component),
		slog.String("site", m.Site), slog.String("execution", m.Execution), slog.String("text", m.Text)}
	for _, name := range m.FieldNames() {
		attrs = append(attrs, slog.String(name, m.Fields[name]))
	}
	if len(dropped) > 0 {
		attrs = append(attrs, slog.Any("dropped_fields", dropped))
	}
	l.Logger.LogAttrs(ctx, level, m.Title, attrs...)
	return nil
}
