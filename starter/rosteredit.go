package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// personFlags describe somebody on the command line.
type personFlags struct {
	name, email, slack, pager string
	roles, keys               []string
	required                  int
}

func (f *personFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", "", "full `name`")
	flags.StringVar(&f.email, "email", "", "e-mail `address`")
	flags.StringArrayVar(&f.roles, "role", nil, "`role`: owner, commander, approver, operator, auditor, or one that a runbook asks for; repeatable")
	flags.StringArrayVar(&f.keys, "key", nil, "public key `file` (.pub) of theirs; repeatable")
	flags.StringVar(&f.slack, "slack", "", "account in Slack, by ids: `TEAM/USER`")
	flags.StringVar(&f.pager, "pager", "", "their `name` at the pager's service")
	flags.IntVar(&f.required, "required", 0, "how many owners have to sign the next version and each runbook (default: as before, at least 2 of 2 or more)")
}

func (f *personFlags) person(id string) (roster.Person, error) {
	p := roster.Person{ID: id, Name: f.name, Email: f.email, Roles: f.roles, Pager: f.pager}
	for _, path := range f.keys {
		text, err := os.ReadFile(path)
		if err != nil {
			return p, failWith(exitUsage, "--key: %w", err)
		}
		if bytes.Contains(text, []byte("PRIVATE KEY")) {
			return p, failWith(exitUsage, "--key %s: this is a private key, which never leaves its owner: give the .pub file", path)
		}
		key, comment, err := signature.ParsePublicKey(string(text))
		if err != nil {
			return p, failWith(exitUsage, "--key %s: %w", path, err)
		}
		p.Keys = append(p.Keys, roster.Key{Key: key, Comment: comment})
	}
	if f.slack != "" {
		team, user, ok := strings.Cut(f.slack, "/")
		if !ok {
			return p, failWith(exitUsage, "--slack %q: write TEAM/USER, for example T0123ABCD/U0123ABCD", f.slack)
		}
		p.Slack = &roster.Slack{Team: team, User: user}
	}
	return p, nil
}

func newRosterInit(a *app) *cobra.Command {
	var f personFlags
	cmd := &cobra.Command{
		Use:   "init ID",
		Short: "Begin a roster with its first owner",
		Long: `Makes the draft of the first version with one owner. Add everybody else, then let its owners sign it. Two owners
or more are needed for a change to need two people; with three, one may be absent.`,
		Example: "  lifeboat roster init alice --name 'Alice Roy' --email alice@medlink.example --role commander --key alice.pub",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			d, err := a.draft()
			if err != nil {
				return err
			}
			if d.chain != nil || d.signed != nil {
				return failWith(exitFailed, "%s is there already: change it with lifeboat roster add and remove", d.path)
			}
			p, err := f.person(args[0])
			if err != nil {
				return err
			}
			d.version = roster.First(time.Now())
			d.version.Put(p)
			d.version.Put(roster.Person{ID: p.ID, Roles: []string{plan.RoleOwner}})
			return a.keepDraft(d, f.required, 0)
		},
	}
	f.register(cmd)
	return cmd
}

func newRosterAdd(a *app) *cobra.Command {
	var f personFlags
	cmd := &cobra.Command{
		Use:   "add ID",
		Short: "Add somebody, or roles, keys and accounts to somebody who is there",
		Example: "  lifeboat roster add bob --name 'Bob Lee' --role approver --key bob.pub --slack T0123ABCD/U0456EFGH\n" +
			"  lifeboat roster add bob --key bobs-security-key.pub",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := f.person(args[0])
			if err != nil {
				return err
			}
			return a.edit(f.required, func(v *roster.Version) error { v.Put(p); return nil })
		},
	}
	f.register(cmd)
	return cmd
}

func newRosterRemove(a *app) *cobra.Command {
	var key, role, from string
	var required int
	cmd := &cobra.Command{
		Use:   "remove ID",
		Short: "Remove somebody, or one of their keys or roles",
		Long: `Without flags: takes every role from them and revokes every key from now on. They stay listed, so that what they
signed before can still be checked. A key is revoked from --from on: when it was stolen, not when that was noticed.`,
		Example: "  lifeboat roster remove bob\n  lifeboat roster remove bob --key SHA256:… --from 2026-11-24T18:00:00Z\n  lifeboat roster remove bob --role approver",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			at := time.Now().UTC().Truncate(time.Second)
			if from != "" {
				var err error
				if at, err = time.Parse(time.RFC3339, from); err != nil {
					return failWith(exitUsage, "--from %q: write a time with its zone, like 2026-11-24T18:00:00Z", from)
				}
			}
			if from != "" && key == "" {
				return failWith(exitUsage, "--from is about a key: name it with --key")
			}
			return a.edit(required, func(v *roster.Version) error {
				var err error
				switch {
				case key != "":
					err = v.RevokeKey(args[0], key, at)
				case role == "":
					err = v.Remove(args[0])
				}
				if err == nil && role != "" {
					err = v.DropRole(args[0], role)
				}
				if err != nil {
					return &failure{exitNotFound, err}
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "revoke only the key with this `fingerprint`")
	cmd.Flags().StringVar(&role, "role", "", "take only this `role`")
	cmd.Flags().StringVar(&from, "from", "", "the `time` from which on the key counts no more (default: now)")
	cmd.Flags().IntVar(&required, "required", 0, "how many owners have to sign the next version and each runbook (default: as before)")
	return cmd
}

// maxPolicies bounds the file of policies in bytes.
const maxPolicies = 256 << 10

func newRosterPolicies(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "policies FILE",
		Short: "Replace the escalation policies by those of a file",
		Long: `The file is a list in YAML or JSON: name, levels (delay, targets, notify: all or any), repeat. A target is
person:ID, role:NAME, slack:CHANNEL, pager:NAME, email:ADDRESS or webhook:NAME.`,
		Example: "  lifeboat roster policies escalation.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			policies, err := readPolicies(args[0])
			if err != nil {
				return failWith(exitUsage, "read policies: %w", err)
			}
			return a.edit(0, func(v *roster.Version) error { v.Policies = policies; return nil })
		},
	}
}

func readPolicies(path string) ([]plan.Policy, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %s", path)
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxPolicies {
		return nil, fmt.Errorf("%s has %d bytes, %d are the most", path, info.Size(), maxPolicies)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	data, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var policies []plan.Policy
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&policies); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return policies, nil
}
