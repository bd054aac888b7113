package embedded

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"
)

// webUI is Temporal's web UI.
type webUI struct {
	url    string
	server *server.Server
	done   chan struct{}
}

// startUI starts the UI and waits until it answers. The buttons that would end an execution half-way are
// hidden: cancelling runs the cleanup, terminating does not.
func startUI(ctx context.Context, opt Options, frontend string) (*webUI, error) {
	// The UI ends the process when it cannot listen, so the port is tried first.
	host, port, err := place(opt.UIAddress)
	if err != nil {
		return nil, err
	}
	u := &webUI{url: fmt.Sprintf("http://%s", net.JoinHostPort(host, fmt.Sprint(port))), done: make(chan struct{})}
	cfg := &uiconfig.Config{
		TemporalGRPCAddress: frontend, Host: host, Port: port, EnableUI: true, DefaultNamespace: opt.Namespace,
		DisableNewsFetch: true, HideLogs: true, CORS: uiconfig.CORS{CookieInsecure: true},
		WorkflowTerminateDisabled: true, WorkflowResetDisabled: true, BatchActionsDisabled: true, StartWorkflowDisabled: true,
	}
	if opt.CodecEndpoint != nil {
		if cfg.Codec.Endpoint, err = opt.CodecEndpoint(u.url); err != nil {
			return nil, err
		}
	}
	u.server = server.NewServer(server_options.WithConfigProvider(cfg))
	go func() {
		defer close(u.done)
		if err := u.server.Start(); err != nil {
			opt.Log.Error("serve Temporal's UI", "error", err)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	err = until(ctx, func() error {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", net.JoinHostPort(host, fmt.Sprint(port)))
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		u.stop()
		return nil, fmt.Errorf("start Temporal's UI: %w", err)
	}
	return u, nil
}

func (u *webUI) stop() {
	u.server.Stop()
	select {
	case <-u.done:
	case <-time.After(5 * time.Second):
	}
}
