package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Inbox stands for the people and the outside watcher: it takes signed webhooks and pings on loopback,
// keeps them in a file and tells how many there were. A message whose signature does not hold is refused.
type Inbox struct {
	server *http.Server
	url    string
	file   string
	verify *standardwebhooks.Webhook

	mu       sync.Mutex
	messages []Received
	pings    int
	lastPing time.Time
}

// Received is one message that reached the inbox.
type Received struct {
	At   time.Time       `json:"at"`
	Body json.RawMessage `json:"body"`
}

// maxMessage bounds a message in bytes.
const maxMessage = 1 << 20

func openInbox(address, file, secret string) (*Inbox, error) {
	verify, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, fmt.Errorf("read webhook secret: %w", err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for webhooks: %w", err)
	}
	in := &Inbox{url: "http://" + listener.Addr().String(), file: file, verify: verify}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /alerts", in.take)
	mux.HandleFunc("/ping", in.ping)
	mux.HandleFunc("GET /{$}", in.show)
	in.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = in.server.Serve(listener) }()
	return in, nil
}

func (in *Inbox) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxMessage))
	if err != nil || in.verify.Verify(body, r.Header) != nil {
		http.Error(w, "the signature does not hold", http.StatusUnauthorized)
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	message := Received{At: time.Now().UTC(), Body: body}
	line, err := json.Marshal(message)
	if err != nil {
		http.Error(w, "the body is not JSON", http.StatusBadRequest)
		return
	}
	f, err := os.OpenFile(in.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.Write(append(line, '\n'))
		_ = f.Close()
	}
	if err != nil {
		http.Error(w, "the message could not be kept", http.StatusInternalServerError)
		return
	}
	in.messages = append(in.messages, message)
	w.WriteHeader(http.StatusNoContent)
}

func (in *Inbox) ping(w http.ResponseWriter, _ *http.Request) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.pings, in.lastPing = in.pings+1, time.Now().UTC()
	w.WriteHeader(http.StatusNoContent)
}

func (in *Inbox) show(w http.ResponseWriter, _ *http.Request) {
	in.mu.Lock()
	defer in.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"messages": in.messages, "pings": in.pings, "last_ping": in.lastPing})
}

// Messages are what arrived since the inbox was opened.
func (in *Inbox) Messages() []Received {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]Received(nil), in.messages...)
}

// Pings is how often the dead-man's switch was pinged.
func (in *Inbox) Pings() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.pings
}

// URL is where the inbox shows itself.
func (in *Inbox) URL() string { return in.url }

func (in *Inbox) close() { _ = in.server.Close() }

// inboxSpec is an inbox that is a process of its own.
type inboxSpec struct {
	Listen string `json:"listen"`
	File   string `json:"file"`
	Secret string `json:"secret"`
}

// runInbox serves an inbox until ctx ends.
func runInbox(ctx context.Context, spec inboxSpec) error {
	in, err := openInbox(spec.Listen, spec.File, spec.Secret)
	if err != nil {
		return err
	}
	<-ctx.Done()
	in.close()
	return nil
}
