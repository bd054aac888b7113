package identity_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/internal/traffic/identity"
)

// TestABeaconIsSeenInItsOwnDatabaseOnly: not in another database of the same server, nor when it is out.
func TestABeaconIsSeenInItsOwnDatabaseOnly(t *testing.T) {
	s := pgserver.New(t, pgserver.TestOptions{})
	here, there := secret.New(s.Database(t, "one", "one")), secret.New(s.Database(t, "two", "two"))
	b, err := identity.Light(t.Context(), here)
	if err != nil {
		t.Fatal(err)
	}
	if b.Facts.Database != "one" || b.Facts.System == "" || b.Facts.InRecovery {
		t.Errorf("%+v", b.Facts)
	}
	for _, one := range []struct {
		address secret.String
		out     bool
		want    bool
	}{{here, false, true}, {there, false, false}, {here, true, false}} {
		if one.out {
			b.Close(t.Context())
		}
		conn, err := identity.Connect(t.Context(), one.address, "")
		if err != nil {
			t.Fatal(err)
		}
		seen, err := b.Seen(t.Context(), conn)
		_ = conn.Close(context.Background())
		if err != nil || seen != one.want {
			t.Errorf("out %v: seen %v, %v", one.out, seen, err)
		}
	}
	// Two beacons at once do not take each other for themselves.
	if b, err = identity.Light(t.Context(), here); err != nil {
		t.Fatal(err)
	}
	defer b.Close(t.Context())
	other, err := identity.Light(t.Context(), there)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(t.Context())
	conn, err := identity.Connect(t.Context(), there, "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if seen, err := b.Seen(t.Context(), conn); err != nil || seen {
		t.Errorf("another beacon was taken for this one: %v, %v", seen, err)
	}
}

func TestFailuresTellNoAddress(t *testing.T) {
	for text, kind := range map[string]error{
		"postgres://[": traffic.ErrInvalid, "postgres://u:sesame@127.0.0.1:1/hidden": traffic.ErrUnavailable, "postgres://u:sesame@nowhere.invalid/hidden": traffic.ErrUnavailable,
	} {
		_, err := identity.Light(t.Context(), secret.New(text))
		if !errors.Is(err, kind) {
			t.Errorf("%v", err)
		}
		for _, word := range []string{"sesame", "127.0.0.1", "nowhere", "hidden"} {
			if err != nil && strings.Contains(err.Error(), word) {
				t.Errorf("the error tells %s: %v", word, err)
			}
		}
	}
}
