// Package slack stands in for Slack on this machine: the Web API methods that Lifeboat uses, Socket Mode, and a page
// on which a person presses the buttons as one of a few people. It listens on loopback, knows one workspace and one
// app, and misbehaves on demand (see [Fault]), in ways in which Slack does.
//
// It is strict where Slack is: tokens, unknown channels, blocks that no client could show, triggers that are older than
// three seconds, acknowledgements that come too late. It does not limit rates by itself, keeps no scopes and shows
// only the blocks that Lifeboat makes; what it cannot show it names.
package slack

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Config describes a workspace.
type Config struct {
	// File keeps channels and messages, so that one that was killed goes on where it was; empty keeps nothing.
	File string `json:"file"`
	// Team is the workspace's id.
	Team string `json:"team"`
	// AppToken opens Socket Mode, BotToken everything else.
	AppToken string `json:"app_token"`
	BotToken string `json:"bot_token"`
	// Users are the people and the app's own user, which is the one that is a bot and comes first among those.
	Users    []User              `json:"users"`
	Channels []Channel           `json:"channels"`
	Groups   map[string][]string `json:"groups,omitempty"`
	Log      *slog.Logger        `json:"-"`
}

// User is an account. Its fields are those of Slack.
type User struct {
	ID              string `json:"id"`
	TeamID          string `json:"team_id"`
	Name            string `json:"name"`
	RealName        string `json:"real_name"`
	Deleted         bool   `json:"deleted"`
	IsBot           bool   `json:"is_bot"`
	IsRestricted    bool   `json:"is_restricted"`
	IsUltraRestrict bool   `json:"is_ultra_restricted"`
	IsStranger      bool   `json:"is_stranger"`
}

// Channel is where messages stand. A direct one has the person in it.
type Channel struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	With string `json:"with,omitempty"`
}

// Message is one message. Blocks and Metadata are as the app gave them.
type Message struct {
	TS       string          `json:"ts"`
	User     string          `json:"user"`
	Text     string          `json:"text"`
	Blocks   json.RawMessage `json:"blocks,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
	ThreadTS string          `json:"thread_ts,omitempty"`
	// Edited is when it was last changed.
	Edited *Edited `json:"edited,omitempty"`
	// For is the one who sees it, of a message that nobody else does; it is in no history.
	For string `json:"for,omitempty"`
}

// Edited is who changed a message, and when.
type Edited struct {
	User string `json:"user"`
	TS   string `json:"ts"`
}

// state is what is kept in the file.
type state struct {
	Channels []Channel            `json:"channels"`
	Messages map[string][]Message `json:"messages"`
	LastTS   int64                `json:"last_ts"`
}

// Server is the workspace.
type Server struct {
	cfg Config

	mu       sync.Mutex
	state    state
	version  int64
	triggers map[string]trigger
	views    map[string]*view
	faults   []Fault
	calls    []Call
	sockets  map[*socket]struct{}
	tickets  map[string]bool
	turn     int
	last     *envelope
}

// Call is one request of the app, for tests that look at what it did and when.
type Call struct {
	Method  string    `json:"method"`
	Channel string    `json:"channel,omitempty"`
	At      time.Time `json:"at"`
}

// New makes a workspace, or goes on with the one in the file.
func New(cfg Config) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Team == "" || cfg.AppToken == "" || cfg.BotToken == "" || !slices.ContainsFunc(cfg.Users, func(u User) bool { return u.IsBot }) {
		return nil, errors.New("make workspace: it needs a team, two tokens and the app's own user")
	}
	s := &Server{
		cfg: cfg, state: state{Messages: map[string][]Message{}}, triggers: map[string]trigger{}, views: map[string]*view{},
		sockets: map[*socket]struct{}{}, tickets: map[string]bool{},
	}
	if cfg.File != "" {
		data, err := os.ReadFile(cfg.File)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read workspace: %w", err)
		}
		if err == nil {
			if err := json.Unmarshal(data, &s.state); err != nil {
				return nil, fmt.Errorf("read workspace: %w", err)
			}
		}
	}
	for _, c := range cfg.Channels {
		if _, ok := s.channel(c.ID); !ok {
			s.state.Channels = append(s.state.Channels, c)
		}
	}
	return s, nil
}

// changed keeps what is there. The caller holds the lock.
func (s *Server) changed() {
	s.version++
	if s.cfg.File == "" {
		return
	}
	data, err := json.Marshal(s.state)
	if err == nil {
		next := filepath.Join(filepath.Dir(s.cfg.File), "."+filepath.Base(s.cfg.File))
		if err = os.WriteFile(next, data, 0o600); err == nil {
			err = os.Rename(next, s.cfg.File)
		}
	}
	if err != nil {
		s.cfg.Log.Error("keep workspace", "error", err)
	}
}

// stamp is the time of a message, which names it: no two are the same, whatever the clock does.
func (s *Server) stamp() string {
	s.state.LastTS = max(s.state.LastTS+1, time.Now().UnixMicro())
	return fmt.Sprintf("%d.%06d", s.state.LastTS/1_000_000, s.state.LastTS%1_000_000)
}

func (s *Server) channel(id string) (Channel, bool) {
	i := slices.IndexFunc(s.state.Channels, func(c Channel) bool { return c.ID == id })
	if i < 0 {
		return Channel{}, false
	}
	return s.state.Channels[i], true
}

func (s *Server) user(id string) (User, bool) {
	i := slices.IndexFunc(s.cfg.Users, func(u User) bool { return u.ID == id })
	if i < 0 {
		return User{}, false
	}
	return s.cfg.Users[i], true
}

// bot is the app's own user.
func (s *Server) bot() User {
	return s.cfg.Users[slices.IndexFunc(s.cfg.Users, func(u User) bool { return u.IsBot })]
}

// message finds a message; nil when there is none. The caller holds the lock.
func (s *Server) message(channel, ts string) *Message {
	for i := range s.state.Messages[channel] {
		if m := &s.state.Messages[channel][i]; m.TS == ts && m.For == "" {
			return m
		}
	}
	return nil
}

// direct is the channel of one person, made when it is not there. The caller holds the lock.
func (s *Server) direct(user string) Channel {
	for _, c := range s.state.Channels {
		if c.With == user {
			return c
		}
	}
	c := Channel{ID: "D" + user[1:], Name: "direct", With: user}
	s.state.Channels = append(s.state.Channels, c)
	s.changed()
	return c
}

func random() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // it never fails since Go 1.24
	return hex.EncodeToString(b[:])
}
