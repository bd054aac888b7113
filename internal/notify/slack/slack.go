// Package slack shows in Slack what waits for people, and brings what they click to the execution.
//
// A gate is a card: what is asked, with everything that may be shown, and two buttons. A click opens a dialog that
// takes the reason. Whoever clicked is found in the roster by the ids of team and user, never by a name; the worker
// vouches for the click with its own signature and sends it as a command, by the same road as the command line. The
// execution judges it. Slack is one road of several and never the only one: nothing waits for it.
//
// No data leaves: texts are the signed runbook's own, values pass the allow-list of package notify. What a button or a
// dialog carries is sealed under the fleet's key, so any worker can act on it and nobody else can make one.
package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	api "github.com/slack-go/slack"
	"golang.org/x/time/rate"

	"github.com/lifeboat-dr/lifeboat/internal/notify"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

// Channels are where messages go, by their ids.
type Channels struct {
	// Live and Drill take what executions say: cards, and messages.
	Live, Drill string
	// Severity takes what belongs to no execution; messages of a severity that has none are not told here.
	Severity map[notify.Severity]string
}

// of is the channel of executions of a mode.
func (c Channels) of(mode plan.Mode) string {
	if mode == plan.ModeLive || c.Drill == "" {
		return c.Live
	}
	return c.Drill
}

// Config says how Slack is reached, and who is believed.
type Config struct {
	// API is the base URL of the Web API, with a slash at its end; empty is Slack's own.
	API string
	// AppToken opens Socket Mode, BotToken does the rest.
	AppToken, BotToken secret.String
	// Team is the workspace. Clicks from others count for nothing.
	Team     string
	Channels Channels
	// Keys are the fleet's: they seal what buttons and dialogs carry.
	Keys workrecord.Keys
	// Signer vouches for clicks.
	Signer *signature.Signer
	// People is the roster of now.
	People func() (*roster.Roster, error)
	Log    *slog.Logger
}

// Client talks to Slack. It may be used from many goroutines, and many processes may run one.
type Client struct {
	cfg Config
	api *api.Client
	box *workrecord.Box
	now func() time.Time
	// places are those of cards that are being shown.
	places chan struct{}
	mu     sync.Mutex
	pace   map[string]*rate.Limiter
	// hits are clicks that were refused for who they came from, so that nobody fills a journal with them.
	hits map[string]time.Time
}

// timeout bounds one request.
const timeout = 10 * time.Second

// New makes a client. It asks nobody; see [Client.Check].
func New(cfg Config) (*Client, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case cfg.AppToken.Empty() || cfg.BotToken.Empty():
		return nil, errors.New("make Slack client: it needs an app token and a bot token")
	case cfg.Team == "" || cfg.Channels.Live == "":
		return nil, errors.New("make Slack client: it needs a team and a channel for live executions")
	case cfg.People == nil || cfg.Signer == nil:
		return nil, errors.New("make Slack client: it needs a roster and a key that vouches for clicks")
	}
	box, err := workrecord.New(cfg.Keys, "slack", "tokens")
	if err != nil {
		return nil, fmt.Errorf("make Slack client: %w", err)
	}
	options := []api.Option{
		api.OptionHTTPClient(&http.Client{Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}),
		// Only 429 is repeated here: after anything else nobody knows whether a message was posted.
		api.OptionRetry(2), api.OptionAppLevelToken(cfg.AppToken.Reveal()),
	}
	if cfg.API != "" {
		options = append(options, api.OptionAPIURL(cfg.API))
	}
	return &Client{
		cfg: cfg, api: api.New(cfg.BotToken.Reveal(), options...), box: box, now: time.Now, places: make(chan struct{}, atOnce),
		pace: map[string]*rate.Limiter{}, hits: map[string]time.Time{},
	}, nil
}

// Check asks Slack whether the token is good and of the right workspace.
func (c *Client) Check(ctx context.Context) error {
	who, err := c.api.AuthTestContext(ctx)
	if err != nil {
		return fmt.Errorf("ask Slack who we are: %w", reason(err))
	}
	if who.TeamID != c.cfg.Team {
		return fmt.Errorf("the bot token is of team %s, and the configuration names %s: take the token of the right workspace", who.TeamID, c.cfg.Team)
	}
	return nil
}

// queueAtMost is how long a channel is waited for. Behind a longer queue the message is for a later try: whoever waits here
// holds a place of a worker that journals need, too.
const queueAtMost = 5 * time.Second

// errQueue says that others are before us.
var errQueue = errors.New("many messages go to this channel at once, and Slack takes one a second: this one is tried again")

// turn waits until a channel may be written to again: Slack takes one message a second.
func (c *Client) turn(ctx context.Context, channel string) error {
	c.mu.Lock()
	limiter := c.pace[channel]
	if limiter == nil {
		limiter = rate.NewLimiter(rate.Every(time.Second), 1)
		c.pace[channel] = limiter
	}
	c.mu.Unlock()
	reserved := limiter.Reserve()
	if reserved.Delay() > queueAtMost {
		reserved.Cancel()
		return errQueue
	}
	timer := time.NewTimer(reserved.Delay())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		reserved.Cancel()
		return context.Cause(ctx)
	}
}

// atOnce is how many cards one worker shows at the same time. While Slack hangs, each of them holds a place that journals
// need, too.
const atOnce = 8

// enter takes a place among those, or says that all are taken.
func (c *Client) enter() (leave func(), err error) {
	select {
	case c.places <- struct{}{}:
		return func() { <-c.places }, nil
	default:
		return nil, errQueue
	}
}
