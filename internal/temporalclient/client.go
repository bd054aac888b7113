// Package temporalclient connects to Temporal as all of Temporal's tools do: by the TEMPORAL_* variables
// and profile files, which the configuration's own settings override where they are set.
package temporalclient

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/converter"
	sdklog "go.temporal.io/sdk/log"
)

// Settings are the configuration's; empty fields leave the word to the environment and profiles.
type Settings struct {
	// Address is HOST:PORT of the frontend.
	Address, Namespace string
	// Profile is a profile of the profile file, ConfigFile the file's path.
	Profile, ConfigFile string
	DataConverter       converter.DataConverter
	FailureConverter    converter.FailureConverter
	Log                 *slog.Logger
}

// dialTimeout bounds the first try to reach Temporal: a person waits for it.
const dialTimeout = 10 * time.Second

// Options resolves settings, environment and profile to the SDK's options. It connects to nothing.
func Options(s Settings) (client.Options, error) {
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{
		ConfigFilePath: s.ConfigFile, ConfigFileProfile: s.Profile,
	})
	if err != nil {
		return options, fmt.Errorf("read Temporal's profile and variables: %w", err)
	}
	if s.Address != "" {
		options.HostPort = s.Address
	}
	if s.Namespace != "" {
		options.Namespace = s.Namespace
	}
	if options.HostPort == "" {
		options.HostPort = client.DefaultHostPort
	}
	options.DataConverter, options.FailureConverter = s.DataConverter, s.FailureConverter
	// What is large in a request is sealed, so that gzip takes a tenth of the processor's time and makes nothing smaller.
	options.ConnectionOptions.GrpcCompression = &client.GrpcCompressionNone{}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	options.Logger = sdklog.NewStructuredLogger(s.Log)
	return options, nil
}

// Dial connects, or says where nobody answered and what to do.
func Dial(ctx context.Context, s Settings) (client.Client, error) {
	options, err := Options(s)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("no Temporal answers at %s: start one (lifeboat dev), or say where it is with temporal.address or TEMPORAL_ADDRESS: %w", options.HostPort, err)
	}
	return c, nil
}
