package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

// Steps does what runbooks ask for, one method a type of step. Their inputs are the guard and the step's
// parameters as the catalogue names them, their results the outputs it promises.
type Steps struct {
	Crew   *Crew
	Orders *Orders
	Finder *Finder
	Teller Teller
	Keys   workrecord.Keys
	// Endpoints and Programs are what the configuration lets runbooks call and run, by name; in a drill the
	// others, so that a drill never reaches production by the same step.
	Endpoints, DrillEndpoints map[string]Endpoint
	Programs, DrillPrograms   map[string]Program
	// Doors are the ways on which applications reach databases, by name; in a drill the others.
	Doors, DrillDoors map[string]traffic.Door
	// Faults are the damages that drills may do to copies, by name.
	Faults map[string]Fault
}

// Request is one call of an endpoint.
type Request struct {
	Method, Path string
	Headers      map[string]string
	// Secrets are headers with the names of secrets that the configuration lends this endpoint.
	Secrets map[string]string
	// Body is JSON; nil for none.
	Body []byte
	// Key makes the request recognisable to a receiver that has seen it before.
	Key string
}

// Response is what an endpoint answered.
type Response struct {
	Status int
	// Body is the answer, cut off at a bound.
	Body []byte
}

// Endpoint is an HTTP service of the configuration. It calls no other host, whatever the path says.
type Endpoint interface {
	Call(ctx context.Context, r Request) (Response, error)
}

// Program is a program of the configuration.
type Program interface {
	// Site is where it runs; empty for any worker.
	Site() string
	// Run runs it with arguments, without a shell and without input, and returns its exit status and the
	// last line that it wrote. An error says that it could not be run or was stopped.
	Run(ctx context.Context, args []string) (exit int, last string, err error)
}

// read turns a step's parameters into what an activity works with. Unknown ones are refused: what is signed
// and not understood must not be passed over.
func (in StepInput) read(into any) error {
	text, err := json.Marshal(in.With)
	if err != nil {
		return InvalidInput("step %s: its parameters are no JSON", in.Guard.Step)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return InvalidInput("step %s: %v", in.Guard.Step, err)
	}
	return nil
}

// done vouches for the outputs of a step with the fleet's key.
func (s *Steps) done(g plan.Guard, outputs map[string]any) (StepDone, error) {
	text, err := json.Marshal(outputs)
	if err != nil {
		return StepDone{}, fmt.Errorf("write outputs of step %s: %w", g.Step, err)
	}
	receipt := plan.Receipt{Execution: g.Execution, Step: g.Step, Outputs: text}
	if receipt.MAC, err = receiptMAC(s.Keys, receipt); err != nil {
		return StepDone{}, err
	}
	return StepDone{Outputs: outputs, Receipt: &receipt}, nil
}

// receiptBox is the fleet's word for one execution.
func receiptBox(keys workrecord.Keys, execution string) (*workrecord.Box, error) {
	box, err := workrecord.New(keys, "executions", execution)
	if err != nil {
		return nil, Misconfigured(err, "fleet keys")
	}
	return box, nil
}

func receiptMAC(keys workrecord.Keys, r plan.Receipt) (string, error) {
	box, err := receiptBox(keys, r.Execution)
	if err != nil {
		return "", err
	}
	return box.MAC("step "+r.Step, string(r.Outputs)), nil
}

// GenuineReceipt says whether a worker of the fleet made a receipt.
func GenuineReceipt(keys workrecord.Keys, r plan.Receipt) bool {
	box, err := receiptBox(keys, r.Execution)
	return err == nil && box.CheckMAC("step "+r.Step, string(r.Outputs), r.MAC)
}

// intended is the answer to a plan: what would be done, and nothing done.
func intended(with map[string]any, outputs map[string]any) StepDone {
	return StepDone{Intended: with, Outputs: outputs}
}

func tookSince(began time.Time) string { return time.Since(began).Round(time.Millisecond).String() }

// endpoint finds what a step calls. A drill may look at what is live, and change nothing of it.
func (s *Steps) endpoint(name string, mode plan.Mode, looks bool) (Endpoint, error) {
	live, known := s.Endpoints[name]
	if !known {
		return nil, NotFound("name it under endpoints", "endpoint %q is not in the configuration of this worker", name)
	}
	if mode != plan.ModeDrill {
		return live, nil
	}
	if drill, ok := s.DrillEndpoints[name]; ok {
		return drill, nil
	}
	if looks {
		return live, nil
	}
	return nil, notInDrill("endpoint", "endpoints", name)
}

func (s *Steps) program(name string, mode plan.Mode) (Program, error) {
	live, known := s.Programs[name]
	if !known {
		return nil, NotFound("name it under programs", "program %q is not in the configuration of this worker", name)
	}
	if mode != plan.ModeDrill {
		return live, nil
	}
	if drill, ok := s.DrillPrograms[name]; ok {
		return drill, nil
	}
	return nil, notInDrill("program", "programs", name)
}

func notInDrill(kind, section, name string) error {
	return hinted(TypeNotAllowed, nil, "give it a drill: under "+section+"."+name+", or let the step apply to live executions only", "%s %q is production, and this is a drill", kind, name)
}
