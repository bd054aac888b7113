package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

func newOrder(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "order",
		Short: "The standing order: what routine work may do, signed by owners",
		Long: `Every activity that changes something checks the standing order first. It lets routine work create
objects in vaults, and make branches and databases of Lifeboat's own names; for restores, it names the
targets that may be filled when they are empty.`,
	}
	cmd.AddCommand(newOrderNew(a), newOrderSign(a), newOrderShow(a))
	return cmd
}

func newOrderNew(a *app) *cobra.Command {
	var valid string
	cmd := &cobra.Command{
		Use:     "new",
		Short:   "Write an unsigned order for the components and targets of the configuration",
		Example: "  lifeboat order new --valid 1y\n  lifeboat order sign --key ~/.ssh/id_ed25519",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := a.load(); err != nil {
				return err
			}
			lasts, err := plan.ParseDuration(valid)
			if err != nil {
				return failWith(exitUsage, "--valid: %w", err)
			}
			now := time.Now().UTC().Truncate(time.Second)
			order, err := roster.NewSigned(plan.Order{
				Format: 1, Kind: "standing", Application: a.config.Application, Actions: plan.StandingActions,
				Components: slices.Sorted(maps.Keys(a.config.Components)), Targets: slices.Sorted(maps.Keys(a.config.Targets)),
				Issued: now, Expires: now.Add(lasts),
			})
			if err != nil {
				return err
			}
			data, err := order.Bytes()
			if err != nil {
				return err
			}
			path := string(a.config.Order.File)
			f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
			if errors.Is(err, fs.ErrExist) {
				return failWith(exitFailed, "%s is there already: move it away first; what runs under it is refused from then on", path)
			}
			if err != nil {
				return fmt.Errorf("write order: %w", err)
			}
			if _, err = f.Write(data); errors.Join(err, f.Close()) != nil {
				return fmt.Errorf("write order: %w", err)
			}
			return a.print(map[string]string{"order": order.Digest(), "file": path}, func() {
				fmt.Fprintf(a.stdout, "%s\n\nRead it, then let %d owner(s) sign it: lifeboat order sign --key FILE\n", order.Order, a.config.Order.Required)
			})
		},
	}
	cmd.Flags().StringVar(&valid, "valid", "1y", "how `long` it is valid, for example 90d")
	return cmd
}

func newOrderSign(a *app) *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use:     "sign",
		Short:   "Sign the order as an owner",
		Example: "  lifeboat order sign --key secrets/owner_ed25519",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			order, err := a.order()
			if err != nil {
				return err
			}
			text, err := os.ReadFile(key)
			if err != nil {
				return failWith(exitUsage, "--key: %w", err)
			}
			signer, err := signature.NewSigner(text)
			if err != nil {
				return failWith(exitUsage, "--key: %w", err)
			}
			if err := order.Sign(signer); err != nil {
				return err
			}
			data, err := order.Bytes()
			if err != nil {
				return err
			}
			path := string(a.config.Order.File)
			if err := replaceFile(path, data); err != nil {
				return err
			}
			return a.print(map[string]any{"order": order.Digest(), "signatures": len(order.Signatures)}, func() {
				fmt.Fprintf(a.stdout, "Signed: %d of %d needed.\n", len(order.Signatures), a.config.Order.Required)
			})
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "OpenSSH private key `file` of the owner (required)")
	_ = cmd.MarkFlagRequired("key")
	return cmd
}

func newOrderShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Show the order, and whether it holds now",
		Example: "  lifeboat order show",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			signedOrder, err := a.order()
			if err != nil {
				return err
			}
			orders, err := assemble.Orders(a.config)
			if err != nil {
				return &failure{exitConfig, err}
			}
			_, invalid := signedOrder.Open(orders.Owners, orders.Required, time.Now())
			state := "valid"
			if invalid != nil {
				state = invalid.Error()
			}
			err = a.print(map[string]any{"digest": signedOrder.Digest(), "order": signedOrder.Order, "state": state}, func() {
				fmt.Fprintf(a.stdout, "%s\n\ndigest %s\nstate  %s\n", signedOrder.Order, signedOrder.Digest(), state)
			})
			if err == nil && invalid != nil {
				err = failWith(exitFailed, "the order does not hold")
			}
			return err
		},
	}
}

func (a *app) order() (*roster.Signed, error) {
	if err := a.load(); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(string(a.config.Order.File))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, failWith(exitNotFound, "there is no order %s: make one with: lifeboat order new", a.config.Order.File)
	}
	if err != nil {
		return nil, fmt.Errorf("read order: %w", err)
	}
	return roster.ParseSigned(data)
}

// replaceFile writes a file beside the old one and renames it, so that there is always a whole one.
func replaceFile(path string, data []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, data, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
