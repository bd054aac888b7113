package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
)

// remind is how often people are told again of something that is still wrong.
const remind = 4 * time.Hour

// EvaluateResult is carried to the next run, so that people hear of changes and are not told the same
// thing every few minutes.
type EvaluateResult struct {
	Protection activities.Protection `json:"protection"`
	// Told is, per component, which state people were last told of, and when.
	Told map[string]Told `json:"told"`
}

// Told is one message that was delivered.
type Told struct {
	State string    `json:"state"`
	At    time.Time `json:"at"`
}

// Evaluate looks into the vaults, tells people what is late, unverified or well again, and pings the
// dead-man's switch.
//
// The ping is sent only when the vaults were read and every message was delivered: a silent switch means
// "look at the engine", and covers the engine being gone as well as the webhook being gone.
func Evaluate(ctx workflow.Context) (*EvaluateResult, error) {
	last := EvaluateResult{}
	if workflow.HasLastCompletionResult(ctx) {
		if err := workflow.GetLastCompletionResult(ctx, &last); err != nil {
			return nil, err
		}
	}
	var alerts *activities.Alerts
	result := EvaluateResult{Told: map[string]Told{}}
	err := workflow.ExecuteActivity(lookup.on(ctx, "", "Look into the vaults"), alerts.EvaluateProtection).Get(ctx, &result.Protection)
	if err != nil {
		setState(ctx, "failed")
		return nil, err
	}

	delivered := true
	for _, c := range result.Protection.Components {
		told := last.Told[c.Component]
		if !news(told, c.State, result.Protection.At) {
			result.Told[c.Component] = told
			continue
		}
		if err := workflow.ExecuteActivity(report.on(ctx, "", "Tell people: "+c.Component+" is "+c.State), alerts.SendAlert,
			protectionAlert(ctx, c, result.Protection.At)).Get(ctx, nil); err != nil {
			delivered = false
			result.Told[c.Component] = told
			continue
		}
		result.Told[c.Component] = Told{State: c.State, At: result.Protection.At}
	}
	if !delivered {
		setState(ctx, "failed")
		workflow.GetLogger(ctx).Error("a message could not be delivered: the dead-man's switch is not pinged")
		return &result, nil
	}
	if err := workflow.ExecuteActivity(report.on(ctx, "", "Ping the dead-man's switch"), alerts.PingDeadman).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Error("ping dead-man's switch", "error", err)
	}
	setState(ctx, "completed")
	return &result, nil
}

// news says whether people have to hear of a state: it changed, or it is bad and they were told long ago.
// A component that is well and was never spoken of is no news.
func news(told Told, state string, now time.Time) bool {
	if state == "ok" {
		return told.State != "" && told.State != "ok"
	}
	return told.State != state || now.Sub(told.At) >= remind
}

func protectionAlert(ctx workflow.Context, c activities.ComponentProtection, at time.Time) activities.Alert {
	a := activities.Alert{
		ID:        "protection/" + c.Component + "/" + c.State + "/" + at.UTC().Format("20060102T1504Z"),
		Component: c.Component, Site: c.Site, Severity: "critical", Text: c.Detail, Time: at,
		Execution: workflow.GetInfo(ctx).WorkflowExecution.ID,
		Fields:    map[string]string{"backup": c.Backup, "verified": c.Verified, "rpo": c.RPO.String()},
	}
	switch c.State {
	case "ok":
		a.Kind, a.Severity, a.Title = "backup.recovered", "info", c.Component+" is protected again"
	case "unverified":
		a.Kind, a.Title = "backup.unverified", "The newest verified backup of "+c.Component+" is too old"
	case "unreplicated":
		a.Kind, a.Title = "replica.late", "The copies of "+c.Component+" in another vault are late"
	case "unfollowed":
		a.Kind, a.Title = "standby.late", "The hot standby of "+c.Component+" is not as it should be"
	case "unknown":
		a.Kind, a.Title = "backup.unknown", "The vault of "+c.Component+" could not be read"
	default:
		a.Kind, a.Title = "backup.late", "The backup of "+c.Component+" is late"
	}
	return a
}
