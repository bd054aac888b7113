package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

func newRoster(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "roster",
		Short: "The roster: who may decide, signed by owners",
		Long: `The roster is a chain of versions in one file. Each is signed by owners of the version before, and workers
pin the fingerprint of the first. A change is a draft beside the file until enough owners signed it.`,
	}
	cmd.AddCommand(newRosterInit(a), newRosterAdd(a), newRosterRemove(a), newRosterPolicies(a), newRosterSign(a), newRosterVerify(a), newRosterFetch(a), newRosterShow(a))
	return cmd
}

func newRosterSign(a *app) *cobra.Command {
	var key string
	var yes bool
	cmd := &cobra.Command{
		Use:   "sign",
		Short: "Sign the draft as an owner",
		Long: `Shows what the draft changes, asks, and signs it: with the key of a file (--key), or with the first key of an
owner in the SSH agent. The signature that completes it makes it the newest version.`,
		Example: "  lifeboat roster sign\n  lifeboat roster sign --key ~/.ssh/id_ed25519",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			d, err := a.draft()
			if err != nil {
				return err
			}
			if d.signed == nil {
				return failWith(exitNotFound, "there is nothing to sign: make a change with lifeboat roster add or remove")
			}
			a.printChanges(a.stderr, d)
			if !yes {
				if err := confirm("Sign this?"); err != nil {
					return err
				}
			}
			signer, err := a.signer(key, d.owns)
			if err != nil {
				return err
			}
			if !d.owns(signature.PublicKey(signer.PublicKey())) {
				return failWith(exitFailed, "this key belongs to no owner whose signature counts: only owners of version %d sign", max(d.version.Number-1, 1))
			}
			if err := d.signed.Sign(signer); err != nil {
				return err
			}
			return a.signedDraft(d)
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "private key `file`, or a .pub file whose private half is in the agent (default: the agent)")
	cmd.Flags().BoolVar(&yes, "yes", false, "sign without asking")
	return cmd
}

// signedDraft keeps the draft with its new signature, or makes it the newest version.
func (a *app) signedDraft(d *draft) error {
	complete, by, required, err := d.chain.Complete(d.signed)
	if err != nil {
		return err
	}
	if !complete {
		if err := d.save(); err != nil {
			return err
		}
		return a.print(map[string]any{"version": d.version.Number, "signed_by": by, "required": required, "complete": false}, func() {
			fmt.Fprintf(a.stdout, "Signed by %s: %d of %d needed.\n", strings.Join(by, ", "), len(by), required)
		})
	}
	chain := d.chain
	if chain == nil {
		chain = &roster.Chain{Format: 1}
	}
	chain.Versions = append(chain.Versions, d.signed)
	// Nothing is put in the roster's place that does not hold as a whole.
	if _, err := chain.Verify(chain.Fingerprint(), time.Now()); err != nil {
		return err
	}
	data, err := chain.Bytes()
	if err != nil {
		return err
	}
	if err := replaceFile(d.path, data); err != nil {
		return err
	}
	if err := os.Remove(d.draftPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove draft: %w", err)
	}
	return a.print(map[string]any{"version": d.version.Number, "signed_by": by, "required": required, "complete": true, "fingerprint": chain.Fingerprint(), "digest": d.signed.Digest()}, func() {
		fmt.Fprintf(a.stdout, "Signed by %s: version %d is the roster now. Bring %s to every worker.\n", strings.Join(by, ", "), d.version.Number, d.path)
		if a.config.Roster.Fingerprint != chain.Fingerprint() {
			fmt.Fprintf(a.stdout, "\nIn every configuration, compared by two people:\n\nroster:\n  fingerprint: %s\n", chain.Fingerprint())
		}
	})
}

func newRosterVerify(a *app) *cobra.Command {
	var seen []string
	var vaults bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check every version and every signature, from the pinned fingerprint on",
		Long: `Checks the file. --vaults also asks every vault: a file that lacks a version that lies in one does not hold, and
what lies there without the owners' signatures is told of.`,
		Example: "  lifeboat roster verify --vaults\n  lifeboat roster verify --seen 7:4be1…",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, chain, err := a.roster(seen...)
			if err != nil {
				return err
			}
			asked := "Vaults were not asked (--vaults)."
			if vaults {
				if asked, err = a.rosterInVaults(cmd.Context()); err != nil {
					return err
				}
			}
			warnings := r.Version.Warnings(time.Now())
			return a.print(map[string]any{"versions": len(chain.Versions), "digest": r.Mark().Digest, "fingerprint": chain.Fingerprint(), "warnings": warnings, "vaults": asked}, func() {
				fmt.Fprintf(a.stdout, "%d versions hold, from %s on. The newest is of %s: %s\n%s\n", len(chain.Versions), chain.Fingerprint(), r.Version.Issued.Format(time.RFC3339), r.Mark().Digest, asked)
				for _, w := range warnings {
					fmt.Fprintln(a.stdout, "warning:", w)
				}
			})
		},
	}
	cmd.Flags().StringArrayVar(&seen, "seen", nil, "a version that must be in it, as `NUMBER:DIGEST`, for example from a vault")
	cmd.Flags().BoolVar(&vaults, "vaults", false, "also ask the vaults for newer versions")
	return cmd
}

// rosterInVaults says what the vaults hold; its error, that the file is not the newest or that none can tell.
func (a *app) rosterInVaults(ctx context.Context) (string, error) {
	engine, err := a.reader(ctx)
	if err != nil {
		return "", err
	}
	looked, err := engine.CheckRoster(ctx)
	for _, problem := range append(looked.Problems, looked.Unreached...) {
		fmt.Fprintln(a.stderr, "warning:", problem)
	}
	if err != nil {
		return "", failWith(exitFailed, "%w", err)
	}
	if len(looked.Reached) == 0 {
		return "", failWith(exitUnreachable, "no vault could be asked for the newest version of the roster")
	}
	if looked.Newest().Number == 0 {
		return fmt.Sprintf("In the vaults %s lies no version yet: workers bring them.", strings.Join(looked.Reached, ", ")), nil
	}
	return fmt.Sprintf("In the vaults %s the newest is version %d.", strings.Join(looked.Reached, ", "), looked.Newest().Number), nil
}

func newRosterShow(a *app) *cobra.Command {
	var draft, allowed bool
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Show who may do what, and the fingerprint to pin",
		Example: "  lifeboat roster show\n  lifeboat roster show --draft\n  lifeboat roster show --allowed-signers > people",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if draft {
				d, err := a.draft()
				if err != nil {
					return err
				}
				if d.signed == nil {
					return failWith(exitNotFound, "there is no draft: make a change with lifeboat roster add or remove")
				}
				return a.print(map[string]any{"draft": json.RawMessage(d.signed.Signed), "changes": d.changes()}, func() { a.printChanges(a.stdout, d) })
			}
			if err := a.needRoster(); err != nil {
				return err
			}
			chain, err := roster.ReadChain(string(a.config.Roster.File))
			if err != nil {
				return notFound(err)
			}
			// Shown also where it is not pinned yet: its fingerprint is what the configuration is to hold.
			r, err := chain.Verify(chain.Fingerprint(), time.Now())
			if err != nil {
				return failWith(exitFailed, "the roster does not hold: %w", err)
			}
			if allowed {
				fmt.Fprint(a.stdout, r.Version.AllowedSigners())
				return nil
			}
			return a.print(map[string]any{"fingerprint": chain.Fingerprint(), "digest": r.Mark().Digest, "roster": r.Version}, func() { a.printRoster(r, chain.Fingerprint()) })
		},
	}
	cmd.Flags().BoolVar(&draft, "draft", false, "show the draft and what it changes")
	cmd.Flags().BoolVar(&allowed, "allowed-signers", false, "print everybody's keys for ssh-keygen -Y verify")
	return cmd
}

func (a *app) printRoster(r *roster.Roster, fingerprint string) {
	now := time.Now()
	fmt.Fprintf(a.stdout, "version %d of %s; %d owners sign the next one and each runbook\n\n", r.Version.Number, r.Version.Issued.Format(time.RFC3339), r.Version.Required)
	for _, p := range r.Version.People {
		roles := strings.Join(p.Roles, ", ")
		if roles == "" {
			roles = "no role"
		}
		fmt.Fprintf(a.stdout, "%s (%s): %s\n", p.ID, p.Name, roles)
		for _, k := range p.Keys {
			state := "valid"
			if !k.ValidAt(now) {
				state = "not valid now"
			}
			fmt.Fprintf(a.stdout, "  key    %s %s %s\n", k.Key.Fingerprint(), k.Comment, state)
		}
		if p.Slack != nil {
			fmt.Fprintf(a.stdout, "  Slack  %s\n", p.Slack)
		}
	}
	fmt.Fprintf(a.stdout, "\nfingerprint %s", fingerprint)
	switch a.config.Roster.Fingerprint {
	case fingerprint:
		fmt.Fprintln(a.stdout, " (pinned)")
	case "":
		fmt.Fprintln(a.stdout, " (not pinned: put it into roster.fingerprint)")
	default:
		fmt.Fprintf(a.stdout, "\nANOTHER ONE IS PINNED: %s\n", a.config.Roster.Fingerprint)
	}
	for _, w := range r.Version.Warnings(now) {
		fmt.Fprintln(a.stdout, "warning:", w)
	}
}

// needRoster loads the configuration and complains when it names no roster.
func (a *app) needRoster() error {
	if err := a.load(); err != nil {
		return err
	}
	if a.config.Roster == nil {
		return failWith(exitConfig, "the configuration names no roster: add a section \"roster\" with \"file: lifeboat.roster.json\"")
	}
	return nil
}

// roster reads and verifies the roster against the pinned fingerprint and what was seen.
func (a *app) roster(seen ...string) (*roster.Roster, *roster.Chain, error) {
	if err := a.needRoster(); err != nil {
		return nil, nil, err
	}
	var marks []roster.Mark
	for _, text := range seen {
		var m roster.Mark
		if n, err := fmt.Sscanf(strings.Replace(text, ":", " ", 1), "%d %s", &m.Number, &m.Digest); err != nil || n != 2 || m.Number < 1 {
			return nil, nil, failWith(exitUsage, "--seen %q: write NUMBER:DIGEST", text)
		}
		marks = append(marks, m)
	}
	if a.config.Roster.Fingerprint == "" {
		return nil, nil, failWith(exitConfig, "no roster is believed without its fingerprint: compare what lifeboat roster show says with an owner, and put it into roster.fingerprint")
	}
	chain, err := roster.ReadChain(string(a.config.Roster.File))
	if err != nil {
		return nil, nil, notFound(err)
	}
	r, err := chain.Verify(a.config.Roster.Fingerprint, time.Now(), marks...)
	if err != nil {
		return nil, nil, failWith(exitFailed, "%w", err)
	}
	return r, chain, nil
}

func notFound(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &failure{exitNotFound, err}
	}
	return err
}
