package slack

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// ackWithin is how long an app has to acknowledge; afterwards people see a warning.
const ackWithin = 3 * time.Second

// pingEvery is how often connections are pinged: apps take silence for a dead connection.
const pingEvery = 5 * time.Second

// ErrNoAnswer says that no app acknowledged in time. It is what people see as a warning sign.
var ErrNoAnswer = errors.New("the app did not answer within three seconds: nothing happened")

// socket is one connection of the app.
type socket struct {
	conn *websocket.Conn
	mu   sync.Mutex // of writing
	acks map[string]chan json.RawMessage
}

// envelope is what is delivered.
type envelope struct {
	Type     string         `json:"type"`
	ID       string         `json:"envelope_id"`
	Payload  map[string]any `json:"payload"`
	Accepts  bool           `json:"accepts_response_payload"`
	Attempt  int            `json:"retry_attempt"`
	Whatever string         `json:"retry_reason"`
}

func (s *Server) connectionsOpen(in url.Values) answer {
	ticket := random()
	s.tickets[ticket] = true
	return answer{"url": "ws://" + in.Get("host") + "/socket?ticket=" + ticket}.good()
}

// upgrader takes whoever has a ticket; the library names Slack as its origin.
var upgrader = websocket.Upgrader{CheckOrigin: func(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || origin == "https://api.slack.com"
}}

func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	ticket := r.URL.Query().Get("ticket")
	known := s.tickets[ticket] && !s.down()
	delete(s.tickets, ticket)
	s.mu.Unlock()
	if !known {
		http.Error(w, "the ticket is not valid", http.StatusForbidden)
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &socket{conn: conn, acks: map[string]chan json.RawMessage{}}
	s.mu.Lock()
	s.sockets[c] = struct{}{}
	count := len(s.sockets)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.sockets, c)
		s.mu.Unlock()
		_ = conn.Close()
	}()
	if c.send(answer{"type": "hello", "num_connections": count, "connection_info": answer{"app_id": "ADEVSTACK"}, "debug_info": answer{"host": "devstack", "approximate_connection_time": 3600}}) != nil {
		return
	}
	stop := make(chan struct{})
	defer close(stop)
	go c.ping(stop)
	for {
		var ack struct {
			ID      string          `json:"envelope_id"`
			Payload json.RawMessage `json:"payload"`
		}
		if err := conn.ReadJSON(&ack); err != nil {
			return
		}
		c.mu.Lock()
		waiting := c.acks[ack.ID]
		delete(c.acks, ack.ID)
		c.mu.Unlock()
		if waiting != nil {
			waiting <- ack.Payload
		}
	}
}

func (c *socket) ping(stop <-chan struct{}) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		if c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)) != nil {
			return
		}
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}

func (c *socket) send(v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	return c.conn.WriteJSON(v)
}

// deliver gives an envelope to one of the connections, as Slack does with several, and returns what it answers.
func (s *Server) deliver(e *envelope) (json.RawMessage, error) {
	s.mu.Lock()
	s.last = e
	all := make([]*socket, 0, len(s.sockets))
	for c := range s.sockets {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *socket) int { return compare(a.conn.RemoteAddr().String(), b.conn.RemoteAddr().String()) })
	s.turn++
	turn := s.turn
	s.mu.Unlock()
	if len(all) == 0 {
		return nil, ErrNoAnswer
	}
	c := all[turn%len(all)]
	acked := make(chan json.RawMessage, 1)
	c.mu.Lock()
	c.acks[e.ID] = acked
	c.mu.Unlock()
	if err := c.send(e); err != nil {
		return nil, ErrNoAnswer
	}
	select {
	case payload := <-acked:
		return payload, nil
	case <-time.After(ackWithin):
		return nil, ErrNoAnswer
	}
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Replay delivers the last envelope once more, as Slack does when an acknowledgement was lost.
func (s *Server) Replay() error {
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	if last == nil {
		return errors.New("nothing was delivered yet")
	}
	again := *last
	again.Attempt, again.Whatever = last.Attempt+1, "timeout"
	_, err := s.deliver(&again)
	return err
}

// Refresh asks all connections to be made anew, as Slack does every few hours.
func (s *Server) Refresh() { s.closeSockets("refresh_requested") }

// closeSockets ends all connections, with a word before where there is a reason.
func (s *Server) closeSockets(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sockets {
		if reason != "" {
			_ = c.send(answer{"type": "disconnect", "reason": reason, "debug_info": answer{"host": "devstack"}})
			continue // the app closes it
		}
		_ = c.conn.Close()
	}
}

// Connections is how many connections the app has now.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sockets)
}
