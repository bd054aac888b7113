package slack

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// ticket is what a button or a dialog stands for. It travels sealed: Slack and people see an opaque value, any worker
// of the fleet opens it, and nobody else makes one.
type ticket struct {
	Execution string `json:"execution"`
	Gate      string `json:"gate"`
	Round     int    `json:"round"`
	// Digest is of the facts on this very card: what is decided is what was shown.
	Digest string    `json:"digest"`
	Mode   plan.Mode `json:"mode"`
	Target string    `json:"target"`
	Title  string    `json:"title"`
	Grave  bool      `json:"grave,omitempty"`
	// Page says that it is no gate but somebody who was called.
	Page bool `json:"page,omitempty"`

	// Of a dialog: what is decided, by whom, at which card, and how long it may lie open.
	Kind    plan.CommandKind `json:"kind,omitempty"`
	User    string           `json:"user,omitempty"`
	Channel string           `json:"channel,omitempty"`
	Expires time.Time        `json:"expires,omitzero"`
}

// place is what a ticket is sealed for, so that one is nothing else's.
const place = "ticket"

func (c *Client) seal(t ticket) (string, error) {
	data, err := c.box.Seal(place, t)
	if err != nil {
		return "", fmt.Errorf("seal what a button stands for: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(data), nil
}

func (c *Client) open(value string) (t ticket, err error) {
	data, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return t, errors.New("the button is none of this fleet's")
	}
	if err := c.box.Open(place, data, &t); err != nil {
		return t, errors.New("the button is none of this fleet's, or older than its key")
	}
	return t, nil
}

// commandID is the id of the command that one dialog makes: the same for every delivery of it, so that one that comes
// twice counts once.
func (c *Client) commandID(dialog, user string) string {
	sum := sha256.Sum256([]byte(c.box.MAC("command", dialog+"/"+user)))
	return hex.EncodeToString(sum[:16])
}
