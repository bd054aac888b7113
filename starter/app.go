package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/config"
)

// app is one invocation: where it reads, where it writes, and what it has loaded so far.
type app struct {
	configPath, output string
	stdout, stderr     io.Writer
	config             *config.Config
}

// load reads the configuration once.
func (a *app) load() error {
	if a.config != nil {
		return nil
	}
	path := a.configPath
	if path == "" {
		path = os.Getenv("LIFEBOAT_CONFIG")
	}
	if path == "" {
		path = "lifeboat.yaml"
	}
	cfg, err := config.Load(path)
	if errors.Is(err, os.ErrNotExist) {
		return failWith(exitConfig, "there is no configuration %s: name one with --config or $LIFEBOAT_CONFIG, and start from lifeboat.example.yaml", path)
	}
	if err != nil {
		return &failure{exitConfig, err}
	}
	a.config = cfg
	return nil
}

// withTemporal loads the configuration, connects and calls do.
func (a *app) withTemporal(ctx context.Context, do func(client.Client) error) error {
	if err := a.load(); err != nil {
		return err
	}
	c, err := assemble.Dial(ctx, a.config, nil)
	if err != nil {
		return &failure{exitUnreachable, err}
	}
	defer c.Close()
	return do(c)
}

// vaults loads the configuration and what reads its vaults. It needs no Temporal. A roster that is older here than
// in a vault is told of.
func (a *app) vaults(ctx context.Context) (*assemble.Engine, error) {
	engine, err := a.reader(ctx)
	if err == nil {
		a.warnOfRoster(ctx, engine)
	}
	return engine, err
}

func (a *app) reader(ctx context.Context) (*assemble.Engine, error) {
	if err := a.load(); err != nil {
		return nil, err
	}
	engine, err := assemble.New(ctx, a.config, assemble.Options{Version: version})
	if err != nil {
		return nil, &failure{exitConfig, err}
	}
	return engine, nil
}

// warnOfRoster says when the roster of this machine does not hold by what lies in the vaults, and when none
// could be asked. A machine without the roster's file decides nothing by it.
func (a *app) warnOfRoster(ctx context.Context, engine *assemble.Engine) {
	if a.config.Roster == nil || a.config.Roster.Fingerprint == "" {
		return
	}
	looked, err := engine.CheckRoster(ctx)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil {
		fmt.Fprintln(a.stderr, "warning: the roster of this machine does not hold:", err)
	}
	if len(looked.Reached) == 0 {
		fmt.Fprintln(a.stderr, "warning: no vault could be asked for the newest version of the roster; if the file of this machine is an older one, nobody notices")
	}
	for _, problem := range looked.Problems {
		fmt.Fprintln(a.stderr, "warning:", problem)
	}
}

// components checks names against the configuration; none means all.
func (a *app) components(names []string) ([]string, error) {
	all := a.componentNames()
	if len(names) == 0 {
		return all, nil
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, failWith(exitNotFound, "component %q is not in the configuration; it has %s", name, strings.Join(all, ", "))
		}
	}
	return names, nil
}

func (a *app) componentNames() []string {
	names := make([]string, 0, len(a.config.Components))
	for name := range a.config.Components {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// one picks the component of a command that acts on one: the only one there is, or the one named.
func (a *app) one(name string) (string, error) {
	if name == "" {
		all := a.componentNames()
		if len(all) != 1 {
			return "", failWith(exitUsage, "the configuration has several components: choose with --component %s", strings.Join(all, "|"))
		}
		return all[0], nil
	}
	names, err := a.components([]string{name})
	if err != nil {
		return "", err
	}
	return names[0], nil
}

// startTimeout bounds how long Temporal may take to accept an execution.
const startTimeout = 15 * time.Second

// start begins an execution, or says that the same one is running already.
func start(ctx context.Context, c client.Client, options client.StartWorkflowOptions, workflow string, input any) (client.WorkflowRun, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	options.WorkflowExecutionErrorWhenAlreadyStarted = true
	run, err := c.ExecuteWorkflow(ctx, options, workflow, input)
	var running *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &running) {
		return nil, failWith(exitFailed, "%s is running already: look at it in the Temporal UI, or wait for it with the same command later", options.ID)
	}
	if err != nil {
		return nil, failWith(exitUnreachable, "start %s: %w", options.ID, explained(err))
	}
	return run, nil
}

// explained adds what to do where Temporal's own words do not say it.
func explained(err error) error {
	if strings.Contains(err.Error(), "no mapping defined for search attribute") {
		return fmt.Errorf("%w: the namespace lacks Lifeboat's search attributes; add them once, as docs/setup.md says", err)
	}
	return err
}
