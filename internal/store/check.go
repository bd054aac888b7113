package store

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxKey is S3's limit on a key, in bytes, less some room for a vault's prefix.
	maxKey = 900
	// maxMetadata is S3's limit on user metadata, in bytes of names and values, less what stores add.
	maxMetadata = 1800
)

// CheckKey refuses what any one of the stores could not hold or would hold under another name, so that
// every object can be copied to every vault. The result is nil or an [*Error] of kind [ErrInvalid].
func CheckKey(op, key string) error {
	var why string
	switch {
	case key == "":
		why = "a key must not be empty"
	case len(key) > maxKey:
		why = fmt.Sprintf("a key has at most %d bytes", maxKey)
	case !utf8.ValidString(key):
		why = "a key must be UTF-8"
	case strings.ContainsFunc(key, unicode.IsControl):
		why = "a key must not contain control characters"
	case strings.ContainsRune(key, '\\'):
		why = "a key must not contain a backslash"
	default:
		for part := range strings.SplitSeq(key, "/") {
			switch {
			case part == "" || part == "." || part == "..":
				why = `a key is parts separated by single slashes, none of them empty, "." or ".."`
			case len(part) > 255:
				why = "a part of a key has at most 255 bytes"
			}
		}
	}
	if why == "" {
		return nil
	}
	return &Error{Op: op, Key: key, Kind: ErrInvalid, Hint: why}
}

// CheckPrefix refuses a prefix that no key can start with. The empty prefix is fine.
func CheckPrefix(op, prefix string) error {
	if prefix == "" {
		return nil
	}
	// What is left open at the end is completed by one letter: "v1/" by "v1/a".
	if CheckKey(op, prefix) == nil || CheckKey(op, prefix+"a") == nil {
		return nil
	}
	return &Error{Op: op, Key: prefix, Kind: ErrInvalid, Hint: "no key can start with this"}
}

// CheckCreate refuses what [Store].Create must not be asked: a bad key, a body over [MaxBody], or
// metadata that does not survive the way through HTTP headers.
func CheckCreate(key string, body []byte, opt CreateOptions) error {
	if err := CheckKey("create", key); err != nil {
		return err
	}
	if len(body) > MaxBody {
		return &Error{Op: "create", Key: key, Kind: ErrInvalid, Hint: fmt.Sprintf("a body has at most %d bytes, this has %d", MaxBody, len(body))}
	}
	size := 0
	for name, value := range opt.Metadata {
		size += len(name) + len(value)
		if err := checkMetadata(name, value); err != nil {
			return &Error{Op: "create", Key: key, Kind: ErrInvalid, Err: err}
		}
	}
	if size > maxMetadata {
		return &Error{Op: "create", Key: key, Kind: ErrInvalid, Hint: fmt.Sprintf("metadata has at most %d bytes, this has %d", maxMetadata, size)}
	}
	return nil
}

func checkMetadata(name, value string) error {
	if name == "" {
		return errors.New("a metadata name must not be empty")
	}
	for _, c := range name {
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return fmt.Errorf("metadata name %q: only a-z, 0-9 and - survive in every store", name)
		}
	}
	for _, c := range value {
		if c < ' ' || c > '~' {
			return fmt.Errorf("value of metadata %q: only printable ASCII survives in every store", name)
		}
	}
	if strings.TrimSpace(value) != value {
		return fmt.Errorf("value of metadata %q: spaces at the ends do not survive", name)
	}
	return nil
}
