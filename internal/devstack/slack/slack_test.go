package slack_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	api "github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/slack"
)

func config(file string) slack.Config {
	return slack.Config{
		File: file, Team: "TDEV", AppToken: "xapp-1", BotToken: "xoxb-1",
		Users:    []slack.User{{ID: "UBOT", TeamID: "TDEV", IsBot: true}, {ID: "UANNA", TeamID: "TDEV", RealName: "Anna"}},
		Channels: []slack.Channel{{ID: "COPS", Name: "ops"}}, Groups: map[string][]string{"SNIGHT": {"UANNA"}},
	}
}

// start serves a workspace and returns it with the library that apps use.
func start(t *testing.T, file string) (*slack.Server, slack.Hand, *api.Client) {
	t.Helper()
	s, err := slack.New(config(file))
	if err != nil {
		t.Fatal(err)
	}
	served := httptest.NewServer(s.Handler())
	t.Cleanup(served.Close)
	return s, slack.Hand{URL: served.URL}, api.New("xoxb-1", api.OptionAPIURL(served.URL+"/api/"), api.OptionAppLevelToken("xapp-1"), api.OptionRetry(1))
}

var card = api.MsgOptionBlocks(api.NewActionBlock("decide", api.NewButtonBlockElement("approve", "nonce", api.NewTextBlockObject("plain_text", "Approve", false, false))))

// TestTheMethodsAreThere: each that Lifeboat uses, by the library's own hand.
func TestTheMethodsAreThere(t *testing.T) {
	_, _, c := start(t, "")
	ctx := t.Context()
	if who, err := c.AuthTestContext(ctx); err != nil || who.TeamID != "TDEV" || who.UserID != "UBOT" {
		t.Errorf("%+v, %v", who, err)
	}
	_, first, err := c.PostMessageContext(ctx, "COPS", api.MsgOptionText("card", false), card, api.MsgOptionMetadata(api.SlackMetadata{EventType: "e", EventPayload: map[string]any{"id": "1"}}))
	if err != nil {
		t.Fatal(err)
	}
	_, second, err := c.PostMessageContext(ctx, "COPS", api.MsgOptionText("in the thread", false), api.MsgOptionTS(first))
	if err != nil || second <= first {
		t.Errorf("%s after %s, %v", second, first, err)
	}
	if _, _, _, err := c.UpdateMessageContext(ctx, "COPS", first, api.MsgOptionText("done", false), api.MsgOptionBlocks()); err != nil {
		t.Error(err)
	}
	history, err := c.GetConversationHistoryContext(ctx, &api.GetConversationHistoryParameters{ChannelID: "COPS", IncludeAllMetadata: true})
	if err != nil || len(history.Messages) != 1 || history.Messages[0].Text != "done" || history.Messages[0].Metadata.EventPayload["id"] != "1" {
		t.Errorf("%+v, %v", history, err)
	}
	replies, _, _, err := c.GetConversationRepliesContext(ctx, &api.GetConversationRepliesParameters{ChannelID: "COPS", Timestamp: first})
	if err != nil || len(replies) != 2 {
		t.Errorf("%+v, %v", replies, err)
	}
	if dm, _, _, err := c.OpenConversationContext(ctx, &api.OpenConversationParameters{Users: []string{"UANNA"}}); err != nil || dm.ID != "DANNA" {
		t.Errorf("%+v, %v", dm, err)
	}
	if members, _, err := c.GetUsersInConversationContext(ctx, &api.GetUsersInConversationParameters{ChannelID: "COPS"}); err != nil || len(members) != 2 {
		t.Errorf("%v, %v", members, err)
	}
	if u, err := c.GetUserInfoContext(ctx, "UANNA"); err != nil || u.RealName != "Anna" {
		t.Errorf("%+v, %v", u, err)
	}
	if group, err := c.GetUserGroupMembersContext(ctx, "SNIGHT"); err != nil || len(group) != 1 {
		t.Errorf("%v, %v", group, err)
	}
	if _, err := c.PostEphemeralContext(ctx, "COPS", "UANNA", api.MsgOptionText("psst", false)); err != nil {
		t.Error(err)
	}
	_, _, err = api.New("xoxb-2", api.OptionAPIURL(strings.TrimSuffix(endpoint(t), "/"))).PostMessageContext(ctx, "COPS", api.MsgOptionText("x", false))
	if err == nil {
		t.Error("a wrong token was taken")
	}
	if _, _, err = c.PostMessageContext(ctx, "COPS", card); err == nil || err.Error() != "no_text" {
		t.Errorf("blocks without a text: %v", err)
	}
	long := api.MsgOptionBlocks(api.NewHeaderBlock(api.NewTextBlockObject("plain_text", strings.Repeat("x", 151), false, false)))
	if _, _, err = c.PostMessageContext(ctx, "COPS", api.MsgOptionText("x", false), long); err == nil || err.Error() != "invalid_blocks" {
		t.Errorf("a header that is too long: %v", err)
	}
}

func endpoint(t *testing.T) string {
	_, h, _ := start(t, "")
	return h.URL + "/api/"
}

// TestAPersonPressesAButton: the click arrives, a dialog opens, its errors come back, and it closes.
func TestAPersonPressesAButton(t *testing.T) {
	s, hand, c := start(t, "")
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	_, ts, err := c.PostMessageContext(ctx, "COPS", api.MsgOptionText("card", false), card)
	if err != nil {
		t.Fatal(err)
	}
	if err := hand.Click(ctx, "UANNA", "COPS", ts, "approve"); err == nil || err.Error() != slack.ErrNoAnswer.Error() {
		t.Errorf("nobody listens: %v", err)
	}
	app := socketmode.New(c)
	connected := make(chan int, 10)
	go func() { _ = app.RunContext(ctx) }()
	go func() {
		for e := range app.Events {
			switch e.Type {
			case socketmode.EventTypeConnected:
				connected <- 1
			case socketmode.EventTypeInteractive:
				answer(ctx, t, app, e)
			}
		}
	}()
	<-connected
	for s.Connections() == 0 {
		time.Sleep(time.Millisecond)
	}
	press := func() map[string]any {
		if err := hand.Click(ctx, "UANNA", "COPS", ts, "approve"); err != nil {
			t.Fatal(err)
		}
		v, err := hand.Modal(ctx, "UANNA")
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := press()
	if v["private_metadata"] != "nonce" {
		t.Errorf("%v", v)
	}
	reason := func(text string) map[string]map[string]string {
		return map[string]map[string]string{"reason": {"text": text}}
	}
	if errs, err := hand.Submit(ctx, "UANNA", v["id"].(string), reason("")); err != nil || errs["reason"] == "" {
		t.Errorf("%v, %v", errs, err)
	}
	if errs, err := hand.Submit(ctx, "UANNA", v["id"].(string), reason("why not")); err != nil || errs != nil {
		t.Errorf("%v, %v", errs, err)
	}
	if seen, err := hand.Look(ctx, "UANNA"); err != nil || seen.View != nil {
		t.Errorf("the dialog is still open: %v, %v", seen.View, err)
	}
	if err := hand.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	<-connected // anew
	for s.Connections() == 0 {
		time.Sleep(time.Millisecond)
	}
	press()
	if err := hand.Click(ctx, "UANNA", "COPS", ts, "nothing"); err == nil {
		t.Error("a button that is not there was pressed")
	}
}

// answer is a small app: a click opens a dialog, which wants a reason.
func answer(ctx context.Context, t *testing.T, app *socketmode.Client, e socketmode.Event) {
	in := e.Data.(api.InteractionCallback)
	if in.Type == api.InteractionTypeBlockActions {
		app.Ack(*e.Request)
		input := api.NewInputBlock("reason", api.NewTextBlockObject("plain_text", "Why?", false, false), nil, api.NewPlainTextInputBlockElement(nil, "text"))
		_, err := app.OpenViewContext(ctx, in.TriggerID, api.ModalViewRequest{
			Type: "modal", Title: api.NewTextBlockObject("plain_text", "Decide", false, false), Submit: api.NewTextBlockObject("plain_text", "Send", false, false),
			PrivateMetadata: in.ActionCallback.BlockActions[0].Value, Blocks: api.Blocks{BlockSet: []api.Block{input}},
		})
		if err != nil {
			t.Error(err)
		}
		return
	}
	if in.View.State.Values["reason"]["text"].Value == "" {
		app.Ack(*e.Request, api.NewErrorsViewSubmissionResponse(map[string]string{"reason": "write why"}))
		return
	}
	app.Ack(*e.Request)
}

// TestFaults: each is what it says, and ends.
func TestFaults(t *testing.T) {
	_, hand, c := start(t, filepath.Join(t.TempDir(), "workspace.json"))
	ctx := t.Context()
	say := func() error {
		_, _, err := c.PostMessageContext(ctx, "COPS", api.MsgOptionText("x", false))
		return err
	}
	count := func() int {
		h, err := c.GetConversationHistoryContext(ctx, &api.GetConversationHistoryParameters{ChannelID: "COPS"})
		if err != nil {
			t.Fatal(err)
		}
		return len(h.Messages)
	}
	for _, f := range []struct {
		kind   slack.Kind
		posted int
	}{{slack.Drop, 1}, {slack.LateError, 1}, {slack.Refuse, 0}, {slack.ServerError, 0}} {
		before := count()
		if err := hand.Break(ctx, slack.Fault{Method: "chat.postMessage", Kind: f.kind, Times: 1}); err != nil {
			t.Fatal(err)
		}
		if err := say(); err == nil {
			t.Errorf("%s: it was answered", f.kind)
		}
		if got := count() - before; got != f.posted {
			t.Errorf("%s: %d messages", f.kind, got)
		}
		if err := say(); err != nil {
			t.Errorf("after %s: %v", f.kind, err)
		}
	}
	if err := hand.Break(ctx, slack.Fault{Method: "chat.postMessage", Kind: slack.RateLimit, Times: 1}); err != nil {
		t.Fatal(err)
	}
	before, began := count(), time.Now()
	if err := say(); err != nil || count() != before+1 || time.Since(began) < time.Second {
		t.Errorf("429: %v after %s", err, time.Since(began))
	}
}

// TestAWorkspaceIsKept: one that was killed goes on where it was, and no two messages have one time.
func TestAWorkspaceIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "workspace.json")
	_, _, c := start(t, file)
	seen := map[string]bool{}
	for range 50 {
		_, ts, err := c.PostMessageContext(t.Context(), "COPS", api.MsgOptionText("x", false))
		if err != nil || seen[ts] {
			t.Fatalf("%s again, %v", ts, err)
		}
		seen[ts] = true
	}
	_, hand, _ := start(t, file)
	look, err := hand.Look(t.Context(), "UANNA")
	if err != nil || len(look.Messages["COPS"]) != 50 {
		t.Errorf("%d messages, %v", len(look.Messages["COPS"]), err)
	}
	if text, err := json.Marshal(look.Channels); err != nil || !strings.Contains(string(text), "COPS") {
		t.Errorf("%s, %v", text, errors.Join(err))
	}
}
