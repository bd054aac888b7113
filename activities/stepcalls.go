package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// CallHTTP calls an endpoint of the configuration and fails when the answer is not as expected. GET and
// HEAD change nothing and also run in a plan, without the decisions of gates; everything else needs them. The same step sends the
// same Idempotency-Key, so that a receiver can tell a repetition.
func (s *Steps) CallHTTP(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Method   string            `json:"method"`
		Endpoint string            `json:"endpoint"`
		Path     string            `json:"path"`
		Headers  map[string]string `json:"headers"`
		Secrets  map[string]string `json:"secrets"`
		Body     any               `json:"body"`
		Expect   struct {
			Status *float64       `json:"status"`
			JSON   map[string]any `json:"json"`
		} `json:"expect"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	method := strings.ToUpper(p.Method)
	if method == "" {
		method = "GET"
	}
	looks := method == "GET" || method == "HEAD"
	if !looks && in.Guard.Mode == plan.ModePlan {
		return intended(in.With, map[string]any{"status": 200.0, "took": "0s"}), nil
	}
	if err := s.mayCall(ctx, in, looks); err != nil {
		return StepDone{}, err
	}
	endpoint, err := s.endpoint(p.Endpoint, in.Guard.Mode, looks)
	if err != nil {
		return StepDone{}, err
	}
	r := Request{Method: method, Path: p.Path, Headers: p.Headers, Secrets: p.Secrets, Key: in.Guard.Execution + "/" + in.Guard.Step}
	if in.Guard.Work != nil && in.Guard.Work.Undo {
		r.Key += "/undo"
	}
	if p.Body != nil {
		if r.Body, err = json.Marshal(p.Body); err != nil {
			return StepDone{}, InvalidInput("the body is no JSON")
		}
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	answer, err := endpoint.Call(ctx, r)
	if err != nil {
		return StepDone{}, hintedRetryable(TypeUnavailable, err, "look whether the endpoint can be reached from this worker", "call endpoint %s", p.Endpoint)
	}
	status := 200
	if p.Expect.Status != nil {
		status = int(*p.Expect.Status)
	}
	if answer.Status != status {
		return StepDone{}, unexpected("endpoint %s answered with status %d, expected %d", p.Endpoint, answer.Status, status)
	}
	if len(p.Expect.JSON) > 0 {
		var body any
		if err := json.Unmarshal(answer.Body, &body); err != nil {
			return StepDone{}, unexpected("endpoint %s answered with something that is no JSON", p.Endpoint)
		}
		for pointer, want := range p.Expect.JSON {
			if got, ok := at(body, pointer); !ok || !reflect.DeepEqual(got, want) {
				return StepDone{}, unexpected("endpoint %s: what is at %s of its answer is not as expected", p.Endpoint, pointer)
			}
		}
	}
	return s.done(in.Guard, map[string]any{"status": float64(answer.Status), "took": tookSince(began)})
}

// mayCall checks the work order of a request.
func (s *Steps) mayCall(ctx context.Context, in StepInput, looks bool) error {
	if looks {
		return s.Orders.CheckLook(in, "CallHTTP")
	}
	return s.Orders.CheckStep(ctx, in, runbooks.ActionCallEndpoint)
}

// unexpected may be another answer in a moment, so it is tried again.
func unexpected(format string, args ...any) error {
	return hintedRetryable(TypeUnexpected, nil, "look at the endpoint; retry asks again", format, args...)
}

// at follows a JSON pointer (RFC 6901).
func at(value any, pointer string) (any, bool) {
	if pointer == "" {
		return value, true
	}
	for word := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		word = strings.NewReplacer("~1", "/", "~0", "~").Replace(word)
		switch v := value.(type) {
		case map[string]any:
			next, ok := v[word]
			if !ok {
				return nil, false
			}
			value = next
		case []any:
			i, err := strconv.Atoi(word)
			if err != nil || i < 0 || i >= len(v) {
				return nil, false
			}
			value = v[i]
		default:
			return nil, false
		}
	}
	return value, true
}

// RunProgram runs a program of the configuration, under a work order. It is not known what the program does
// when it runs twice: the runbook says how often it may be tried.
func (s *Steps) RunProgram(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Program string   `json:"program"`
		Args    []any    `json:"args"`
		Site    string   `json:"site"`
		Exit    *float64 `json:"exit"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode == plan.ModePlan {
		return intended(in.With, map[string]any{"exit": 0.0, "line": "", "took": "0s"}), nil
	}
	if err := s.Orders.CheckStep(ctx, in, runbooks.ActionRunProgram); err != nil {
		return StepDone{}, err
	}
	program, err := s.program(p.Program, in.Guard.Mode)
	if err != nil {
		return StepDone{}, err
	}
	args := make([]string, len(p.Args))
	for i, arg := range p.Args {
		args[i] = fmt.Sprint(arg)
		if n, ok := arg.(float64); ok {
			args[i] = strconv.FormatFloat(n, 'f', -1, 64)
		}
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	exit, last, err := program.Run(ctx, args)
	if err != nil {
		return StepDone{}, hinted(TypeUnavailable, err, "look whether the program is there and may be run by the worker's user", "run program %s", p.Program)
	}
	want := 0
	if p.Exit != nil {
		want = int(*p.Exit)
	}
	if exit != want {
		return StepDone{}, hintedRetryable(TypeUnexpected, nil, "look at the program's own log", "program %s ended with status %d, expected %d", p.Program, exit, want)
	}
	return s.done(in.Guard, map[string]any{"exit": float64(exit), "line": shownLine(last), "took": tookSince(began)})
}

// SendNotice tells people what the signed runbook says and waits until every receiver took it. Receivers drop repetitions.
func (s *Steps) SendNotice(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		To       []string       `json:"to"`
		Severity string         `json:"severity"`
		Message  string         `json:"message"`
		Facts    map[string]any `json:"facts"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode == plan.ModePlan {
		return intended(in.With, map[string]any{"delivered": 0.0}), nil
	}
	if err := s.Orders.CheckLook(in, "SendNotice"); err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})() // each receiver is told in its turn, and may be slow
	info := activity.GetInfo(ctx)
	fields := map[string]string{"mode": string(in.Guard.Mode), "step": in.Guard.Step}
	labels := make([]string, 0, len(p.Facts))
	for label := range p.Facts {
		labels = append(labels, label)
	}
	slices.Sort(labels)
	text := p.Message
	for _, label := range labels {
		// A field's name is Lifeboat's; a label is the runbook's own, and would be dropped among fields.
		text += "\n" + label + ": " + plainText(p.Facts[label])
	}
	severity := p.Severity
	if severity == "" {
		severity = "info"
	}
	title := "Notice"
	if in.Guard.Mode == plan.ModeDrill {
		title = "DRILL · Notice"
	}
	err := s.Teller.Tell(ctx, Alert{
		ID: in.Guard.Execution + "/" + in.Guard.Step, Kind: "notice", Severity: severity, Component: in.Guard.Target, Title: title, Text: text,
		Fields: fields, Execution: in.Guard.Execution, Time: info.ScheduledTime,
	})
	if err != nil {
		return StepDone{}, hintedRetryable(TypeUnavailable, err, "look at the receivers under alerts", "tell people")
	}
	return s.done(in.Guard, map[string]any{"delivered": 1.0})
}
