// Package embedded is a whole Temporal in this process: server, SQLite file and web UI, on loopback only. It
// is what `lifeboat dev` and the tests run on, and the break-glass engine of a laptop. It is the only package
// that imports Temporal's server.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
)

// Options describe an embedded Temporal.
type Options struct {
	// StateFile is the SQLite file; empty keeps everything in memory.
	StateFile string
	// Address is the frontend's HOST:PORT on loopback; empty chooses a free port.
	Address string
	// UIAddress is the UI's; empty chooses a free port, "-" starts no UI.
	UIAddress string
	Namespace string
	// Retention is how long ended executions stay; zero means seven years.
	Retention time.Duration
	// SearchAttributes are added to the namespace.
	SearchAttributes map[string]enumspb.IndexedValueType
	// CodecEndpoint is the URL by which the UI opens sealed payloads; empty shows them sealed. It may be a
	// function of the UI's own origin, which is known only once its port is.
	CodecEndpoint func(origin string) (string, error)
	Log           *slog.Logger
}

// sevenYears is how long MedLink keeps its audit trail, two leap days included.
const sevenYears = 2557 * 24 * time.Hour

// Server is a running Temporal.
type Server struct {
	opt     Options
	server  temporal.Server
	ui      *webUI
	address string
}

// Start starts Temporal and returns when its namespace can be used. Stop it.
func Start(ctx context.Context, opt Options) (*Server, error) {
	if opt.Namespace == "" {
		opt.Namespace = "lifeboat"
	}
	if opt.Retention == 0 {
		opt.Retention = sevenYears
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	host, port, err := place(opt.Address)
	if err != nil {
		return nil, err
	}
	cfg, sql, err := configuration(opt, host, port)
	if err != nil {
		return nil, err
	}
	if err := prepareSchema(opt.StateFile, sql); err != nil {
		return nil, err
	}
	hosts := map[primitives.ServiceName]static.Hosts{}
	for name, service := range cfg.Services {
		hosts[primitives.ServiceName(name)] = static.SingleLocalHost(net.JoinHostPort(host, fmt.Sprint(service.RPC.GRPCPort)))
	}
	server, err := temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(hosts),
		temporal.WithLogger(quietLogger(opt.Log)),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return authorization.NewNoopClaimMapper() }),
		temporal.WithDynamicConfigClient(dynamicSettings()),
	)
	if err != nil {
		return nil, fmt.Errorf("make Temporal: %w", err)
	}
	s := &Server{opt: opt, server: server, address: net.JoinHostPort(host, fmt.Sprint(port))}
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("start Temporal: %w", err)
	}
	if err := s.prepareNamespace(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	if opt.UIAddress != "-" {
		if s.ui, err = startUI(ctx, opt, s.address); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
	}
	return s, nil
}

// dynamicSettings are where Temporal's defaults are for clusters, not for one process.
func dynamicSettings() dynamicconfig.StaticClient {
	return dynamicconfig.StaticClient{
		// The default of 20 on one shard makes every step wait some 100 ms.
		dynamicconfig.TransferProcessorMaxPollRPS.Key():             2000,
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(): true,
		dynamicconfig.WorkflowPauseEnabled.Key():                    true,
		dynamicconfig.EnablePrincipalPropagation.Key():              true,
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():      1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key():     1,
	}
}

// Address is where clients connect.
func (s *Server) Address() string { return s.address }

// Namespace is the namespace that was prepared.
func (s *Server) Namespace() string { return s.opt.Namespace }

// UIURL is where people look; empty without a UI.
func (s *Server) UIURL() string {
	if s.ui == nil {
		return ""
	}
	return s.ui.url
}

// stopPatience is how long Temporal may take to stop: it has been seen to hang on lost connections.
const stopPatience = 20 * time.Second

// Stop stops the UI and the server. What was accepted is in the state file already.
func (s *Server) Stop() error {
	if s.ui != nil {
		s.ui.stop()
	}
	done := make(chan error, 1)
	go func() { done <- s.server.Stop() }()
	select {
	case err := <-done:
		return err
	case <-time.After(stopPatience):
		return fmt.Errorf("stop Temporal: it did not stop in %s", stopPatience)
	}
}

// place parses an address on loopback, or chooses a free one.
func place(address string) (host string, port int, err error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", 0, fmt.Errorf("listen on %s: %w: is another one running?", address, err)
	}
	defer l.Close()
	bound := l.Addr().(*net.TCPAddr)
	if !bound.IP.IsLoopback() {
		return "", 0, fmt.Errorf("listen on %s: an embedded Temporal asks nobody who they are, so it stays on loopback", address)
	}
	return bound.IP.String(), bound.Port, nil
}
