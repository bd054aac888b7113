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
	"github.com/lifeboat-dr/lifeboat/internal/config"
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
targets that may be filled when they are empty, and for copies the vaults that they may go to.`,
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
				Components: slices.Sorted(maps.Keys(a.config.Components)), Targets: slices.Sorted(maps.Keys(a.config.Targets)), Vaults: replicaVaults(a.config),
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
				fmt.Fprintf(a.stdout, "%s\n\nRead it, then let %s sign it: lifeboat order sign\n", order.Order, a.orderSigners())
			})
		},
	}
	cmd.Flags().StringVar(&valid, "valid", "1y", "how `long` it is valid, for example 90d")
	return cmd
}

// replicaVaults are the vaults that components are copied to.
func replicaVaults(cfg *config.Config) []string {
	vaults := map[string]bool{}
	for _, c := range cfg.Components {
		for _, name := range c.Replicas {
			vaults[name] = true
		}
	}
	return slices.Sorted(maps.Keys(vaults))
}

func newOrderSign(a *app) *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use:   "sign",
		Short: "Sign the order as an owner",
		Long: `Signs with the key of a file (--key), or with the first key in the SSH agent: where there is a roster the first
that belongs to one of its owners.`,
		Example: "  lifeboat order sign\n  lifeboat order sign --key secrets/owner_ed25519",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			order, err := a.order()
			if err != nil {
				return err
			}
			owns, err := a.ownerKeys()
			if err != nil {
				return err
			}
			signer, err := a.signer(key, owns)
			if err != nil {
				return err
			}
			if !owns(signature.PublicKey(signer.PublicKey())) {
				return failWith(exitFailed, "this key belongs to no owner in the roster: lifeboat roster show")
			}
			if order.SignedBy(signature.PublicKey(signer.PublicKey())) {
				return failWith(exitFailed, "this key has signed the order already")
			}
			if err := order.Sign(signer); err != nil {
				return err
			}
			data, err := order.Bytes()
			if err != nil {
				return err
			}
			if err := replaceFile(string(a.config.Order.File), data); err != nil {
				return err
			}
			state := a.orderState()
			return a.print(map[string]any{"order": order.Digest(), "signatures": len(order.Signatures), "state": state}, func() {
				fmt.Fprintf(a.stdout, "Signed. Now it is: %s\n", state)
			})
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "private key `file`, or a .pub file whose private half is in the agent (default: the agent)")
	return cmd
}

// ownerKeys says which keys may sign: where there is a roster, those of its owners that count now.
func (a *app) ownerKeys() (func(signature.PublicKey) bool, error) {
	if a.config.Roster == nil {
		return func(signature.PublicKey) bool { return true }, nil
	}
	people, _, err := a.roster()
	if err != nil {
		return nil, err
	}
	return func(key signature.PublicKey) bool {
		p, ok := people.PersonByKey(key)
		return ok && p.Holds(plan.RoleOwner) && slices.ContainsFunc(p.Keys, func(k roster.Key) bool { return k.Key == key && k.ValidAt(time.Now()) })
	}, nil
}

// orderSigners says who has to sign.
func (a *app) orderSigners() string {
	if a.config.Roster == nil {
		return fmt.Sprintf("%d owner(s)", a.config.Order.Required)
	}
	people, _, err := a.roster()
	if err != nil {
		return "the owners of the roster, which does not hold yet,"
	}
	return fmt.Sprintf("%d owner(s) of the roster", people.Version.Required)
}

// orderState is "valid", or why the order does not hold.
func (a *app) orderState() string {
	orders, err := assemble.Orders(a.config)
	if err == nil {
		_, err = orders.Open()
	}
	if err != nil {
		return err.Error()
	}
	return "valid"
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
			state := a.orderState()
			err = a.print(map[string]any{"digest": signedOrder.Digest(), "order": signedOrder.Order, "state": state}, func() {
				fmt.Fprintf(a.stdout, "%s\n\ndigest %s\nstate  %s\n", signedOrder.Order, signedOrder.Digest(), state)
			})
			if err == nil && state != "valid" {
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
