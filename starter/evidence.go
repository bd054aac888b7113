package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/evidence"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/dir"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

func newEvidence(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "evidence", Short: "What executions leave: hash-chained, signed journals in the vaults"}
	cmd.AddCommand(newEvidenceVerify(a), newEvidenceHeal(a))
	return cmd
}

func newEvidenceHeal(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "heal EXECUTION",
		Short: "Give each vault the entries of a journal that it lacks and another has",
		Long: `For a vault that was away while the execution ran. Entries are copied with the signatures that they have, and
only those that are believed; nothing is overwritten. It is safe to repeat.`,
		Example: "  lifeboat evidence heal data-deletion/database/20261125T030000Z",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := a.vaults(cmd.Context())
			if err != nil {
				return err
			}
			journal := evidence.Journal{Vaults: engine.JournalVaults(), Patience: healPatience}
			healed, err := journal.Heal(cmd.Context(), engine.Finder.Signers, args[0])
			if errors.Is(err, store.ErrNotFound) {
				return failWith(exitNotFound, "no vault holds a journal of %s", args[0])
			}
			if err != nil {
				return failWith(exitFailed, "%w", err)
			}
			for _, vault := range slices.Sorted(maps.Keys(healed.Filled)) {
				fmt.Fprintf(a.stdout, "vault %s got %d entries\n", vault, healed.Filled[vault])
			}
			if len(healed.Left) > 0 {
				var left []error
				for _, vault := range slices.Sorted(maps.Keys(healed.Left)) {
					left = append(left, fmt.Errorf("vault %s still lacks entries: %w", vault, healed.Left[vault]))
				}
				return failWith(exitFailed, "%w", errors.Join(left...))
			}
			if len(healed.Filled) == 0 {
				fmt.Fprintln(a.stdout, "every vault that answers has all entries")
			}
			return nil
		},
	}
}

// healPatience bounds one write of an entry to one vault.
const healPatience = 30 * time.Second

// verdict is what was found of a journal.
type verdict struct {
	Execution string   `json:"execution"`
	Entries   int      `json:"entries"`
	Head      string   `json:"head"`
	Signers   []string `json:"signers"`
	Ended     bool     `json:"ended"`
	State     string   `json:"state"`
	// Gaps are entries that a vault lacks and another has, Problems what was not believed or could not be read.
	Gaps     map[string][]int64 `json:"gaps,omitempty"`
	Problems []string           `json:"problems,omitempty"`
}

func newEvidenceVerify(a *app) *cobra.Command {
	var folder string
	cmd := &cobra.Command{
		Use:   "verify EXECUTION",
		Short: "Check the journal of an execution: chain, signatures, and that its events can follow each other",
		Long: `Reads the journal from the vaults, or from a copy of a vault in a directory (--dir), without Temporal and
without any key: who may sign stands in keys.allowed_signers.`,
		Example: "  lifeboat evidence verify data-deletion/database/20261125T030000Z",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := a.vaults(cmd.Context())
			if err != nil {
				return err
			}
			vaults := engine.JournalVaults()
			if folder != "" {
				s, err := dir.Open(folder)
				if err != nil {
					return failWith(exitNotFound, "%w", err)
				}
				vaults = []evidence.Vault{{Name: folder, Store: s}}
			}
			read, err := evidence.Load(cmd.Context(), vaults, engine.Finder.Signers, args[0])
			if errors.Is(err, store.ErrNotFound) {
				return failWith(exitNotFound, "no vault holds a journal of %s", args[0])
			}
			if err != nil {
				return failWith(exitFailed, "%w", err)
			}
			v, err := judged(args[0], read)
			if err != nil {
				return failWith(exitFailed, "%w", err)
			}
			return a.print(v, func() {
				fmt.Fprintf(a.stdout, "%s: %d entries, whole and signed by %s; the execution %s\n  head %s\n", v.Execution, v.Entries, strings.Join(v.Signers, ", "), v.State, v.Head)
				for _, p := range v.Problems {
					fmt.Fprintf(a.stdout, "  not believed, or not read: %s\n", p)
				}
				for vault, gaps := range v.Gaps {
					fmt.Fprintf(a.stdout, "  vault %s lacks %d entries that another has\n", vault, len(gaps))
				}
				if !v.Ended {
					fmt.Fprintln(a.stdout, "  There is no last entry: the execution goes on, was lost, or somebody keeps its end from us.")
				}
			})
		},
	}
	cmd.Flags().StringVar(&folder, "dir", "", "a copy of a vault in a `directory`")
	return cmd
}

// judged follows the events of a journal from the first to the last.
func judged(id string, read *evidence.Read) (verdict, error) {
	v := verdict{Execution: id, Entries: len(read.Entries), Head: read.Head.Hash, Signers: read.Signers, Gaps: read.Gaps}
	for _, p := range read.Problems {
		v.Problems = append(v.Problems, p.Error())
	}
	state, r := execution.New(), &runbooks.Runbook{}
	for i, entry := range read.Entries {
		var event execution.Event
		if err := json.Unmarshal(entry.Data, &event); err != nil {
			return v, fmt.Errorf("entry %d cannot be read: %w", entry.Seq, err)
		}
		if i == 0 {
			docket, err := roster.UnpackDocket(event.Docket)
			if err != nil {
				return v, fmt.Errorf("entry 1: %w", err)
			}
			if r, err = roster.RunbookOf(docket); err != nil {
				return v, fmt.Errorf("entry 1: %w", err)
			}
		}
		if err := state.Apply(r, event); err != nil {
			return v, fmt.Errorf("entry %d: %w", entry.Seq, err)
		}
	}
	v.Ended, v.State = state.Final != "", string(state.Status(r))
	return v, nil
}

func newResume(a *app) *cobra.Command {
	var f commandFlags
	cmd := &cobra.Command{
		Use:   "resume EXECUTION",
		Short: "Go on with a paused execution; or, when Temporal was lost, from the vaults on this Temporal",
		Long: `Where Temporal knows the execution, this is the signed command that ends a pause. Where it does not, the
execution goes on from its journal in the vaults: what is journaled as completed is not done again, a step that
had begun is begun again. Make sure that no other Temporal still runs it.`,
		Example: "  lifeboat resume data-deletion/database/20261125T030000Z --reason \"the store is back\"",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				_, err := c.DescribeWorkflowExecution(cmd.Context(), args[0], "")
				var missing *serviceerror.NotFound
				if errors.As(err, &missing) {
					return a.goOn(cmd, c, args[0])
				}
				v, err := view(cmd.Context(), c, args[0])
				if err != nil {
					return err
				}
				return a.say(cmd.Context(), c, plan.Command{Kind: plan.CommandResume, Execution: args[0], Digest: v.Brief}, f)
			})
		},
	}
	f.add(cmd)
	return cmd
}

// goOn starts an execution again from its journal.
func (a *app) goOn(cmd *cobra.Command, c client.Client, id string) error {
	engine, err := a.vaults(cmd.Context())
	if err != nil {
		return err
	}
	read, err := engine.Journal(cmd.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return failWith(exitNotFound, "neither Temporal nor a vault knows %s", id)
	}
	if err != nil {
		return failWith(exitFailed, "%w", err)
	}
	v, err := judged(id, read)
	if err != nil {
		return failWith(exitFailed, "%w", err)
	}
	if v.Ended {
		return failWith(exitFailed, "%s has ended: %s", id, v.State)
	}
	var first execution.Event
	if err := json.Unmarshal(read.Entries[0].Data, &first); err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	_, err = start(cmd.Context(), c, client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.Queue, TypedSearchAttributes: workflows.Attributes(workflows.KindRunbook, ""),
		StaticSummary: "Goes on from entry " + fmt.Sprint(read.Head.Seq) + " of its journal, " + time.Now().UTC().Format(time.RFC3339),
	}, workflows.RunbookName, workflows.RunbookInput{Docket: first.Docket, Journal: activities.JournalHead(read.Head)})
	if err != nil {
		return err
	}
	return a.print(map[string]string{"execution": id}, func() {
		fmt.Fprintf(a.stdout, "%s goes on from entry %d: lifeboat show %s --follow\n", id, read.Head.Seq, id)
	})
}
