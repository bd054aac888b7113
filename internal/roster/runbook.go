package roster

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// RunbookSigners are the ids of the distinct owners who signed the exact text of a runbook, with keys that
// counted at a moment. The error says why other signatures do not count, and is nil when all do.
func RunbookSigners(r *Roster, text string, armored []string, at time.Time) ([]string, error) {
	return r.SignersOf(signature.Runbook, text, armored, plan.RoleOwner, at)
}

// ParseSignatures splits a file of signatures, armored SSHSIGs one after the other, as they stand beside a
// runbook. Each of them alone is what `ssh-keygen -Y verify -s` reads.
func ParseSignatures(file []byte) ([]string, error) {
	var all []string
	for rest := bytes.TrimSpace(file); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		block, after := pem.Decode(rest)
		if block == nil || !bytes.HasPrefix(rest, []byte("-----BEGIN SSH SIGNATURE-----")) {
			return nil, errors.New("read signatures: there is something else between them: they are SSH signatures, one after the other")
		}
		all = append(all, string(rest[:len(rest)-len(after)]))
		if rest = after; len(all) > maxSignatures {
			return nil, fmt.Errorf("read signatures: more than %d", maxSignatures)
		}
	}
	return all, nil
}

// FormatSignatures is the file that [ParseSignatures] reads.
func FormatSignatures(armored []string) []byte {
	var file strings.Builder
	for _, a := range armored {
		file.WriteString(strings.TrimSpace(a) + "\n")
	}
	return []byte(file.String())
}
