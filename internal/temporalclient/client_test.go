package temporalclient_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/temporalclient"
)

func TestSettingsWinOverVariablesAndThoseOverProfiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "temporal.toml")
	if err := os.WriteFile(file, []byte("[profile.night]\naddress = \"profile.example:7233\"\nnamespace = \"from-profile\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in := temporalclient.Settings{ConfigFile: file, Profile: "night"}
	check := func(address, namespace string) {
		t.Helper()
		o, err := temporalclient.Options(in)
		if err != nil || o.HostPort != address || o.Namespace != namespace {
			t.Errorf("%s %s (%v), want %s %s", o.HostPort, o.Namespace, err, address, namespace)
		}
	}
	check("profile.example:7233", "from-profile")
	t.Setenv("TEMPORAL_ADDRESS", "variable.example:7233")
	check("variable.example:7233", "from-profile")
	in.Address, in.Namespace = "setting.example:7233", "from-setting"
	check("setting.example:7233", "from-setting")
}

func TestDialSaysWhatToDo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	_, err = temporalclient.Dial(context.Background(), temporalclient.Settings{Address: address})
	if err == nil || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "lifeboat dev") {
		t.Fatalf("got %v", err)
	}
}
