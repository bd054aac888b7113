package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lifeboat-dr/lifeboat/internal/keyring"
)

func newKeygen(a *app) *cobra.Command {
	var signer, owner string
	cmd := &cobra.Command{
		Use:   "keygen DIRECTORY",
		Short: "Make the keys that Lifeboat needs, each in a file of its own",
		Long: `Makes a verification and an escrow key (age), a signing and an owner key (SSH), the fleet's key and a
webhook secret, and prints the part of the configuration that names them. No existing file is ever overwritten.

Then move two of them away from this machine: the escrow key (offline, in two places, or split) and the
owner's key (to the owner).`,
		Example: "  lifeboat keygen secrets --owner alice@medlink.example",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			ring, err := keyring.Generate(args[0], signer, owner)
			if err != nil {
				return err
			}
			return a.print(ring, func() { a.printKeys(ring) })
		},
	}
	cmd.Flags().StringVar(&signer, "signer", "lifeboat-worker", "`name` of the workers in signatures")
	cmd.Flags().StringVar(&owner, "owner", "owner", "`name` of the owner in signatures")
	return cmd
}

func (a *app) printKeys(r *keyring.Ring) {
	fmt.Fprintf(a.stdout, `Keys are in %[1]s. In the configuration:

keys:
  recipients:
    - {name: verification, recipient: %[2]s, use: verification}
    - {name: escrow, recipient: %[3]s, use: escrow}
  identities: [{file: %[1]s/%[4]s}]
  signing_key: {file: %[1]s/%[5]s}
  allowed_signers: %[1]s/%[6]s
  fleet_keys: [{file: %[1]s/%[7]s}]
order:
  file: lifeboat.order.json
  owners: %[1]s/%[8]s   # better: a roster, and no such line (docs/roster.md)

Now move these two away from this machine:
  %[1]s/%[9]s    offline, in two places: it opens every backup
  %[1]s/%[10]s   to the owner: it allows what workers may do
Then: lifeboat order new
`, r.Dir, r.VerificationRecipient, r.EscrowRecipient, keyring.Verification, keyring.Signing, keyring.AllowedSigners, keyring.Fleet, keyring.Owners, keyring.Escrow, keyring.Owner)
}
