package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/assemble"
)

// vaultFlag adds --vault to a command that reads backups.
func vaultFlag(cmd *cobra.Command, vault *string) {
	cmd.Flags().StringVar(vault, "vault", "", "read from this `vault`, one of the component's replicas (default the component's own)")
}

// vaultOf checks that a component has backups in a vault. The component's own is empty, which it also is by default.
func (a *app) vaultOf(component, vault string) (string, error) {
	c := a.config.Components[component]
	if vault == "" || vault == c.Vault {
		return "", nil
	}
	if !slices.Contains(c.Replicas, vault) {
		return "", failWith(exitNotFound, "--vault %s: the backups of %s are in %s", vault, component, strings.Join(append([]string{c.Vault}, c.Replicas...), ", "))
	}
	return vault, nil
}

// find finds a backup in a vault. When the component's own does not answer, the replicas are named.
func (a *app) find(ctx context.Context, engine *assemble.Engine, component, vault, backup string) (*activities.Backup, error) {
	found, err := engine.FindIn(ctx, component, vault, backup)
	return found, a.elsewhere(component, vault, err)
}

// elsewhere says where else to look when a vault cannot be read.
func (a *app) elsewhere(component, vault string, err error) error {
	replicas := a.config.Components[component].Replicas
	kind := activities.TypeOf(err)
	if vault != "" || len(replicas) == 0 || kind != activities.TypeUnavailable && kind != activities.TypeStoreDenied {
		return err
	}
	return failWith(exitUnreachable, "%s\n%s is copied to %s: try --vault %s", readable(err), component, strings.Join(replicas, ", "), replicas[0])
}
