package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/proc"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/slack"
)

// The names in the stack's Slack.
const (
	slackTeam = "TMEDLINK"
	// SlackLive, SlackDrill and SlackAlerts are the channels.
	SlackLive   = "CLIVE"
	SlackDrill  = "CDRILL"
	SlackAlerts = "CALERTS"
	// SlackStranger is an account that nobody in the roster has.
	SlackStranger = "UMALLORY"
)

// slackUser is the account of one of the people.
func slackUser(id string) string { return "U" + strings.ToUpper(id) }

// SlackUser is the account of somebody in the stack, such as alice.
func (s *Stack) SlackUser(id string) string { return slackUser(id) }

// Slack is the stand-in, which runs in a process of its own.
type Slack struct {
	// URL is where it is: the page for people, and the API below /api/.
	URL     string
	process *proc.Process
}

// Hand presses buttons there.
func (s *Slack) Hand() slack.Hand { return slack.Hand{URL: s.URL} }

type slackSpec struct {
	slack.Config
	Listen string `json:"listen"`
}

// StartSlack starts the stand-in, at the address that it had before while that is free. What was said there is kept.
func (s *Stack) StartSlack(ctx context.Context) error {
	path := filepath.Join(s.Dir, "slack.address")
	for try := 0; ; try++ {
		listen := ""
		if data, err := os.ReadFile(path); err == nil && isFree(strings.TrimSpace(string(data))) {
			listen = strings.TrimSpace(string(data))
		} else if listen, err = freeAddress(); err != nil {
			return err
		}
		if err := s.keep(path, listen); err != nil {
			return err
		}
		err := s.trySlack(ctx, listen)
		if !errors.Is(err, errEnded) || try == 2 {
			return err
		}
	}
}

func (s *Stack) trySlack(ctx context.Context, listen string) error {
	spec, err := s.slackSpec(listen)
	if err != nil {
		return err
	}
	process, err := startChild(s.Dir, "slack", childSpec{Slack: &spec})
	if err != nil {
		return fmt.Errorf("start Slack: %w", err)
	}
	s.Slack = &Slack{URL: "http://" + listen, process: process}
	return s.Slack.await(ctx, process.Done())
}

// slackSpec makes what the stand-in needs.
func (s *Stack) slackSpec(listen string) (slackSpec, error) {
	app, err := s.secret("slack-app")
	if err != nil {
		return slackSpec{}, err
	}
	bot, err := s.secret("slack-bot")
	if err != nil {
		return slackSpec{}, err
	}
	spec := slackSpec{Listen: listen, Config: slack.Config{
		File: filepath.Join(s.Dir, "slack.json"), Team: slackTeam, AppToken: app, BotToken: bot,
		Channels: []slack.Channel{{ID: SlackDrill, Name: "drills"}, {ID: SlackLive, Name: "live"}, {ID: SlackAlerts, Name: "alerts"}},
		Groups:   map[string][]string{"SNIGHT": {slackUser("dan"), slackUser("erin")}},
		Users:    []slack.User{{ID: "ULIFEBOAT", TeamID: slackTeam, Name: "lifeboat", RealName: "Lifeboat", IsBot: true}},
	}}
	for _, who := range cast {
		spec.Users = append(spec.Users, slack.User{ID: slackUser(who.id), TeamID: slackTeam, Name: who.id, RealName: who.name})
	}
	spec.Users = append(spec.Users, slack.User{ID: SlackStranger, TeamID: slackTeam, Name: "mallory", RealName: "Mallory (in no roster)"})
	return spec, nil
}

// await waits until the stand-in answers; ended is nil where it is not our child.
func (s *Slack) await(ctx context.Context, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for Slack: %w; see its log", context.Cause(ctx))
		case <-ended:
			return fmt.Errorf("wait for Slack: %w; see its log", errEnded)
		case <-tick.C:
		}
		if _, _, err := s.Hand().Calls(ctx); err == nil {
			return nil
		}
	}
}

// KillSlack ends the stand-in at once, as an outage does. StartSlack brings it back.
func (s *Stack) KillSlack() { s.Slack.process.Kill() }

// runSlack serves the stand-in until ctx ends.
func runSlack(ctx context.Context, spec slackSpec) error {
	spec.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	server, err := slack.New(spec.Config)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", spec.Listen)
	if err != nil {
		return fmt.Errorf("listen for Slack: %w", err)
	}
	serve := &http.Server{Handler: server.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = serve.Close()
	}()
	if err := serve.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve Slack: %w", err)
	}
	return nil
}
