// Package secret holds values that must not be seen. A [String] prints as "[redacted]" however it is
// printed, logged or encoded; a [Ref] says where a secret is and is resolved when it is needed, so that
// a rotated secret is picked up and nothing lies in memory for longer than it must.
package secret

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// Redacted is what every rendering of a secret says.
const Redacted = "[redacted]"

// String is a secret text. The zero value is the empty secret, which is redacted like any other: whether
// a secret is empty is nobody's business either.
//
// The text is held behind a pointer because package fmt does not call the methods of unexported fields:
// what it finds there by reflection is an address.
type String struct{ text *string }

// New makes a secret of a text.
func New(text string) String { return String{text: &text} }

// Reveal gives the secret itself. Its result belongs into a client's constructor, never into an error,
// a log line, a file or a workflow.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Empty says whether there is nothing to reveal.
func (s String) Empty() bool { return s.text == nil || *s.text == "" }

// Equal compares two secrets in a time that depends only on their lengths.
func (s String) Equal(o String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(o.Reveal())) == 1
}

// String implements [fmt.Stringer].
func (String) String() string { return Redacted }

// GoString implements [fmt.GoStringer].
func (String) GoString() string { return Redacted }

// Format implements [fmt.Formatter], so that no verb reaches the text: %x and %q would ask for it.
func (String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Redacted)) }

// LogValue implements [slog.LogValuer].
func (String) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalJSON implements json.Marshaler.
func (String) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// MarshalText implements [encoding.TextMarshaler].
func (String) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalYAML implements the marshaler of the YAML packages.
func (String) MarshalYAML() (any, error) { return Redacted, nil }
