package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/lifeboat-dr/lifeboat/activities"
)

// target reads where a restore goes, and checks it against the configuration before anything is started.
func (a *app) target(to string) (activities.Target, error) {
	kind, name, _ := strings.Cut(to, ":")
	switch kind {
	case "branch":
		site, ok := a.config.Sites[name]
		if !ok || site.Neon == nil {
			return activities.Target{}, failWith(exitNotFound, "--to %s: the configuration has no site %q with a Neon project; it has %s", to, name, names(a.config.Sites))
		}
		return activities.Target{Kind: activities.BranchTarget, Site: name}, nil
	case "target":
		if _, ok := a.config.Targets[name]; !ok {
			return activities.Target{}, failWith(exitNotFound, "--to %s: the configuration has no target %q; it has %s. A database that a restore may fill has to stand there, and in the standing order", to, name, names(a.config.Targets))
		}
		return activities.Target{Kind: activities.NamedTarget, Name: name}, nil
	}
	return activities.Target{}, failWith(exitUsage, "--to %q: use branch:SITE for a new branch, or target:NAME for a database that the configuration names", to)
}

func names[T any](of map[string]T) string {
	if len(of) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(of)), ", ")
}
