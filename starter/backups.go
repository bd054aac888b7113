package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// backupRow is a backup as `lifeboat backups` shows it.
type backupRow struct {
	Component  string          `json:"component"`
	Backup     string          `json:"backup"`
	Vault      string          `json:"vault"`
	Point      manifest.Point  `json:"point"`
	Totals     manifest.Totals `json:"totals"`
	Verified   bool            `json:"verified"`
	VerifiedAt time.Time       `json:"verified_at,omitzero"`
	Signer     string          `json:"signer"`
	Manifest   string          `json:"manifest_sha256"`
}

// shownBackups is how many backups of a component are listed when nobody asked for more.
const shownBackups = 20

func newBackups(a *app) *cobra.Command {
	var limit int
	var vault string
	cmd := &cobra.Command{
		Use:   "backups [component...]",
		Short: "List the backups in the vaults, newest first",
		Long: `Reads the vaults only: no Temporal and no private key are needed. A backup is listed when its manifest
is validly signed; it is verified when a signed record says that this manifest was restored and compared.`,
		Example: "  lifeboat backups\n  lifeboat backups database --limit 100 --output json",
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := a.vaults(cmd.Context())
			if err != nil {
				return err
			}
			names, err := a.components(args)
			if err != nil {
				return err
			}
			rows := []backupRow{}
			for _, name := range names {
				from, err := a.vaultOf(name, vault)
				if err != nil {
					return err
				}
				found, err := a.listBackups(cmd.Context(), engine, name, from, limit)
				if err := a.elsewhere(name, from, err); err != nil {
					return err
				}
				rows = append(rows, found...)
			}
			return a.print(rows, func() { a.printBackupRows(rows) })
		},
	}
	vaultFlag(cmd, &vault)
	cmd.Flags().IntVarP(&limit, "limit", "n", shownBackups, "how many of each component; 0 is all")
	cmd.AddCommand(newBackupsShow(a))
	return cmd
}

func (a *app) listBackups(ctx context.Context, engine *assemble.Engine, name, vault string, limit int) ([]backupRow, error) {
	c, err := engine.Crew.ComponentIn(name, vault)
	if err != nil {
		return nil, err
	}
	rows := []backupRow{}
	refused := func(id string, err error) {
		fmt.Fprintf(a.stderr, "WARNING: backup %s of %s is not listed: %v\n", id, name, readable(err))
	}
	for b, err := range engine.Finder.Backups(ctx, c, refused) {
		if err != nil {
			return nil, &failure{exitUnreachable, err}
		}
		row, err := describeBackup(ctx, engine, c, b)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
		if limit > 0 && len(rows) == limit {
			break
		}
	}
	return rows, nil
}

func describeBackup(ctx context.Context, engine *assemble.Engine, c *activities.Component, b *activities.Backup) (backupRow, error) {
	record, err := engine.Finder.Verified(ctx, c, b)
	if err != nil {
		return backupRow{}, &failure{exitUnreachable, err}
	}
	row := backupRow{
		Component: c.Name, Backup: b.Envelope.Backup, Vault: c.Vault.Name, Point: b.Envelope.Point,
		Totals: b.Envelope.Totals, Signer: b.Signer, Manifest: b.SHA256, Verified: record != nil,
	}
	if record != nil {
		row.VerifiedAt = record.Finished
	}
	return row, nil
}

func (a *app) printBackupRows(rows []backupRow) {
	table := [][]string{}
	for _, r := range rows {
		verified := "no"
		if r.Verified {
			verified = r.VerifiedAt.UTC().Format("2006-01-02 15:04Z")
		}
		table = append(table, []string{
			r.Component, r.Backup, r.Point.Time.UTC().Format("2006-01-02 15:04:05Z"), countText(r.Totals.Rows),
			bytesText(r.Totals.StoredBytes), verified, r.Vault,
		})
	}
	a.table([]string{"component", "backup", "restore point", "rows", "stored", "verified", "vault"}, table)
}

// shownBackup is one backup in full.
type shownBackup struct {
	Envelope   manifest.Envelope     `json:"envelope"`
	Signer     string                `json:"signer"`
	NotCovered []manifest.NotCovered `json:"not_covered"`
}

func newBackupsShow(a *app) *cobra.Command {
	var component, vault string
	cmd := &cobra.Command{
		Use:     "show ID|latest|latest-verified",
		Short:   "Show one backup: its envelope, and what it does not cover",
		Long:    "Opens the sealed contents, so it needs one of the private keys in keys.identities.",
		Example: "  lifeboat backups show latest",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.load(); err != nil {
				return err
			}
			engine, err := assemble.New(cmd.Context(), a.config, assemble.Options{Version: version, Opening: true})
			if err != nil {
				return &failure{exitConfig, err}
			}
			name, err := a.one(component)
			if err != nil {
				return err
			}
			from, err := a.vaultOf(name, vault)
			if err != nil {
				return err
			}
			b, contents, err := engine.OpenIn(cmd.Context(), name, from, args[0])
			if err := a.elsewhere(name, from, err); err != nil {
				return err
			}
			shown := shownBackup{Envelope: b.Envelope, Signer: b.Signer, NotCovered: contents.Catalog.NotCovered}
			return a.print(shown, func() { a.printBackup(shown) })
		},
	}
	vaultFlag(cmd, &vault)
	cmd.Flags().StringVar(&component, "component", "", "component `name`, when the configuration has several")
	return cmd
}

func (a *app) printBackup(s shownBackup) {
	e := s.Envelope
	fmt.Fprintf(a.stdout, "Backup         %s of %s\n", e.Backup, e.Component)
	fmt.Fprintf(a.stdout, "Restore point  %s  LSN %s\n", e.Point.Time.Format(time.RFC3339Nano), e.Point.LSN)
	fmt.Fprintf(a.stdout, "Source         %s, site %s, database %s, PostgreSQL %d\n", e.Source.Kind, e.Source.Site, e.Source.Database, e.Source.ServerVersion/10000)
	fmt.Fprintf(a.stdout, "Holds          %s rows of %d tables in %d chunks, %s read, %s stored\n",
		countText(e.Totals.Rows), e.Totals.Tables, e.Totals.Chunks, bytesText(e.Totals.PlainBytes), bytesText(e.Totals.StoredBytes))
	fmt.Fprintf(a.stdout, "Signed by      %s, written by Lifeboat %s\n", s.Signer, e.Writer)
	if len(s.NotCovered) == 0 {
		fmt.Fprintln(a.stdout, "Not covered    nothing")
	}
	for _, n := range s.NotCovered {
		fmt.Fprintf(a.stdout, "Not covered    %s %s: %s\n", n.Kind, n.Name, n.Reason)
	}
}
