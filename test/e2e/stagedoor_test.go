package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// stageDoors is how many doors there are: more than executions run at once.
const stageDoors = 32

func stageDoor(i int) string { return fmt.Sprintf("door%d", i) }

// doorState is a door that the stage works, as docs/door.md wants the other side.
type doorState struct {
	state, by, system string
	to                json.RawMessage
	epoch             int64
}

// door answers the requests for doors, and counts those that change one in the name of the step that asks.
func (s *stage) door(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	secret, err := os.ReadFile(filepath.Join(s.stack.Dir, "keys", "webhook.secret"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	verify, err := standardwebhooks.NewWebhook(strings.TrimSpace(string(secret)))
	if err != nil || verify.Verify(body, r.Header) != nil {
		http.Error(w, "the signature does not hold", http.StatusUnauthorized)
		return
	}
	var asked struct {
		Type string
		Data struct {
			Database, By, System string
			Epoch                int64
			To                   json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.doors[asked.Data.Database]
	if d == nil {
		d = &doorState{state: "open"}
		s.doors[asked.Data.Database] = d
	}
	switch asked.Type {
	case "door.hold":
		d.state = "held"
	case "door.open":
		d.state = "open"
	case "door.close":
		d.state = "closed"
	case "door.move":
		d.to, d.system = asked.Data.To, asked.Data.System
	}
	if asked.Type != "door.state" {
		d.by, d.epoch = asked.Data.By, asked.Data.Epoch
		if c := s.cells[executionOf(asked.Data.By)]; c != nil {
			c.called(asked.Type, asked.Data.By)
		}
	}
	answer := map[string]any{
		"database": asked.Data.Database, "state": d.state, "recorded": d.state, "system": d.system, "patience_seconds": 600, "by": d.by, "epoch": d.epoch,
	}
	if d.to != nil {
		answer["to"] = d.to
	}
	_ = json.NewEncoder(w).Encode(answer)
}
