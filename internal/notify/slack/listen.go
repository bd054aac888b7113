package slack

import (
	"context"
	"io"
	"log"
	"log/slog"
	"sync"
	"time"

	api "github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// Executions are where commands go.
type Executions interface {
	// Command brings a signed command to its execution, and says what it was worth. An error says that this is not
	// known.
	Command(ctx context.Context, execution string, signed plan.SignedCommand) (Outcome, error)
}

// Outcome is what an execution says to a command.
type Outcome struct {
	Accepted bool
	// Cause is why it was refused, as a code; Message says it in words.
	Cause, Message string
}

// The bounds of what one worker works on at the same time, and of a click's work.
const (
	mostClicks  = 32
	clickWithin = time.Minute
)

// reconnect bounds the pauses between tries to connect: people wait for the first click after Slack is back.
const (
	reconnectFirst = time.Second
	reconnectMost  = 20 * time.Second
)

// Listen takes clicks by Socket Mode until ctx ends. It connects again whenever the connection is lost, asked to be
// made anew, or silent; many workers may do it at once, and Slack gives each click to one of them.
func (c *Client) Listen(ctx context.Context, executions Executions) {
	l := &listener{Client: c, executions: executions, seen: map[string]time.Time{}, slots: make(chan struct{}, mostClicks)}
	pause := reconnectFirst
	for ctx.Err() == nil {
		began := time.Now()
		err := l.connection(ctx)
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) > time.Minute {
			pause = reconnectFirst
		}
		c.cfg.Log.WarnContext(ctx, "the connection to Slack was lost: clicks wait until it is back, the command line does not", "error", reason(err), "again_in", pause.String())
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, reconnectMost)
	}
	l.working.Wait()
}

// listener is one loop of Socket Mode.
type listener struct {
	*Client
	executions Executions
	working    sync.WaitGroup
	slots      chan struct{}

	mu sync.Mutex
	// seen are the envelopes that came, so that one that is delivered again is done once.
	seen map[string]time.Time
}

// connection holds one connection until it is lost for good.
func (l *listener) connection(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	quiet := log.New(io.Discard, "", 0)
	socket := socketmode.New(l.api, socketmode.OptionReadLimit(1<<20), socketmode.OptionLog(quiet))
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-socket.Events:
				switch e.Type {
				case socketmode.EventTypeConnected:
					l.cfg.Log.InfoContext(ctx, "listening to Slack")
				case socketmode.EventTypeConnectionError:
					// The library would wait for up to five minutes.
					if failed, ok := e.Data.(*api.ConnectionErrorEvent); ok {
						stop(failed.ErrorObj)
					}
				case socketmode.EventTypeInteractive:
					l.interactive(ctx, socket, e)
				}
			}
		}
	}()
	err := socket.RunContext(ctx)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// interactive answers at once, and works afterwards.
func (l *listener) interactive(ctx context.Context, socket *socketmode.Client, e socketmode.Event) {
	in, ok := e.Data.(api.InteractionCallback)
	if !ok || e.Request == nil {
		return
	}
	if !l.first(e.Request.EnvelopeID) {
		_ = socket.Ack(*e.Request)
		return
	}
	answer, work := l.take(in)
	if err := socket.Ack(*e.Request, answer...); err != nil {
		l.cfg.Log.WarnContext(ctx, "acknowledge to Slack", "error", reason(err))
	}
	if work == nil {
		return
	}
	select {
	case l.slots <- struct{}{}:
	default:
		l.cfg.Log.ErrorContext(ctx, "too many clicks at once: one was dropped", slog.String("user", in.User.ID))
		return
	}
	// What somebody clicked is brought to its execution also when the connection is lost meanwhile.
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), clickWithin)
	l.working.Go(func() {
		defer func() { done(); <-l.slots }()
		work(ctx)
	})
}

// envelopesLive is how long an envelope is remembered; Slack repeats them for minutes.
const envelopesLive = time.Hour

func (l *listener) first(envelope string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for id, at := range l.seen {
		if now.Sub(at) > envelopesLive {
			delete(l.seen, id)
		}
	}
	_, again := l.seen[envelope]
	l.seen[envelope] = now
	return !again
}
