package slack_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/lifeboat-dr/lifeboat/activities"
	stand "github.com/lifeboat-dr/lifeboat/internal/devstack/slack"
	"github.com/lifeboat-dr/lifeboat/internal/notify"
	"github.com/lifeboat-dr/lifeboat/internal/notify/slack"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

const (
	team      = "T0TEAM"
	channel   = "C0DRILL"
	execution = "region-outage/database/20261125T030000Z"
)

// rig is a workspace, a client of it, and one execution with one gate.
type rig struct {
	t      *testing.T
	hand   stand.Hand
	cfg    slack.Config
	client *slack.Client
	keys   map[string]*signature.Signer
	court  *court
	at     slack.Place
}

func newKey(t *testing.T) *signature.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := signature.NewSigner(pem.EncodeToMemory(block))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newRig makes people with an account each: carla commands, anna, amir and gus approve, opal operates. Gus is a guest in
// Slack, bob's account is a bot, dora's is gone, mallory is in no roster.
func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, keys: map[string]*signature.Signer{"worker": newKey(t)}}
	v := roster.First(time.Now().Add(-time.Hour))
	users := []stand.User{{ID: "U0APP", TeamID: team, IsBot: true}}
	for _, who := range []struct {
		id    string
		roles []string
	}{{"olga", []string{plan.RoleOwner}}, {"omar", []string{plan.RoleOwner}}, {"carla", []string{plan.RoleCommander, plan.RoleApprover}},
		{"anna", []string{plan.RoleApprover}}, {"amir", []string{plan.RoleApprover}}, {"gus", []string{plan.RoleApprover}}, {"bob", []string{plan.RoleApprover}},
		{"dora", []string{plan.RoleApprover}}, {"xena", []string{plan.RoleApprover}}, {"opal", []string{plan.RoleOperator}}} {
		r.keys[who.id] = newKey(t)
		account := account(who.id)
		v.Put(roster.Person{ID: who.id, Name: strings.ToUpper(who.id[:1]) + who.id[1:], Roles: who.roles,
			Keys: []roster.Key{{Key: signature.PublicKey(r.keys[who.id].PublicKey())}}, Slack: &roster.Slack{Team: team, User: account}})
		u := stand.User{ID: account, TeamID: team, RealName: who.id, IsRestricted: who.id == "gus", Deleted: who.id == "dora", IsBot: who.id == "bob"}
		if who.id == "xena" {
			u.TeamID = "T0OTHER" // of another workspace, in a shared channel
		}
		users = append(users, u)
	}
	users = append(users, stand.User{ID: account("mallory"), TeamID: team})
	v.Require(0)
	signed, err := roster.NewVersion(v)
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"olga", "omar"} {
		if err := signed.Sign(r.keys[who]); err != nil {
			t.Fatal(err)
		}
	}
	chain := &roster.Chain{Format: 1, Versions: []*roster.SignedVersion{signed}}
	people, err := chain.Verify(chain.Fingerprint(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	workspace, err := stand.New(stand.Config{
		Team: team, AppToken: "xapp-1", BotToken: "xoxb-1", Users: users, Channels: []stand.Channel{{ID: channel, Name: "drills"}, {ID: "C0ALERTS", Name: "alerts"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	served := httptest.NewServer(workspace.Handler())
	t.Cleanup(served.Close)
	r.hand = stand.Hand{URL: served.URL}
	var fleet [32]byte
	_, _ = rand.Read(fleet[:])
	keys, err := workrecord.ParseKeys([]secret.String{secret.New(base64.StdEncoding.EncodeToString(fleet[:]))})
	if err != nil {
		t.Fatal(err)
	}
	r.cfg = slack.Config{
		API: served.URL + "/api/", AppToken: secret.New("xapp-1"), BotToken: secret.New("xoxb-1"), Team: team, Keys: keys, Signer: r.keys["worker"],
		Channels: slack.Channels{Live: channel, Severity: map[notify.Severity]string{notify.Critical: "C0ALERTS"}},
		People:   func() (*roster.Roster, error) { return people, nil },
	}
	if r.client, err = slack.New(r.cfg); err != nil {
		t.Fatal(err)
	}
	vouchers, err := signature.ParseAllowedSigners([]byte("worker@example " + r.keys["worker"].PublicKey()))
	if err != nil {
		t.Fatal(err)
	}
	r.court = &court{judges: activities.Executions{Orders: &activities.Orders{People: r.cfg.People, Vouchers: vouchers}, Keys: keys}}
	return r
}

func account(id string) string { return "U0" + strings.ToUpper(id) }

// listen takes clicks until the test ends.
func (r *rig) listen() {
	r.t.Helper()
	ctx, stop := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.client.Listen(ctx, r.court) }()
	r.t.Cleanup(func() { stop(); <-done })
	r.connected()
}

// connected waits until the app is connected.
func (r *rig) connected() {
	r.t.Helper()
	r.eventually("a connection", func() bool {
		_, n, err := r.hand.Calls(r.t.Context())
		return err == nil && n > 0
	})
}

func (r *rig) eventually(what string, is func() bool) {
	r.t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if is() {
			return
		}
	}
	r.t.Fatalf("%s does not come", what)
}

// facts are those of the gate.
func facts(mode plan.Mode, round int) plan.Facts {
	return plan.Facts{
		Format: 1, Execution: execution, Gate: "allow", Round: round, Brief: strings.Repeat("ab", 32), Mode: mode, Target: "database",
		Summary: "Restore b-1 of Jane Doe, 1970?", Shows: map[string]any{"restore point": "2026-11-25T02:00:00Z", "expected loss": 12.0, "claimant": "Jane Doe"},
		Steps:    []plan.FactStep{{ID: "promote", Type: "exec", Effect: "irreversible", With: map[string]any{"args": "Jane Doe"}}},
		Requires: 1, Roles: []string{plan.RoleApprover}, ExcludeRequester: true,
		Opened: time.Now().UTC().Truncate(time.Second), Deadline: time.Now().UTC().Truncate(time.Second).Add(time.Hour),
	}
}

func card(f plan.Facts) slack.Card {
	text, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	return slack.Card{
		Facts: string(text), Title: "May it be restored?", Message: "Restore ${steps.backup.backup} of ${inputs.who}, ${inputs.year}?",
		Shows: map[string]string{"restore point": "${steps.verify.point}", "expected loss": "${steps.loss.rows}", "claimant": "${steps.ask.name}"},
		Means: func(r runbooks.Reference) string {
			return map[string]string{"backup": "backup", "point": "point", "rows": "count", "name": "name"}[r.Name]
		},
		Runbook: "Region outage", Commander: "carla", Requester: "carla", State: slack.Open, Grave: f.Mode == plan.ModeLive,
	}
}

// show opens the gate and shows its card.
func (r *rig) show(c slack.Card) {
	r.t.Helper()
	var f plan.Facts
	if err := json.Unmarshal([]byte(c.Facts), &f); err != nil {
		r.t.Fatal(err)
	}
	r.court.open(c, f)
	var err error
	if r.at, err = r.client.Show(r.t.Context(), slack.Place{}, c); err != nil {
		r.t.Fatal(err)
	}
}

// press presses a button and fills in the dialog; what is wrong with what was written is returned.
func (r *rig) press(who, action string, values ...string) map[string]string {
	r.t.Helper()
	ctx, stop := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer stop()
	// A dialog that is open covers the buttons.
	if err := r.hand.Close(ctx, account(who)); err != nil {
		r.t.Fatal(err)
	}
	if err := r.hand.Click(ctx, account(who), r.at.Channel, r.at.TS, action); err != nil {
		r.t.Fatal(err)
	}
	if len(values) == 0 {
		return nil
	}
	dialog, err := r.hand.Modal(ctx, account(who))
	if err != nil {
		r.t.Fatal(err)
	}
	written := map[string]map[string]string{"reason": {"text": values[0]}}
	if len(values) > 1 {
		written["target"] = map[string]string{"text": values[1]}
	}
	errs, err := r.hand.Submit(ctx, account(who), dialog["id"].(string), written)
	if err != nil {
		r.t.Fatal(err)
	}
	return errs
}

// messages are those that somebody sees in the channel; private are those that nobody else does.
func (r *rig) messages(who string) (all, private []stand.Message) {
	r.t.Helper()
	seen, err := r.hand.Look(r.t.Context(), account(who))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, m := range seen.Messages[channel] {
		if m.For != "" {
			private = append(private, m)
		} else {
			all = append(all, m)
		}
	}
	return all, private
}

// hears waits until somebody was told privately what has these words.
func (r *rig) hears(who, words string) {
	r.t.Helper()
	defer func() {
		if r.t.Failed() {
			_, private := r.messages(who)
			r.t.Logf("%s heard %+v", who, private)
		}
	}()
	r.eventually(who+" hearing "+words, func() bool {
		_, private := r.messages(who)
		return len(private) > 0 && strings.Contains(private[len(private)-1].Text, words)
	})
}

// court is the execution: it judges commands as the engine does.
type court struct {
	judges activities.Executions

	mu      sync.Mutex
	gates   []activities.OpenGate
	used    []string
	said    []plan.Command
	refused []activities.Judged
	ended   bool
	slow    time.Duration
}

func (c *court) open(shown slack.Card, f plan.Facts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gates = []activities.OpenGate{{
		Step: f.Gate, Digest: runbooks.Digest([]byte(shown.Facts)), Roles: f.Roles, ExcludeRequester: f.ExcludeRequester, Requires: f.Requires, Grave: shown.Grave,
	}}
}

func (c *court) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gates = nil
}

func (c *court) Command(ctx context.Context, id string, signed plan.SignedCommand) (slack.Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	time.Sleep(c.slow)
	if c.ended {
		return slack.Outcome{Cause: "ended"}, nil
	}
	judged, err := c.judges.JudgeCommand(ctx, activities.JudgeInput{
		Execution: id, Signed: signed, Brief: strings.Repeat("ab", 32), Commander: "carla", Requester: "carla", Gates: c.gates, Used: c.used,
	})
	if err != nil {
		return slack.Outcome{}, err
	}
	if !judged.Accepted {
		c.refused = append(c.refused, judged)
		return slack.Outcome{Cause: judged.Cause, Message: judged.Message}, nil
	}
	c.used, c.said = append(c.used, judged.Command.ID), append(c.said, judged.Command)
	for i := range c.gates {
		c.gates[i].Voted = append(c.gates[i].Voted, judged.Command.Person)
		c.gates[i].Signed = c.gates[i].Signed || signed.Voucher == ""
	}
	return slack.Outcome{Accepted: true}, nil
}

// heard are the commands that counted, and the causes of those that did not.
func (c *court) heard() (said []plan.Command, causes []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, j := range c.refused {
		causes = append(causes, j.Cause)
	}
	return append([]plan.Command(nil), c.said...), causes
}
