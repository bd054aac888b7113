package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/ledger"
	"github.com/lifeboat-dr/lifeboat/internal/seal"
)

func newLedger(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "ledger", Short: "What was written after the point that a database was put back to: the lost window"}
	cmd.AddCommand(newLedgerShow(a), newLedgerExport(a))
	return cmd
}

// ledgerShown is one ledger as it is shown.
type ledgerShown struct {
	Step     string `json:"step"`
	Vault    string `json:"vault"`
	Inserted int64  `json:"inserted"`
	Updated  int64  `json:"updated"`
	Deleted  int64  `json:"deleted"`
	Digest   string `json:"digest"`
	Proven   bool   `json:"proven"`
	// Tables are counts by table, where a key opens the ledger.
	Tables map[string]map[string]int64 `json:"tables,omitempty"`
}

func newLedgerShow(a *app) *cobra.Command {
	var tables bool
	cmd := &cobra.Command{
		Use:   "show EXECUTION",
		Short: "How many rows the lost window of an execution has; with --tables by table",
		Long: `Reads the clear index from the vaults and holds it against the execution's signed journal. --tables opens
the ledger with a key of keys.identities and counts its rows table by table; no row is shown.`,
		Example: "  lifeboat ledger show data-deletion/database/20261125T030000Z --tables",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, held, err := a.ledgers(cmd, args[0], tables)
			if err != nil {
				return err
			}
			var all []ledgerShown
			for _, h := range held {
				one := ledgerShown{Step: h.Index.Step, Vault: h.Vault.Name, Inserted: h.Index.Inserted, Updated: h.Index.Updated, Deleted: h.Index.Deleted, Digest: h.Digest, Proven: h.Proven}
				if tables {
					one.Tables = map[string]map[string]int64{}
					err := ledger.Rows(cmd.Context(), h.Vault.Store, h.Index, engine.Crew.Identities, func(r ledger.Row) error {
						if one.Tables[r.Table] == nil {
							one.Tables[r.Table] = map[string]int64{}
						}
						one.Tables[r.Table][r.Change]++
						return nil
					})
					if err != nil {
						return ledgerError(err)
					}
				}
				all = append(all, one)
			}
			return a.print(all, func() {
				for _, one := range all {
					fmt.Fprintf(a.stdout, "step %s, vault %s: %d rows inserted, %d changed, %d deleted\n  %s, %s\n",
						one.Step, one.Vault, one.Inserted, one.Updated, one.Deleted, one.Digest, proof(one.Proven))
					for _, table := range slices.Sorted(maps.Keys(one.Tables)) {
						c := one.Tables[table]
						fmt.Fprintf(a.stdout, "  %s +%d ~%d -%d\n", table, c["inserted"], c["updated"], c["deleted"])
					}
				}
			})
		},
	}
	cmd.Flags().BoolVar(&tables, "tables", false, "open it and count by table")
	return cmd
}

func proof(proven bool) string {
	if proven {
		return "as the signed journal says"
	}
	return "the journal does not name it yet"
}

func newLedgerExport(a *app) *cobra.Command {
	var step, file string
	cmd := &cobra.Command{
		Use:   "export EXECUTION",
		Short: "Open the lost window of an execution: one row a line, as JSON",
		Long: `Opens the ledger with a key of keys.identities and writes its rows, one JSON object a line: table, change, was, is.
These are the application's data in the clear: keep the file where such data may be, and remove it when every row was entered
again or written off. Nothing is written when the ledger is not the one that the execution's signed journal names.`,
		Example: "  lifeboat ledger export data-deletion/database/20261125T030000Z --file lost.jsonl",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, held, err := a.ledgers(cmd, args[0], true)
			if err != nil {
				return err
			}
			held = slices.DeleteFunc(held, func(h activities.HeldLedger) bool { return step != "" && h.Index.Step != step })
			switch {
			case len(held) == 0:
				return failWith(exitNotFound, "the execution has no ledger of a step %s", step)
			case len(held) > 1 && step == "":
				return failWith(exitUsage, "the execution has %d ledgers: choose one with --step; lifeboat ledger show lists them", len(held))
			case !held[0].Proven:
				return failWith(exitFailed, "the journal does not name this ledger yet: wait until step %s has ended", held[0].Index.Step)
			}
			out := a.stdout
			if file != "" {
				f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
				if err != nil {
					return failWith(exitFailed, "%w", err)
				}
				defer func() { _ = f.Close() }()
				out = f
			}
			rows, err := exportRows(cmd, engine, held[0], out)
			if err != nil && file != "" {
				err = errors.Join(err, os.Remove(file)) // half a ledger would be taken for a whole one
			}
			if err != nil {
				return ledgerError(err)
			}
			fmt.Fprintf(a.stderr, "%d rows\n", rows)
			return nil
		},
	}
	cmd.Flags().StringVar(&step, "step", "", "the `step` that kept it, where there are several")
	cmd.Flags().StringVar(&file, "file", "", "a new `file`, for the owner's eyes only (default standard output)")
	return cmd
}

func exportRows(cmd *cobra.Command, engine *assemble.Engine, h activities.HeldLedger, out io.Writer) (rows int64, err error) {
	buffered := bufio.NewWriter(out)
	lines := json.NewEncoder(buffered)
	lines.SetEscapeHTML(false)
	err = ledger.Rows(cmd.Context(), h.Vault.Store, h.Index, engine.Crew.Identities, func(r ledger.Row) error {
		rows++
		return lines.Encode(r)
	})
	if err != nil {
		return rows, err
	}
	if err := buffered.Flush(); err != nil {
		return rows, err
	}
	if f, ok := out.(*os.File); ok && f != os.Stdout {
		return rows, f.Sync()
	}
	return rows, nil
}

// ledgers finds what an execution kept; opening also reads the keys.
func (a *app) ledgers(cmd *cobra.Command, execution string, opening bool) (*assemble.Engine, []activities.HeldLedger, error) {
	if err := a.load(); err != nil {
		return nil, nil, err
	}
	engine, err := assemble.New(cmd.Context(), a.config, assemble.Options{Version: version, Opening: opening})
	if err != nil {
		return nil, nil, &failure{exitConfig, err}
	}
	held, err := activities.ReadLedgers(cmd.Context(), engine.JournalVaults(), engine.Finder.Signers, execution)
	if err == nil && len(held) == 0 {
		err = failWith(exitNotFound, "execution %s kept no lost window", execution)
	}
	return engine, held, err
}

func ledgerError(err error) error {
	if errors.Is(err, seal.ErrWrongKey) {
		return failWith(exitFailed, "none of keys.identities opens the ledger: it was sealed to the recipients of its time")
	}
	return failWith(exitFailed, "%w", err)
}
