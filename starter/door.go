package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
)

func newDoor(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "door",
		Short: "The ways on which applications reach databases",
		Long: `A door is held, moved, opened and closed by runbooks, with the decisions of people. Here is what its operator
needs besides: to look at it, and to open it for the first time. docs/door.md says how to set one up.`,
	}
	cmd.AddCommand(newDoorShow(a), newDoorInit(a))
	return cmd
}

// doorView is what is seen at a door.
type doorView struct {
	Door     string        `json:"door"`
	Drill    bool          `json:"drill,omitempty"`
	Site     string        `json:"site"`
	Database string        `json:"database"`
	State    traffic.State `json:"state,omitempty"`
	// Recorded is the state that it comes up with after a crash.
	Recorded traffic.State `json:"recorded,omitempty"`
	To       string        `json:"to,omitempty"`
	System   string        `json:"system,omitempty"`
	Waiting  int           `json:"waiting"`
	Active   int           `json:"active"`
	Patience string        `json:"patience,omitempty"`
	Since    time.Time     `json:"since,omitzero"`
	By       string        `json:"by,omitempty"`
	Note     string        `json:"note,omitempty"`
	Error    string        `json:"error,omitempty"`
}

func newDoorShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show [DOOR...]",
		Short: "How the doors stand, and where they lead",
		Long: `Asks each door, and that of drills, and changes nothing. It needs no Temporal, and for a PgBouncer has to run on
the machine of the door's worker. The exit code is 4 when a door does not answer, and 1 when one is not what it would be after a crash.`,
		Example: "  lifeboat door show\n  lifeboat door show claims-east --output json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.load(); err != nil {
				return err
			}
			for _, name := range args {
				if _, ok := a.config.Doors[name]; !ok {
					return failWith(exitNotFound, "door %q is not in the configuration; it has %s", name, names(a.config.Doors))
				}
			}
			live, drill, err := assemble.Doors(a.config)
			if err != nil {
				return &failure{exitConfig, err}
			}
			if len(args) == 0 {
				args = slices.Sorted(maps.Keys(a.config.Doors))
			}
			views := []doorView{}
			for _, name := range args {
				c := a.config.Doors[name]
				views = append(views, lookAt(cmd.Context(), live[name], doorView{Door: name, Site: c.Site, Database: c.Database}))
				if c.Drill != nil {
					views = append(views, lookAt(cmd.Context(), drill[name], doorView{Door: name, Drill: true, Site: c.Site, Database: c.Drill.Database}))
				}
			}
			if err := a.print(views, func() { a.printDoors(views) }); err != nil {
				return err
			}
			for _, v := range views {
				if v.Error != "" {
					return failWith(exitUnreachable, "door %s does not answer", v.Door)
				}
				if v.Note != "" || v.State != v.Recorded {
					return failWith(exitFailed, "door %s would not come up as it is", v.Door)
				}
			}
			return nil
		},
	}
}

func lookAt(ctx context.Context, door traffic.Door, v doorView) doorView {
	report, err := door.State(ctx)
	if err != nil {
		v.Error = readable(err)
		return v
	}
	v.State, v.Recorded, v.Note, v.System = report.State, report.Recorded, report.Note, report.System
	v.Waiting, v.Active, v.Since, v.By = report.Waiting, report.Active, report.Since, report.By
	if report.To != nil {
		v.To = report.To.Server() + "/" + report.To.Database
	}
	if report.Patience > 0 {
		v.Patience = report.Patience.String()
	}
	return v
}

func (a *app) printDoors(views []doorView) {
	rows := [][]string{}
	for _, v := range views {
		name, patience := v.Door, v.Patience
		if v.Drill {
			name += " (drill)"
		}
		if patience == "" && v.Error == "" {
			patience = "for ever"
		}
		rows = append(rows, []string{name, v.Site, v.Database, string(v.State), v.To, fmt.Sprint(v.Waiting), fmt.Sprint(v.Active), patience, v.By})
	}
	a.table([]string{"door", "site", "database", "state", "leads to", "waiting", "active", "lets wait", "by"}, rows)
	for _, v := range views {
		for _, text := range []string{v.Note, v.Error} {
			if text != "" {
				fmt.Fprintf(a.stdout, "%s: %s\n", v.Door, text)
			}
		}
	}
}

func newDoorInit(a *app) *cobra.Command {
	var component string
	var drill bool
	cmd := &cobra.Command{
		Use:   "init DOOR",
		Short: "Let a new door lead to a component's database, and open it",
		Long: `For a door that never led anywhere. It proves that the door leads to the component's own database, opens it and asks
through it. A door that was ever used is left alone: from then on runbooks work it, with the decisions of people.`,
		Example: "  lifeboat door init claims-east --component database\n  lifeboat door init claims-east --component database --drill",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := a.vaults(cmd.Context())
			if err != nil {
				return err
			}
			live, drills, err := assemble.Doors(a.config)
			if err != nil {
				return &failure{exitConfig, err}
			}
			if drill {
				live = drills
			}
			door, ok := live[args[0]]
			if !ok {
				return failWith(exitNotFound, "door %q is not in the configuration; it has %s", args[0], names(live))
			}
			if component, err = a.one(component); err != nil {
				return err
			}
			c, err := engine.Crew.Component(component)
			if err != nil {
				return err
			}
			report, err := door.State(cmd.Context())
			if err != nil {
				return doorFailure(err)
			}
			if report.To != nil {
				return failWith(exitFailed, "door %s was used already (%s by %s): a runbook changes it", args[0], report.State, report.By)
			}
			address, err := c.Source.Address(cmd.Context(), "")
			if err != nil {
				return err
			}
			who := traffic.Change{By: "lifeboat door init"}
			if _, err := door.Move(cmd.Context(), traffic.MoveRequest{Change: who, Address: address}); err != nil {
				return doorFailure(err)
			}
			if report, err = door.Open(cmd.Context(), traffic.OpenRequest{Change: who}); err != nil {
				return doorFailure(err)
			}
			v := doorView{Door: args[0], Drill: drill, Site: a.config.Doors[args[0]].Site, Database: report.Database}
			v = lookAt(cmd.Context(), door, v)
			return a.print(v, func() { a.printDoors([]doorView{v}) })
		},
	}
	cmd.Flags().StringVar(&component, "component", "", "the `component` whose database it leads to (default: the only one)")
	cmd.Flags().BoolVar(&drill, "drill", false, "the door that drills work instead")
	return cmd
}

// doorFailure gives a failure at a door its exit code.
func doorFailure(err error) error {
	if errors.Is(err, traffic.ErrUnavailable) || errors.Is(err, traffic.ErrDenied) {
		return &failure{exitUnreachable, err}
	}
	return err
}
