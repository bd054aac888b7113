package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
)

// stageVariable gives a worker the address of the [stage] that it asks before and after every activity.
const stageVariable = "LIFEBOAT_TEST_STAGE"

// How soon the workers of a stage are found dead. Production waits for half a minute; nothing else differs.
const (
	stageHeartbeat = 5 * time.Second
	stageTask      = 5 * time.Second
)

// moment is one end of an activity, as a worker tells it to its stage.
type moment struct {
	Execution string `json:"execution"`
	Activity  string `json:"activity"`
	// When is before, when a worker has the task and nothing happened, or after, when all of it happened and
	// nobody was told.
	When    string `json:"when"`
	Attempt int32  `json:"attempt"`
	// Step is what the guard says.
	Step string `json:"step,omitempty"`
	// About are the events that are written to the journal, the command that is judged, the kind of the message
	// that is sent, the branch that is opened.
	About []string `json:"about,omitempty"`
}

// The answers of a stage.
const (
	answerGo   = "go"
	answerLose = "lose"
)

// stageOptions makes a worker of a stage out of any other.
func stageOptions(options *client.Options, url string) error {
	plugin, err := temporal.NewSimplePlugin(temporal.SimplePluginOptions{
		Name: "lifeboat.stage",
		ConfigureWorker: func(_ context.Context, o worker.PluginConfigureWorkerOptions) error {
			o.WorkerOptions.StickyScheduleToStartTimeout = time.Second
			o.WorkerOptions.MaxHeartbeatThrottleInterval = 500 * time.Millisecond
			o.WorkerOptions.DefaultHeartbeatThrottleInterval = 500 * time.Millisecond
			return nil
		},
	})
	if err != nil {
		return err
	}
	options.Plugins = append(options.Plugins, plugin)
	options.Interceptors = append(options.Interceptors, &stageInterceptor{url: url})
	return nil
}

type stageInterceptor struct {
	interceptor.InterceptorBase
	url string
}

func (s *stageInterceptor) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &stageActivity{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, url: s.url}
}

func (s *stageInterceptor) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &stageWorkflow{interceptor.WorkflowInboundInterceptorBase{Next: next}}
}

// stageActivity asks the stage at both ends of an activity.
type stageActivity struct {
	interceptor.ActivityInboundInterceptorBase
	url string
}

func (a *stageActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	info := activity.GetInfo(ctx)
	m := moment{Execution: info.WorkflowExecution.ID, Activity: info.ActivityType.Name, When: "before", Attempt: info.Attempt}
	m.describe(in.Args)
	beating, stop := context.WithCancel(ctx)
	defer stop()
	go beat(beating, ctx)
	lost := activity.ErrResultPending
	if info.IsLocalActivity {
		lost = errors.New("the answer was lost") // there is no way between it and its workflow
	}
	if a.ask(ctx, m) == answerLose {
		return nil, lost
	}
	result, err := a.Next.ExecuteActivity(ctx, in)
	m.When = "after"
	if a.ask(ctx, m) == answerLose {
		return nil, lost
	}
	return result, err
}

// beat says that an activity is alive, also while its stage holds it.
func beat(until, ctx context.Context) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		activity.RecordHeartbeat(ctx)
		select {
		case <-until.Done():
			return
		case <-tick.C:
		}
	}
}

// ask tells the stage and waits for its answer. What the stage holds is not let go by a cancellation.
func (a *stageActivity) ask(ctx context.Context, m moment) string {
	body, err := json.Marshal(m)
	if err != nil {
		return answerGo
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, a.url+"/moment", bytes.NewReader(body))
	if err != nil {
		return answerGo
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answerGo
	}
	defer res.Body.Close()
	var answer string
	_ = json.NewDecoder(res.Body).Decode(&answer)
	return answer
}

// describe says what an activity is about, from its input.
func (m *moment) describe(args []any) {
	for _, arg := range args {
		switch in := arg.(type) {
		case activities.StepInput:
			m.Step = in.Guard.Step
			if in.Guard.Work != nil && in.Guard.Work.Undo {
				m.About = append(m.About, "undo")
			}
		case activities.VouchInput:
			m.Step = in.Guard.Step
		case activities.GateInput:
			m.Step = in.Guard.Step
		case activities.JournalInput:
			for _, event := range in.Events {
				m.About = append(m.About, string(event.Kind)+" "+event.Step)
			}
		case activities.JudgeInput:
			if c, err := roster.PeekCommand(in.Signed); err == nil {
				m.Step, m.About = c.Step, []string{string(c.Kind)}
			}
		case activities.Alert:
			// <execution>/<kind>/<step>/…
			_, step, _ := strings.Cut(strings.TrimPrefix(in.ID, in.Execution+"/"), "/")
			m.Step, _, _ = strings.Cut(step, "/")
			m.About = []string{in.Kind}
		case activities.TargetInput:
			m.About = []string{in.Target.Branch}
		}
	}
}

// stageWorkflow shortens the time until a worker is found dead. It changes no command, so histories stay the same.
type stageWorkflow struct {
	interceptor.WorkflowInboundInterceptorBase
}

func (w *stageWorkflow) Init(next interceptor.WorkflowOutboundInterceptor) error {
	return w.Next.Init(&stageCalls{interceptor.WorkflowOutboundInterceptorBase{Next: next}})
}

type stageCalls struct {
	interceptor.WorkflowOutboundInterceptorBase
}

func (c *stageCalls) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	o := workflow.GetActivityOptions(ctx)
	o.HeartbeatTimeout = stageHeartbeat
	if o.RetryPolicy != nil {
		retry := *o.RetryPolicy
		retry.InitialInterval = min(retry.InitialInterval, 200*time.Millisecond)
		o.RetryPolicy = &retry
	}
	return c.Next.ExecuteActivity(workflow.WithActivityOptions(ctx, o), name, args...)
}

func (c *stageCalls) ExecuteChildWorkflow(ctx workflow.Context, name string, args ...any) workflow.ChildWorkflowFuture {
	o := workflow.GetChildWorkflowOptions(ctx)
	o.WorkflowTaskTimeout = stageTask
	return c.Next.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, o), name, args...)
}

// staged says whether this worker belongs to a stage.
func staged() string { return os.Getenv(stageVariable) }
