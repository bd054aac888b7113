package activities

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
)

// RandomSuffix makes the random end of a backup id: 6 characters of lower-case base32. Workflows call
// it in a side effect.
func RandomSuffix() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // it never fails since Go 1.24
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:])[:6])
}
