package standby

import (
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
)

// TestAPasswordThatCannotBeReadIsNotRepeated: the server's library quotes the part of a connection string that it cannot
// read, and a password may be in it.
func TestAPasswordThatCannotBeReadIsNotRepeated(t *testing.T) {
	server := pgserver.New(t, pgserver.TestOptions{})
	conn, err := server.Connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for name, address := range map[string]string{
		"a percent sign of its own": "postgresql://medlink:s3cr3t%zz@127.0.0.1:5432/medlink",
		"a zero byte":               "postgresql://medlink:s3cr3t%00@127.0.0.1:5432/medlink",
		"a setting of a driver":     "postgresql://medlink:s3cr3t@127.0.0.1:5432/medlink?pool_max_conns=s3cr3t",
		"no address at all":         "s3cr3t",
	} {
		err := runSecretly(t.Context(), conn, "make subscription", "CREATE SUBSCRIPTION s CONNECTION "+literal(address)+" PUBLICATION p WITH (connect = false)")
		if err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
