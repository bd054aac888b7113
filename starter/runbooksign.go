package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// signaturesOf is the file of the signatures of a runbook.
func signaturesOf(path string) string { return path + ".sigs" }

func newRunbookSign(a *app) *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use:   "sign FILE",
		Short: "Sign a runbook as an owner",
		Long: `Signs the exact bytes of the file, so that workers do what it says. The signature is added to FILE.sigs, which
belongs beside it. After any edit it has to be signed anew.`,
		Example: "  lifeboat runbook sign region-outage.yaml\n  lifeboat runbook sign region-outage.yaml --key ~/.ssh/id_ed25519",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			r, _, err := a.roster()
			if err != nil {
				return err
			}
			text, armored, err := readRunbook(args[0])
			if err != nil {
				return err
			}
			now := time.Now()
			owns := func(k signature.PublicKey) bool {
				p, ok := r.PersonByKey(k)
				return ok && p.Holds(plan.RoleOwner) && slices.ContainsFunc(p.Keys, func(held roster.Key) bool { return held.Key == k && held.ValidAt(now) })
			}
			signer, err := a.signer(key, owns)
			if err != nil {
				return err
			}
			if !owns(signature.PublicKey(signer.PublicKey())) {
				return failWith(exitFailed, "this key belongs to no owner of the roster: only owners sign runbooks")
			}
			made, err := signer.Sign(signature.Runbook, text)
			if err != nil {
				return err
			}
			armored = append(counting(r, string(text), armored, now), string(made))
			by, _ := roster.RunbookSigners(r, string(text), armored, now)
			if err := replaceFile(signaturesOf(args[0]), roster.FormatSignatures(counting(r, string(text), armored, now))); err != nil {
				return err
			}
			return a.print(map[string]any{"runbook": runbooks.Digest(text), "signed_by": by, "required": r.Version.Required}, func() {
				fmt.Fprintf(a.stdout, "%s\nSigned by %s: %d of %d needed.\n", runbooks.Digest(text), strings.Join(by, ", "), len(by), r.Version.Required)
			})
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "private key `file`, or a .pub file whose private half is in the agent (default: the agent)")
	return cmd
}

// readRunbook reads a runbook that is well formed, and what signatures it has.
func readRunbook(path string) (text []byte, armored []string, err error) {
	text, err = os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, failWith(exitNotFound, "there is no runbook %s", path)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read runbook: %w", err)
	}
	if _, err := runbooks.Parse(text); err != nil {
		return nil, nil, failWith(exitUsage, "%s is not signed, it is wrong: %w", path, err)
	}
	file, err := os.ReadFile(signaturesOf(path))
	if errors.Is(err, fs.ErrNotExist) {
		return text, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read signatures: %w", err)
	}
	armored, err = roster.ParseSignatures(file)
	return text, armored, err
}

// counting keeps of several signatures the first of each owner that counts: those under an older text are gone.
func counting(r *roster.Roster, text string, armored []string, now time.Time) []string {
	var kept, by []string
	for _, one := range armored {
		if who, _ := roster.RunbookSigners(r, text, []string{one}, now); len(who) == 1 && !slices.Contains(by, who[0]) {
			kept, by = append(kept, one), append(by, who[0])
		}
	}
	return kept
}
