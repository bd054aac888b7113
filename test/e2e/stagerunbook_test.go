package e2e

import (
	"slices"
	"testing"

	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// everyStep has a step of each type of the catalogue, with an undo where the type can have one. Steps that move
// data only apply when an input says so: they take longest.
const everyStep = `apiVersion: lifeboat/v1
name: every-step
title: Every type of step
scenario: maintenance
description: For tests.
target: ${inputs.target}
inputs:
  target: {type: string, title: what is acted upon, required: true}
  door: {type: string, title: the door to it, required: true}
  backup: {type: string, title: a backup, required: true}
  save: {type: boolean, title: whether a backup is made, default: false}
  prove: {type: boolean, title: whether it is proved, default: false}
  bring: {type: boolean, title: whether a backup is brought back, default: false}
  past: {type: boolean, title: whether a branch is made, default: false}
  over: {type: boolean, title: whether it is a failover, default: false}
  follow: {type: boolean, title: whether a standby follows and takes over, default: false}
roles:
  incident-commander: {title: decides}
  database-operator: {title: looks}
escalation: urgent
limits: {duration: 4h}
steps:
  - id: readiness
    type: evaluate
    title: Is there a restore point?
    with: {components: [database], within: 100d}

  - id: allow
    type: approval
    title: May it be done?
    with: {requires: 1, roles: [incident-commander], message: May it be done?}

  - id: tell
    type: notify
    title: Tell everybody
    with: {message: It begins}

  - id: call
    type: page
    title: Call somebody
    with: {message: Somebody is needed, severity: warning}

  - id: save
    type: backup
    title: Make a backup
    when: {equals: {"${inputs.save}": true}}
    with: {component: database}

  - id: prove
    type: verify
    title: Prove the backup
    when: {equals: {"${inputs.prove}": true}}
    with: {component: database, backup: "${steps.save.backup}"}

  - id: bring
    type: restore
    title: Bring it back
    when: {equals: {"${inputs.bring}": true}}
    with: {component: database, backup: "${inputs.backup}", to: {site: us-west-2}}
    undo:
      type: manual
      summary: Remove the branch.
      with: {roles: [database-operator], instructions: Remove the branch.}

  - id: tables
    type: sql
    title: Is it all there?
    when: {equals: {"${inputs.bring}": true}}
    with:
      on: {branch: {site: "${steps.bring.site}", name: "${steps.bring.branch}", database: "${steps.bring.database}"}}
      query: SELECT count(*) FROM public.claims
      expect: {at_least: 1}

  - id: past
    type: branch
    title: Keep the state of now
    when: {equals: {"${inputs.past}": true}}
    with: {component: database, purpose: past}
    undo: {type: drop-branch, with: {component: database, purpose: past}}

  - id: lost
    type: lost-window
    title: What would be lost?
    when: {equals: {"${inputs.past}": true}}
    with:
      keep: {branch: {site: "${steps.past.site}", name: "${steps.past.branch}", database: "${steps.past.database}"}}
      lose: {component: database}

  - id: ask
    type: sql
    title: Does the database answer?
    with:
      on: {component: database}
      query: SELECT count(*) FROM public.claims
      expect: {at_least: 1}

  - id: scale
    type: http
    title: Scale the application, and again when it is not known whether it was done
    effect: reversible
    retry: quick
    with: {method: POST, endpoint: stage, path: "/call/scale?execution=${execution.id}", body: {replicas: 3}}
    undo:
      type: http
      with: {method: POST, endpoint: stage, path: "/call/scale?execution=${execution.id}", body: {replicas: 1}}

  - id: freeze
    type: exec
    title: Freeze, and again when it is not known whether it was done
    effect: reversible
    retry: quick
    with: {program: note, args: ["${execution.id}", freeze]}
    undo:
      type: exec
      retry: quick
      with: {program: note, args: ["${execution.id}", freeze/undo]}

  - id: once
    type: exec
    title: Never twice without a person
    effect: reversible
    with: {program: note, args: ["${execution.id}", once]}
    undo:
      type: exec
      retry: quick
      with: {program: note, args: ["${execution.id}", once/undo]}

  - id: nap
    type: wait
    title: Let it settle
    with: {duration: 1s}

  - id: ready
    type: wait
    title: Wait until it is ready
    with:
      every: 1s
      http: {endpoint: stage, path: "/ready?execution=${execution.id}", expect: {json: {/ready: true}}}

  - {id: inside, type: runbook, title: Another runbook, with: {name: every-inside, inputs: {target: "${execution.target}"}}}

  - id: epoch
    type: take-epoch
    title: Take the next epoch
    when: {equals: {"${inputs.over}": true}}
    with: {component: database, to: us-east-1}
    undo: {type: take-epoch, with: {component: database, to: us-east-1}}

  - id: fence
    type: fence
    title: Shut the primary
    when: {equals: {"${inputs.over}": true}}
    with: {component: database, at: us-east-1}
    undo: {type: unfence, with: {component: database, at: us-east-1}}

  - id: lift
    type: unfence
    title: Let everybody in again
    when: {equals: {"${inputs.over}": true}}
    with: {component: database, at: us-east-1}
    undo: {type: fence, with: {component: database, at: us-east-1}}

  - id: probe
    type: probe
    title: Is the primary well?
    with: {component: database, at: us-east-1, expect: up}

  - id: follow
    type: reprotect
    title: Let the standby follow
    when: {equals: {"${inputs.follow}": true}}
    with: {component: followed, from: us-east-1, to: us-west-2}
    undo: {type: unprotect, with: {component: followed, from: us-east-1, to: us-west-2}}

  - id: lag
    type: standby
    title: How far behind is it?
    when: {equals: {"${inputs.follow}": true}}
    with: {component: followed, from: us-east-1, to: us-west-2, within: 1m}

  - id: drain
    type: drain
    title: Let it have everything
    when: {equals: {"${inputs.follow}": true}}
    with: {component: followed, from: us-east-1, to: us-west-2, compare: true}

  - id: crown
    type: promote
    title: Let it take over
    when: {equals: {"${inputs.follow}": true}}
    with: {component: followed, at: us-west-2, from: us-east-1, fenced: "${steps.drain.lsn}"}
    undo:
      type: http
      with: {method: POST, endpoint: stage, path: "/call/crown?execution=${execution.id}"}

  - id: hold
    type: hold-door
    title: Hold the door
    with: {door: "${inputs.door}"}
    undo: {type: open-door, with: {door: "${inputs.door}"}}

  - id: move
    type: move-door
    title: Move the door
    with: {door: "${inputs.door}", to: {component: database}}
    undo: {type: move-door, with: {door: "${inputs.door}", to: {component: database}}}

  - id: close
    type: close-door
    title: Close the door
    with: {door: "${inputs.door}"}
    undo: {type: hold-door, with: {door: "${inputs.door}"}}

  - id: look
    type: manual
    title: Look at it
    effect: reversible
    with: {roles: [database-operator], instructions: Look at it}
    undo:
      type: http
      with: {method: POST, endpoint: stage, path: "/call/look?execution=${execution.id}"}

  - id: open
    type: open-door
    title: Open the door, after which nothing is taken back
    with: {door: "${inputs.door}"}

  - id: gone
    type: drop-branch
    title: Remove what was kept
    when: {equals: {"${inputs.past}": true}}
    with: {component: database, purpose: past}

  - id: unfollow
    type: unprotect
    title: Take away what follows
    when: {equals: {"${inputs.follow}": true}}
    with: {component: followed, from: us-east-1, to: us-west-2}

  - id: observe
    type: http
    title: Ask once more
    with: {endpoint: stage, path: "/call/observe?execution=${execution.id}"}
`

// everyInside is the runbook inside of it.
const everyInside = `apiVersion: lifeboat/v1
name: every-inside
title: Inside
scenario: maintenance
description: For tests.
target: ${inputs.target}
inputs:
  target: {type: string, title: what is acted upon, required: true}
limits: {duration: 4h}
steps:
  - id: mark
    type: http
    title: Mark it
    effect: reversible
    retry: quick
    with: {method: POST, endpoint: stage, path: "/call/mark?execution=${execution.id}"}
    undo:
      type: http
      with: {method: POST, endpoint: stage, path: "/call/mark?execution=${execution.id}"}

  - {id: say, type: notify, title: Say it, with: {message: It is marked}}
`

// everyStepParsed is the runbook with the other one in its place, as the engine runs it.
var everyStepParsed = func() *runbooks.Runbook {
	read := func(text string) *runbooks.Runbook {
		parsed, err := runbooks.Parse([]byte(text))
		if err != nil {
			panic(err)
		}
		return parsed
	}
	whole, err := runbooks.Expand(read(everyStep), func(string) (*runbooks.Runbook, string) {
		return read(everyInside), runbooks.Digest([]byte(everyInside))
	})
	if err != nil {
		panic(err)
	}
	return whole
}()

// offStage are types that cannot share the stage with other executions: they put back the one production that all have,
// or are refused outside of drills. The tests named here repeat each of them.
var offStage = map[string]string{
	"switch": "TestSwitchPutsProductionBack", "switch-back": "TestSwitchPutsProductionBack",
	"drill-copy": "TestADrillWorksOnACopy", "drop-drill-copy": "TestADrillWorksOnACopy", "fault": "TestADrillWorksOnACopy",
	"put-back": "TestDeletedRowsArePutBack", "ledger": "TestTheLostWindowIsKept", "synthetic": "TestSyntheticRowsComeAndGo",
}

// TestEveryTypeIsOnStage fails when the catalogue has a type that no chaos reaches.
func TestEveryTypeIsOnStage(t *testing.T) {
	r, rows := everyStepParsed, stageRows()
	for _, kind := range runbooks.Types() {
		if kind.Name == "runbook" {
			continue // the steps inside have taken its place
		}
		if offStage[kind.Name] != "" {
			continue
		}
		var steps []string
		undo := len(kind.UndoTypes) == 0
		for _, s := range r.Steps {
			if s.Type == kind.Name {
				steps = append(steps, s.ID)
				undo = undo || s.Undo != nil
			}
		}
		if !undo {
			t.Errorf("no step of type %s has an undo", kind.Name)
		}
		for _, boundary := range []string{"before", "after", "between"} {
			if !slices.ContainsFunc(rows, func(row stageRow) bool { return slices.Contains(steps, row.step) && row.boundary == boundary }) {
				t.Errorf("no step of type %s is disturbed %s", kind.Name, boundary)
			}
		}
	}
}
