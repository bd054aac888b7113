package signature

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"
)

// entry is one line of allowed_signers.
type entry struct {
	principals []string
	key        ssh.PublicKey
	// namespaces limit what the key may sign; empty is everything.
	namespaces []string
	// after and before bound the time of signing: [after, before). Zero is no bound.
	after, before time.Time
}

// Verifier knows who may sign.
type Verifier struct{ entries []entry }

// ParseAllowedSigners reads OpenSSH's allowed_signers format: principals, options, key. Every line that
// cannot be read is reported. Certificate authorities are refused: there is nobody here to issue. So is what
// OpenSSH would read otherwise than this package does: patterns of principals, negated patterns.
func ParseAllowedSigners(text []byte) (*Verifier, error) {
	v := &Verifier{}
	var errs []error
	n := 0
	for line := range bytes.Lines(text) {
		n++
		trimmed := strings.TrimSpace(string(line))
		if trimmed == "" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		e, err := parseEntry(trimmed)
		if err == nil {
			err = printable(trimmed)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("allowed signers, line %d: %w", n, err))
			continue
		}
		v.entries = append(v.entries, e)
	}
	if len(v.entries) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("allowed signers: nobody is listed, so nothing could ever be believed"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return v, nil
}

// printable refuses what OpenSSH reads differently, such as a zero byte, and what a person does not see.
func printable(line string) error {
	if !utf8.ValidString(line) {
		return errors.New("it is not UTF-8")
	}
	if i := strings.IndexFunc(line, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }); i >= 0 {
		return fmt.Errorf("there is a control character at byte %d", i+1)
	}
	return nil
}

func parseEntry(line string) (entry, error) {
	end := strings.IndexAny(line, " \t")
	if end < 0 {
		return entry{}, errors.New("a line is: principal [options] key-type key")
	}
	principals, rest := line[:end], line[end:]
	if inner, quoted := strings.CutPrefix(principals, `"`); quoted {
		principals = strings.TrimSuffix(inner, `"`)
	}
	if strings.ContainsAny(principals, "*?!") {
		return entry{}, errors.New("a principal is one name, not a pattern: signatures are counted by who made them")
	}
	if strings.ContainsAny(principals, `"=\`) {
		return entry{}, errors.New("a line begins with a principal, then come options")
	}
	if slices.Contains(strings.Split(principals, ","), "") {
		return entry{}, errors.New("a principal is empty")
	}
	// What follows the principals has the form of an authorized_keys line.
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(rest))
	if err != nil {
		return entry{}, errors.New("a line is: principal [options] key-type key")
	}
	if short(key, minRSA) {
		return entry{}, fmt.Errorf("an RSA key needs %d bits or more: make an ed25519 key", minRSA)
	}
	e := entry{principals: strings.Split(principals, ","), key: key}
	for _, option := range options {
		name, value, _ := strings.Cut(option, "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "namespaces":
			if strings.ContainsAny(value, `![]\`) {
				return entry{}, fmt.Errorf("namespaces %q: only * and ? are taken as patterns, and nothing negated", value)
			}
			e.namespaces = strings.Split(value, ",")
		case "valid-after":
			e.after, err = parseTime(value)
		case "valid-before":
			e.before, err = parseTime(value)
		default:
			return entry{}, fmt.Errorf("option %q is not known: use namespaces, valid-after and valid-before", name)
		}
		if err != nil {
			return entry{}, err
		}
	}
	return e, nil
}

// minRSA is the size in bits below which an RSA key can be broken.
const minRSA = 2048

// parseTime reads ssh-keygen's times, YYYYMMDD or YYYYMMDDHHMM[SS], with Z for UTC. OpenSSH takes a time
// without Z as local; here that is refused, since it would mean another moment on another machine.
func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{"20060102Z", "200601021504Z", "20060102150405Z"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("time %q: write YYYYMMDDHHMMSSZ, in UTC", s)
}

// Verify says who signed a message for a use, when the signature holds and its key was allowed at the time
// of signing. The time has to come from somebody the signer cannot fool: the store that keeps the object.
func (v *Verifier) Verify(namespace Namespace, message, armored []byte, at time.Time) (principal string, err error) {
	sig, err := unarmor(armored)
	if err != nil {
		return "", err
	}
	reason := "the key is not among the allowed signers"
	for _, e := range v.entries {
		if !bytes.Equal(e.key.Marshal(), sig.PublicKey.Marshal()) {
			continue
		}
		if why := e.refuses(namespace, at); why != "" {
			reason = why
			continue
		}
		if err := holds(namespace, message, sig, e.key); err != nil {
			return "", err
		}
		return e.principals[0], nil
	}
	return "", fmt.Errorf("%w: %s", ErrUntrusted, reason)
}

func (e entry) refuses(namespace Namespace, at time.Time) string {
	match := func(pattern string) bool { ok, _ := path.Match(pattern, string(namespace)); return ok }
	switch {
	case len(e.namespaces) > 0 && !slices.ContainsFunc(e.namespaces, match):
		return fmt.Sprintf("%s may not sign for %s", e.principals[0], namespace)
	case !e.after.IsZero() && at.Before(e.after):
		return fmt.Sprintf("the key of %s was not valid yet at %s", e.principals[0], at.UTC().Format(time.RFC3339))
	case !e.before.IsZero() && !at.Before(e.before):
		return fmt.Sprintf("the key of %s was no longer valid at %s", e.principals[0], at.UTC().Format(time.RFC3339))
	}
	return ""
}

// Principals are the names of all who may sign.
func (v *Verifier) Principals() []string {
	var names []string
	for _, e := range v.entries {
		names = append(names, e.principals...)
	}
	return names
}
