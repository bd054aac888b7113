package slack

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// answer is what a method says; an empty fault is success.
type answer map[string]any

func failed(fault string) answer { return answer{"ok": false, "error": fault} }

func (a answer) good() answer {
	if a == nil {
		a = answer{}
	}
	a["ok"] = true
	return a
}

// methods are those of the Web API. Each runs under the lock.
func (s *Server) methods() map[string]func(url.Values) answer {
	return map[string]func(url.Values) answer{
		"auth.test":             s.authTest,
		"chat.postMessage":      s.postMessage,
		"chat.postEphemeral":    s.postEphemeral,
		"chat.update":           s.update,
		"conversations.open":    s.open,
		"conversations.history": s.history,
		"conversations.replies": s.replies,
		"conversations.members": s.members,
		"users.info":            s.userInfo,
		"usergroups.users.list": s.groupUsers,
		"views.open":            s.viewsOpen,
		"apps.connections.open": s.connectionsOpen,
	}
}

// Handler serves the API below /api/, Socket Mode, the page at / and what tests steer it with.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for name, method := range s.methods() {
		mux.HandleFunc("/api/"+name, s.broken(name, s.serve(name, method)))
	}
	mux.HandleFunc("GET /socket", s.serveSocket)
	s.page(mux)
	return loopbackOnly(mux)
}

// loopbackOnly refuses what a page of another origin could send to us.
func loopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "this stand-in answers on loopback only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serve reads a request, a form or JSON, checks its token and answers.
func (s *Server) serve(name string, method func(url.Values) answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		in, err := arguments(r)
		if err != nil {
			write(w, failed("invalid_arguments"))
			return
		}
		token := in.Get("token")
		if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			token = bearer
		}
		want := s.cfg.BotToken
		if name == "apps.connections.open" {
			want = s.cfg.AppToken
		}
		switch {
		case token == "":
			write(w, failed("not_authed"))
			return
		case subtle.ConstantTimeCompare([]byte(token), []byte(want)) != 1:
			write(w, failed("invalid_auth"))
			return
		}
		in.Set("host", r.Host)
		s.mu.Lock()
		s.calls = append(s.calls, Call{Method: name, Channel: in.Get("channel"), At: time.Now()})
		out := method(in)
		s.mu.Unlock()
		write(w, out)
	}
}

func write(w http.ResponseWriter, out answer) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

// arguments reads a form, or JSON whose values that are no text stay JSON.
func arguments(r *http.Request) (url.Values, error) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		err := r.ParseForm()
		return r.Form, err
	}
	var fields map[string]json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&fields); err != nil && !errors.Is(err, io.EOF) { // methods without arguments come without a body
		return nil, err
	}
	in := url.Values{}
	for name, raw := range fields {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		in.Set(name, text)
	}
	return in, nil
}

func (s *Server) authTest(url.Values) answer {
	return answer{"team_id": s.cfg.Team, "team": "Development", "user_id": s.bot().ID, "user": s.bot().Name, "bot_id": "B" + s.bot().ID[1:], "url": "https://development.slack.com/"}.good()
}

// newMessage checks what an app wants to say.
func (s *Server) newMessage(in url.Values) (Message, string) {
	m := Message{User: s.bot().ID, Text: in.Get("text"), ThreadTS: in.Get("thread_ts")}
	if _, ok := s.channel(in.Get("channel")); !ok {
		return m, "channel_not_found"
	}
	if m.Text == "" {
		return m, "no_text" // Slack takes blocks alone; we do not, since phones show the text
	}
	if len([]rune(m.Text)) > 40000 {
		return m, "msg_too_long"
	}
	if blocks := in.Get("blocks"); blocks != "" {
		if fault := checkBlocks([]byte(blocks), false); fault != "" {
			s.cfg.Log.Warn("blocks", "fault", fault)
			return m, "invalid_blocks"
		}
		m.Blocks = json.RawMessage(blocks)
	}
	if metadata := in.Get("metadata"); metadata != "" {
		var read struct {
			EventType string         `json:"event_type"`
			Payload   map[string]any `json:"event_payload"`
		}
		if json.Unmarshal([]byte(metadata), &read) != nil || read.EventType == "" {
			return m, "invalid_metadata_format"
		}
		m.Metadata = json.RawMessage(metadata)
	}
	if m.ThreadTS != "" && s.message(in.Get("channel"), m.ThreadTS) == nil {
		return m, "thread_not_found"
	}
	return m, ""
}

func (s *Server) postMessage(in url.Values) answer {
	// A person's id posts into the conversation with them.
	if u, ok := s.user(in.Get("channel")); ok {
		in.Set("channel", s.direct(u.ID).ID)
	}
	m, fault := s.newMessage(in)
	if fault != "" {
		return failed(fault)
	}
	m.TS = s.stamp()
	channel := in.Get("channel")
	s.state.Messages[channel] = append(s.state.Messages[channel], m)
	s.changed()
	return answer{"channel": channel, "ts": m.TS, "message": m}.good()
}

func (s *Server) postEphemeral(in url.Values) answer {
	m, fault := s.newMessage(in)
	if fault != "" {
		return failed(fault)
	}
	if _, ok := s.user(in.Get("user")); !ok {
		return failed("user_not_in_channel")
	}
	m.TS, m.For = s.stamp(), in.Get("user")
	channel := in.Get("channel")
	s.state.Messages[channel] = append(s.state.Messages[channel], m)
	s.changed()
	return answer{"message_ts": m.TS}.good()
}

func (s *Server) update(in url.Values) answer {
	next, fault := s.newMessage(in)
	if fault != "" {
		return failed(fault)
	}
	m := s.message(in.Get("channel"), in.Get("ts"))
	if m == nil {
		return failed("message_not_found")
	}
	m.Text, m.Edited = next.Text, &Edited{m.User, s.stamp()}
	if next.Blocks != nil {
		m.Blocks = next.Blocks
	}
	if next.Metadata != nil {
		m.Metadata = next.Metadata
	}
	s.changed()
	return answer{"channel": in.Get("channel"), "ts": m.TS, "text": m.Text}.good()
}

func (s *Server) open(in url.Values) answer {
	u, ok := s.user(in.Get("users"))
	if !ok {
		return failed("users_list_not_supplied")
	}
	return answer{"channel": answer{"id": s.direct(u.ID).ID}}.good()
}

func (s *Server) history(in url.Values) answer {
	if _, ok := s.channel(in.Get("channel")); !ok {
		return failed("channel_not_found")
	}
	return s.list(in, func(m Message) bool { return m.ThreadTS == "" || m.ThreadTS == m.TS }, true)
}

func (s *Server) replies(in url.Values) answer {
	if s.message(in.Get("channel"), in.Get("ts")) == nil {
		return failed("thread_not_found")
	}
	return s.list(in, func(m Message) bool { return m.TS == in.Get("ts") || m.ThreadTS == in.Get("ts") }, false)
}

// list pages through messages, as Slack does: a cursor is the time of the last one before.
func (s *Server) list(in url.Values, wanted func(Message) bool, newestFirst bool) answer {
	limit := 100
	if text := in.Get("limit"); text != "" {
		if json.Unmarshal([]byte(text), &limit) != nil || limit < 1 || limit > 999 {
			return failed("invalid_limit")
		}
	}
	all := slices.Clone(s.state.Messages[in.Get("channel")])
	if newestFirst {
		slices.Reverse(all)
	}
	page, more, cursor := []Message{}, false, in.Get("cursor")
	for _, m := range all {
		switch {
		case m.For != "" || !wanted(m):
		case in.Get("oldest") != "" && m.TS < in.Get("oldest"):
		case in.Get("latest") != "" && m.TS > in.Get("latest"):
		case cursor != "" && (newestFirst && m.TS >= cursor || !newestFirst && m.TS <= cursor):
		case len(page) == limit:
			more = true
		default:
			if in.Get("include_all_metadata") != "1" && in.Get("include_all_metadata") != "true" {
				m.Metadata = nil
			}
			page = append(page, m)
		}
	}
	next := ""
	if more {
		next = page[len(page)-1].TS
	}
	return answer{"messages": page, "has_more": more, "response_metadata": answer{"next_cursor": next}}.good()
}

func (s *Server) members(in url.Values) answer {
	c, ok := s.channel(in.Get("channel"))
	if !ok {
		return failed("channel_not_found")
	}
	ids := []string{s.bot().ID}
	for _, u := range s.cfg.Users {
		if u.ID != ids[0] && (c.With == "" || c.With == u.ID) {
			ids = append(ids, u.ID)
		}
	}
	return answer{"members": ids, "response_metadata": answer{"next_cursor": ""}}.good()
}

func (s *Server) userInfo(in url.Values) answer {
	u, ok := s.user(in.Get("user"))
	if !ok {
		return failed("user_not_found")
	}
	return answer{"user": u}.good()
}

func (s *Server) groupUsers(in url.Values) answer {
	ids, ok := s.cfg.Groups[in.Get("usergroup")]
	if !ok {
		return failed("no_such_subteam")
	}
	return answer{"users": ids}.good()
}
