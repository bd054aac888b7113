package config

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// Slack is where gates are shown and decided.
type Slack struct {
	// API is the base URL of the Web API.
	API string `yaml:"api"`
	// Team is the workspace's id; clicks from elsewhere count for nothing.
	Team string `yaml:"team"`
	// AppToken (xapp-…) takes clicks by Socket Mode, BotToken (xoxb-…) writes.
	AppToken secret.Ref    `yaml:"app_token"`
	BotToken secret.Ref    `yaml:"bot_token"`
	Channels SlackChannels `yaml:"channels"`
}

// SlackChannels are where messages go, by the ids of channels.
type SlackChannels struct {
	// Live takes what live executions say, Drill what drills say; Drill is Live when it is empty.
	Live  string `yaml:"live"`
	Drill string `yaml:"drill"`
	// Info, Warning and Critical take what belongs to no execution; what is empty is not told in Slack.
	Info     string `yaml:"info"`
	Warning  string `yaml:"warning"`
	Critical string `yaml:"critical"`
}

func (s *Slack) defaults() { s.API = "https://slack.com/api/" }

var slackID = regexp.MustCompile(`^[A-Z0-9]{2,40}$`)

func (d *decoder) checkSlack(c *Config) {
	s := c.Slack
	if s == nil {
		return
	}
	d.url("slack.api", s.API)
	if s.API != "" && !strings.HasSuffix(s.API, "/") {
		d.bad("slack.api", "write it with a slash at its end, like https://slack.com/api/")
	}
	d.slackID("slack.team", s.Team, "the workspace's id, like T0123ABCD")
	d.needRef("slack.app_token", s.AppToken, "the app-level token, xapp-…, with the scope connections:write")
	d.needRef("slack.bot_token", s.BotToken, "the bot's token, xoxb-…")
	d.slackID("slack.channels.live", s.Channels.Live, "the id of the channel for live executions, like C0123ABCD")
	for name, id := range map[string]string{"drill": s.Channels.Drill, "info": s.Channels.Info, "warning": s.Channels.Warning, "critical": s.Channels.Critical} {
		if id != "" {
			d.slackID(join("slack.channels", name), id, "")
		}
	}
	switch {
	case c.Roster == nil:
		d.bad("slack", "without a roster nobody is known who may decide: add roster, or take slack out")
	case c.Roster.Vouchers.IsZero():
		d.bad("roster.vouchers", "with slack it is needed: the public keys of the workers whose word for a click counts, a path or a list of lines")
	}
}

func (d *decoder) slackID(path, id, what string) {
	switch {
	case id == "" && what != "":
		d.bad(path, "it is needed: %s", what)
	case !slackID.MatchString(id):
		d.bad(path, "%s", fmt.Sprintf("%s is no id of Slack: names can be changed, so write the id, like C0123ABCD", strictyaml.Quote(id)))
	}
}
