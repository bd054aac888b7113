package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

const (
	// probeLooks is how often is looked before what does not answer counts as down, probePause the time between.
	probeLooks = 3
	probePause = 2 * time.Second
	// probePatience bounds one look.
	probePatience = 8 * time.Second
)

// looked is what one look at a primary found, in words that hold no data.
type looked struct {
	healthy, reachable bool
	sql, service, door string
}

// ProbePrimary asks from this worker whether the database of a component at a site is well. It changes nothing, also in a
// live execution, and looks the same in every mode. When it is not as expected it fails: a healthy primary is no case
// for a failover.
func (s *Steps) ProbePrimary(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Component string `json:"component"`
		At        string `json:"at"`
		By        string `json:"by"`
		Door      string `json:"door"`
		Expect    string `json:"expect"`
		Despite   bool   `json:"despite"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if err := s.Orders.CheckLook(in, "ProbePrimary"); err != nil {
		return StepDone{}, err
	}
	c, err := s.Crew.Component(p.Component)
	if err != nil {
		return StepDone{}, err
	}
	source, err := c.At(p.At)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	var l looked
	for n := range probeLooks {
		if n > 0 && pause(ctx, probePause) != nil {
			return StepDone{}, ctx.Err()
		}
		if l = s.look(ctx, source, p.Door); l.healthy {
			break
		}
	}
	if ctx.Err() != nil {
		return StepDone{}, ctx.Err()
	}
	switch {
	case p.Expect == runbooks.ExpectDown && l.healthy && !p.Despite && in.Guard.Mode == plan.ModeLive:
		return StepDone{}, hinted(TypeUnexpected, nil, "move it without loss: lifeboat run region-switchover; a failover of a healthy primary has to be asked for when it is started (docs/region-lost.md)",
			"the database of %s at %s is well: %s", p.Component, p.At, l.sql)
	case p.Expect == runbooks.ExpectUp && !l.healthy:
		return StepDone{}, hintedRetryable(TypeUnexpected, nil, "if the site is lost: lifeboat run region-failover (docs/region-lost.md)",
			"the database of %s at %s is not well: %s; %s", p.Component, p.At, l.sql, l.service)
	}
	return s.done(in.Guard, map[string]any{
		"healthy": l.healthy, "reachable": l.reachable, "sql": l.sql, "service": l.service, "door": l.door, "took": tookSince(began),
	})
}

// look asks the server, the service and the door once, each for itself and at the same time.
func (s *Steps) look(ctx context.Context, source Source, door string) (l looked) {
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	var server, service, way error
	var wg sync.WaitGroup
	wg.Go(func() { l.sql, server = askServer(ctx, source) })
	l.service, service = "there is none to ask", errors.ErrUnsupported
	if fencer, ok := source.(Fencer); ok {
		wg.Go(func() {
			if l.service, service = fencer.Condition(ctx); service != nil {
				l.service = "the service does not answer"
			}
		})
	}
	way = errors.ErrUnsupported
	if d, known := s.Doors[door]; known {
		wg.Go(func() {
			var report traffic.Report
			if report, way = d.State(ctx); way != nil {
				l.door = "the door does not answer"
				return
			}
			l.door = "the door is " + string(report.Recorded)
		})
	}
	wg.Wait()
	l.healthy = server == nil
	l.reachable = server == nil || errors.Is(server, errTakesNoWrites) || service == nil || way == nil
	return l
}

// errTakesNoWrites says that a server answered and is no primary.
var errTakesNoWrites = errors.New("it takes no writes")

// askServer opens a session that could write, and says what came of it.
func askServer(ctx context.Context, source Source) (string, error) {
	address, err := source.Address(ctx, "")
	if err != nil {
		return "its address is not known: the service does not answer", err
	}
	conn, err := postgres.Connect(ctx, address, postgres.Options{AppName: "lifeboat probe"})
	if err != nil {
		return "the server lets nobody in, or does not answer", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, recovering, err := postgres.Ask(ctx, conn, "SELECT pg_catalog.pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool")
	switch {
	case err != nil:
		return "the server answers, and not to a question", err
	case recovering == nil || *recovering != "f":
		return "the server answers and takes no writes", errTakesNoWrites
	}
	return fmt.Sprintf("the server answers and takes writes, version %s", conn.PgConn().ParameterStatus("server_version")), nil
}
