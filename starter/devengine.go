package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/codec"
	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/stack"
	"github.com/lifeboat-dr/lifeboat/internal/embedded"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// dev is Lifeboat beside the development stack: Temporal and a worker in this process.
type dev struct {
	world    *stack.Stack
	config   *config.Config
	engine   *assemble.Engine
	temporal *embedded.Server
	client   client.Client
	workers  assemble.Workers
	codec    *http.Server
	log      *slog.Logger
	took     time.Duration
}

// startDev starts Temporal, a worker and the schedules for a stack that is up.
func startDev(ctx context.Context, world *stack.Stack, log *slog.Logger) (_ *dev, err error) {
	d := &dev{world: world, log: log}
	defer func() {
		if err != nil {
			d.stop()
		}
	}()
	if d.config, err = config.Load(world.Config); err != nil {
		return nil, err
	}
	if d.engine, err = assemble.New(ctx, d.config, assemble.Options{Version: version, Working: true, Log: log}); err != nil {
		return nil, err
	}
	d.temporal, err = embedded.Start(ctx, embedded.Options{
		StateFile: filepath.Join(world.Dir, "temporal.db"), Address: world.Temporal, Namespace: d.config.Temporal.Namespace,
		SearchAttributes: workflows.SearchAttributes(), CodecEndpoint: d.serveCodec, Log: log,
	})
	if err != nil {
		return nil, err
	}
	if d.client, err = assemble.Dial(ctx, d.config, log); err != nil {
		return nil, err
	}
	if d.workers, err = d.engine.Workers(d.client); err != nil {
		return nil, err
	}
	d.engine.WatchRoster(ctx)
	d.engine.ListenToSlack(ctx, d.client)
	if err := d.workers.Start(); err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	_, err = applySchedules(ctx, d.client, d.config)
	return d, err
}

// serveCodec lets the UI's page, and nobody who does not know the token, open payloads. It listens on
// loopback.
func (d *dev) serveCodec(origin string) (endpoint string, err error) {
	keys, err := assemble.FleetKeys(d.config)
	if err != nil {
		return "", err
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // it never fails since Go 1.24
	token := hex.EncodeToString(random[:])
	handler, err := codec.Handler(keys, secret.New(token), []string{origin})
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen for codec: %w", err)
	}
	d.codec = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := d.codec.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			d.log.Error("serve codec", "error", err)
		}
	}()
	return "http://" + listener.Addr().String() + "/" + token, nil
}

// stop takes down what startDev brought up, in the reverse order.
func (d *dev) stop() {
	if d.workers != nil {
		d.workers.Stop()
	}
	if d.client != nil {
		d.client.Close()
	}
	if d.codec != nil {
		_ = d.codec.Close()
	}
	if d.temporal != nil {
		if err := d.temporal.Stop(); err != nil {
			d.log.Warn("stop Temporal", "error", err)
		}
	}
}
