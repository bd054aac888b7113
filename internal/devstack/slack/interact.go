package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// triggerLives is how long a trigger opens a view.
const triggerLives = 3 * time.Second

type trigger struct {
	user string
	at   time.Time
}

// view is an open modal.
type view struct {
	id, user string
	fields   map[string]any
}

// Click presses a button of a message as a person. The error is for the person: [ErrNoAnswer], or that there is no
// such button any more.
func (s *Server) Click(as, channel, ts, action string) error {
	s.mu.Lock()
	u, known := s.user(as)
	c, _ := s.channel(channel)
	m := s.message(channel, ts)
	if !known || m == nil || c.With != "" && c.With != as {
		s.mu.Unlock()
		return errors.New("there is no such person or message")
	}
	var blocks []map[string]any
	_ = json.Unmarshal(m.Blocks, &blocks)
	button, block := findButton(blocks, action)
	if button == nil {
		s.mu.Unlock()
		return fmt.Errorf("the message has no button %q any more", action)
	}
	id := s.pull(as)
	payload := answer{
		"type": "block_actions", "team": answer{"id": s.cfg.Team, "domain": "development"}, "api_app_id": "ADEVSTACK",
		"user":       answer{"id": u.ID, "team_id": u.TeamID, "username": u.Name, "name": u.Name},
		"container":  answer{"type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": false},
		"trigger_id": id, "channel": answer{"id": c.ID, "name": c.Name}, "message": *m, "token": "not-checked",
		"actions": []any{answer{"type": "button", "action_id": action, "block_id": block, "value": button["value"], "text": button["text"], "style": button["style"], "action_ts": s.stamp()}},
	}
	s.mu.Unlock()
	_, err := s.deliver(&envelope{Type: "interactive", ID: random(), Payload: payload, Accepts: true})
	return err
}

// pull makes a trigger. The caller holds the lock.
func (s *Server) pull(user string) string {
	id := "trigger." + random()
	s.triggers[id] = trigger{user, time.Now()}
	return id
}

// findButton finds a button by the id of its action, and the id of its block.
func findButton(blocks []map[string]any, action string) (button map[string]any, block string) {
	for i, b := range blocks {
		elements, _ := b["elements"].([]any)
		if accessory, ok := b["accessory"].(map[string]any); ok {
			elements = append(elements, accessory)
		}
		for _, e := range elements {
			if e, ok := e.(map[string]any); ok && e["type"] == "button" && e["action_id"] == action {
				id, _ := b["block_id"].(string)
				if id == "" {
					id = fmt.Sprintf("b%d", i)
				}
				return e, id
			}
		}
	}
	return nil, ""
}

func (s *Server) viewsOpen(in url.Values) answer {
	t, ok := s.triggers[in.Get("trigger_id")]
	if !ok {
		return failed("invalid_trigger_id")
	}
	delete(s.triggers, in.Get("trigger_id"))
	if time.Since(t.at) > triggerLives {
		return failed("expired_trigger_id")
	}
	var fields map[string]any
	if json.Unmarshal([]byte(in.Get("view")), &fields) != nil {
		return failed("invalid_arguments")
	}
	if fault := checkView(fields); fault != "" {
		s.cfg.Log.Warn("view", "fault", fault)
		return failed("invalid_arguments")
	}
	v := &view{id: "V" + random(), user: t.user, fields: fields}
	for id, other := range s.views {
		if other.user == t.user {
			delete(s.views, id) // one modal at a time is enough here
		}
	}
	s.views[v.id] = v
	s.version++
	return answer{"view": v.shown(s.cfg.Team)}.good()
}

func (v *view) shown(team string) map[string]any {
	out := map[string]any{"id": v.id, "team_id": team, "hash": v.id}
	for name, value := range v.fields {
		out[name] = value
	}
	return out
}

// Submit sends a modal with what the person wrote, by block and action. Errors are by block, as the app says them.
func (s *Server) Submit(as, viewID string, values map[string]map[string]string) (errs map[string]string, err error) {
	s.mu.Lock()
	v, u := s.views[viewID], User{}
	if v != nil && v.user == as {
		u, _ = s.user(as)
	}
	if u.ID == "" {
		s.mu.Unlock()
		return nil, errors.New("the dialog is not open any more")
	}
	written := map[string]any{}
	for block, actions := range values {
		of := map[string]any{}
		for action, text := range actions {
			of[action] = answer{"type": "plain_text_input", "value": text}
		}
		written[block] = of
	}
	shown := v.shown(s.cfg.Team)
	shown["state"] = answer{"values": written}
	e := &envelope{Type: "interactive", ID: random(), Accepts: true, Payload: answer{
		"type": "view_submission", "team": answer{"id": s.cfg.Team, "domain": "development"}, "api_app_id": "ADEVSTACK",
		"user": answer{"id": u.ID, "team_id": u.TeamID, "username": u.Name, "name": u.Name}, "view": shown, "trigger_id": s.pull(as), "token": "not-checked",
	}}
	s.mu.Unlock()
	payload, err := s.deliver(e)
	if err != nil {
		return nil, err
	}
	var said struct {
		Action string            `json:"response_action"`
		Errors map[string]string `json:"errors"`
	}
	if len(payload) > 0 {
		if err := json.Unmarshal(payload, &said); err != nil {
			return nil, errors.New("the app answered something that nobody can read")
		}
	}
	switch said.Action {
	case "errors":
		return said.Errors, nil
	case "", "clear":
		s.Close(as)
		return nil, nil
	}
	return nil, fmt.Errorf("the stand-in does not know response_action %q", said.Action)
}

// Close closes a person's modal.
func (s *Server) Close(as string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, v := range s.views {
		if v.user == as {
			delete(s.views, id)
		}
	}
	s.version++
}
