package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	sqliteschema "go.temporal.io/server/schema/sqlite"
)

// schemaVersion is ours: Temporal sets up a new file and never looks at an old one, so a file of another
// version of the server has to be refused here.
const schemaVersion = "temporal-1.32"

func configuration(opt Options, host string, port int) (*config.Config, *config.SQL, error) {
	sql := &config.SQL{PluginName: sqlite.PluginName, DatabaseName: opt.StateFile, ConnectAttributes: map[string]string{
		// Names without an underscore become pragmas; with one they are ignored silently.
		"mode": "rwc", "journal_mode": "wal", "synchronous": "full", "busy_timeout": "10000",
	}}
	if opt.StateFile == "" {
		sql.DatabaseName = "lifeboat-" + strconv.FormatInt(time.Now().UnixNano(), 36)
		sql.ConnectAttributes = map[string]string{"mode": "memory", "cache": "shared"}
	}
	services := map[string]config.Service{}
	for _, name := range []primitives.ServiceName{primitives.FrontendService, primitives.HistoryService, primitives.MatchingService, primitives.WorkerService} {
		p := port
		if name != primitives.FrontendService {
			var err error
			if _, p, err = place(host + ":0"); err != nil {
				return nil, nil, err
			}
		}
		services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: p, BindOnIP: host}}
	}
	frontend := fmt.Sprintf("%s:%d", host, port)
	return &config.Config{
		Global: config.Global{Membership: config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: host}},
		Persistence: config.Persistence{
			DefaultStore: sqlite.PluginName, VisibilityStore: sqlite.PluginName, NumHistoryShards: 1,
			DataStores: map[string]config.DataStore{sqlite.PluginName: {SQL: sql}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10, MasterClusterName: "active", CurrentClusterName: "active",
			ClusterInformation: map[string]cluster.ClusterInformation{"active": {Enabled: true, InitialFailoverVersion: 1, RPCAddress: frontend}},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services:            services,
		Archival: config.Archival{
			History:    config.HistoryArchival{State: config.ArchivalDisabled},
			Visibility: config.VisibilityArchival{State: config.ArchivalDisabled},
		},
		PublicClient: config.PublicClient{HostPort: frontend},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: config.ArchivalDisabled},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: config.ArchivalDisabled},
		}},
	}, sql, nil
}

// prepareSchema sets up a new file, and refuses one that another version made.
func prepareSchema(file string, sql *config.SQL) error {
	if file == "" {
		return nil // in memory the server sets up the schema itself
	}
	note := file + ".version"
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if err := sqliteschema.SetupSchema(sql); err != nil {
			return fmt.Errorf("set up Temporal's state file: %w", err)
		}
		if err := os.WriteFile(note, []byte(schemaVersion+"\n"), 0o600); err != nil {
			return fmt.Errorf("note the state file's version: %w", err)
		}
		return nil
	}
	found, err := os.ReadFile(note)
	if err != nil || strings.TrimSpace(string(found)) != schemaVersion {
		return fmt.Errorf("the state file %s of Temporal was made by version %q, this is %q: move it away to start anew, or run the version that made it", file, strings.TrimSpace(string(found)), schemaVersion)
	}
	return nil
}

// quietLogger passes on what Temporal's server warns of. It says the rest to nobody: it would drown what
// Lifeboat says.
func quietLogger(to *slog.Logger) log.Logger {
	level := "error"
	if to.Enabled(context.Background(), slog.LevelDebug) {
		level = "info"
	}
	return log.NewZapLogger(log.BuildZapLogger(log.Config{Stdout: false, Level: level}))
}
