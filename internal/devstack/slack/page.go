package slack

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"strings"
)

//go:embed page.html
var pageText []byte

// page serves what a person sees, and what the page and tests ask for. All of it takes and gives JSON; a page of
// another origin cannot send that without being asked first, and is not answered.
func (s *Server) page(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'")
		_, _ = w.Write(pageText)
	})
	mux.HandleFunc("GET /page/state", func(w http.ResponseWriter, r *http.Request) { write(w, s.seen(r.URL.Query().Get("as"))) })
	post(mux, "/page/click", func(in struct{ As, Channel, TS, Action string }) (any, error) {
		return nil, s.Click(in.As, in.Channel, in.TS, in.Action)
	})
	post(mux, "/page/submit", func(in struct {
		As, View string
		Values   map[string]map[string]string
	}) (any, error) {
		return s.Submit(in.As, in.View, in.Values)
	})
	post(mux, "/page/close", func(in struct{ As string }) (any, error) { s.Close(in.As); return nil, nil })
	post(mux, "/control/faults", func(in []Fault) (any, error) { s.SetFaults(in...); return nil, nil })
	post(mux, "/control/replay", func(struct{}) (any, error) { return nil, s.Replay() })
	post(mux, "/control/refresh", func(struct{}) (any, error) { s.Refresh(); return nil, nil })
	mux.HandleFunc("GET /control/calls", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		write(w, answer{"calls": s.calls, "connections": len(s.sockets)})
	})
}

// post serves a function that takes and returns JSON. An error is for a person.
func post[T any](mux *http.ServeMux, path string, do func(T) (any, error)) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
			http.Error(w, "send JSON", http.StatusUnsupportedMediaType)
			return
		}
		var in T
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil {
			http.Error(w, "the JSON cannot be read", http.StatusBadRequest)
			return
		}
		out, err := do(in)
		if err != nil {
			write(w, answer{"problem": err.Error()})
			return
		}
		write(w, answer{"result": out}.good())
	})
}

// Seen is what a person sees.
type Seen struct {
	Version  int64                `json:"version"`
	Users    []User               `json:"users"`
	Channels []Channel            `json:"channels"`
	Messages map[string][]Message `json:"messages"`
	// View is the person's open modal; nil for none.
	View map[string]any `json:"view,omitempty"`
}

func (s *Server) seen(as string) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Seen{Version: s.version, Messages: map[string][]Message{}}
	for _, u := range s.cfg.Users {
		if u.ID != s.bot().ID {
			out.Users = append(out.Users, u)
		}
	}
	for _, c := range s.state.Channels {
		if c.With != "" && c.With != as {
			continue
		}
		out.Channels = append(out.Channels, c)
		for _, m := range s.state.Messages[c.ID] {
			if m.For == "" || m.For == as {
				out.Messages[c.ID] = append(out.Messages[c.ID], m)
			}
		}
	}
	for _, v := range s.views {
		if v.user == as {
			out.View = v.shown(s.cfg.Team)
		}
	}
	return answer{"seen": out}.good()
}
