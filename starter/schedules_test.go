package main

import (
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/embedded"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// TestSchedulesFollowTheConfiguration applies, changes and removes schedules on a real Temporal.
func TestSchedulesFollowTheConfiguration(t *testing.T) {
	server, err := embedded.Start(t.Context(), embedded.Options{UIAddress: "-", SearchAttributes: workflows.SearchAttributes()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	c, err := client.Dial(client.Options{HostPort: server.Address(), Namespace: server.Namespace()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	ctx := t.Context()
	cfg := &config.Config{Schedules: map[string]config.Schedule{
		"nightly": {Run: config.RunBackup, Component: "database", Cron: "30 2 * * *", TimeZone: "America/Toronto", Jitter: time.Minute, CatchUp: time.Hour},
		"watch":   {Run: config.RunEvaluate, Every: time.Minute, TimeZone: "UTC", CatchUp: time.Minute},
	}}
	apply := func(want string) {
		t.Helper()
		changes, err := applySchedules(ctx, c, cfg)
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, change := range changes {
			said = append(said, change.What+" "+change.Name)
		}
		if got := strings.Join(said, ", "); got != want {
			t.Errorf("%s; want %s", got, want)
		}
	}
	// listed waits until Temporal's list, which lags behind, shows so many schedules.
	listed := func(n int) []scheduleInfo {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			list, err := listSchedules(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == n {
				return list
			}
			if time.Now().After(deadline) {
				t.Fatalf("schedules %+v, want %d", list, n)
			}
		}
	}
	apply("created nightly, created watch")
	list := listed(2)
	if list[0].Name != "nightly" || list[0].Runs != workflows.BackupName || list[0].Paused || list[0].Next.IsZero() {
		t.Errorf("%+v", list[0])
	}
	if toronto, err := time.LoadLocation("America/Toronto"); err != nil || list[0].Next.In(toronto).Hour() != 2 {
		t.Errorf("the next night is at %s", list[0].Next)
	}

	// What people paused stays paused when the configuration is applied again.
	handle := c.ScheduleClient().GetHandle(ctx, scheduleID("nightly"))
	if err := handle.Pause(ctx, client.SchedulePauseOptions{Note: "migration tonight"}); err != nil {
		t.Fatal(err)
	}
	nightly := cfg.Schedules["nightly"]
	nightly.Cron = "45 3 * * *"
	cfg.Schedules["nightly"] = nightly
	apply("updated nightly, updated watch")
	got, err := handle.Describe(ctx)
	if err != nil || !got.Schedule.State.Paused || got.Schedule.State.Note != "migration tonight" {
		t.Errorf("after an update: %+v %v", got.Schedule.State, err)
	}
	if calendars := got.Schedule.Spec.Calendars; len(calendars) != 1 || calendars[0].Hour[0].Start != 3 || calendars[0].Minute[0].Start != 45 {
		t.Errorf("after an update it runs at %+v", calendars)
	}

	delete(cfg.Schedules, "watch")
	apply("updated nightly, deleted watch")
	listed(1)
}
