package database

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// owner is a plain role that may create databases, connected to a database of its own.
func owner(t *testing.T) (server *pgserver.Server, address secret.String, conn *pgx.Conn) {
	t.Helper()
	server = pgserver.New(t, pgserver.TestOptions{})
	address = secret.New(server.Database(t, "keeper", "home"))
	server.Exec(t, "postgres", "ALTER ROLE keeper CREATEDB")
	conn, err := connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return server, address, conn
}

func TestScratchComesAndGoesAndNothingElseDoes(t *testing.T) {
	server, address, conn := owner(t)
	name := scratchPrefix + "x"
	like := manifest.Catalog{Encoding: "SQL_ASCII", Collate: "C", CType: "C"}
	for range 2 { // safe to repeat
		if err := openScratch(t.Context(), address, name, like); err != nil {
			t.Fatal(err)
		}
	}
	inside, err := withDatabase(address, name)
	if err != nil {
		t.Fatal(err)
	}
	visitor, err := connect(t.Context(), inside)
	if err != nil {
		t.Fatal(err)
	}
	defer visitor.Close(context.Background())
	var encoding string
	if err := visitor.QueryRow(t.Context(), "SHOW server_encoding").Scan(&encoding); err != nil || encoding != "SQL_ASCII" {
		t.Errorf("the scratch database encodes %s: %v", encoding, err)
	}
	for range 2 { // also while somebody is connected, and when it is gone
		if err := closeScratch(t.Context(), address, name); err != nil {
			t.Fatal(err)
		}
	}
	if exists, err := databaseExists(t.Context(), conn, name); err != nil || exists {
		t.Errorf("it is still there: %v", err)
	}
	for _, precious := range []string{"home", "postgres", "scratch_lifeboat_"} {
		if err := dropScratch(t.Context(), conn, precious); !errors.Is(err, ErrNotOurs) {
			t.Errorf("dropping %s: %v", precious, err)
		}
	}
	named := &Named{}
	if err := named.Drop(t.Context(), activities.Target{Database: "home"}); !errors.Is(err, ErrNotOurs) {
		t.Errorf("dropping a named target: %v", err)
	}
	server.Exec(t, "home", "SELECT 1") // it is all still there
}

// TestReplacingADatabaseCanBeKilledAnywhere runs the replacement again from every point that a kill can leave.
func TestReplacingADatabaseCanBeKilledAnywhere(t *testing.T) {
	_, address, conn := owner(t)
	like := manifest.Catalog{}
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for name, left := range map[string][]string{
		"nothing was done":           {"CREATE DATABASE app"},
		"the new one was made":       {"CREATE DATABASE app", "CREATE DATABASE lifeboat_next"},
		"and marked":                 {"CREATE DATABASE app", "CREATE DATABASE lifeboat_next", "COMMENT ON DATABASE lifeboat_next IS 'restore 1'"},
		"and the old one is dropped": {"CREATE DATABASE lifeboat_next", "COMMENT ON DATABASE lifeboat_next IS 'restore 1'"},
		"there never was an old one": {},
	} {
		t.Run(name, func(t *testing.T) {
			exec("DROP DATABASE IF EXISTS app")
			exec("DROP DATABASE IF EXISTS lifeboat_next")
			for _, sql := range left {
				exec(sql)
			}
			if err := replaceDatabase(t.Context(), conn, "app", "restore 1", like); err != nil {
				t.Fatal(err)
			}
			// Rows that have arrived in the new one stay when the activity is repeated.
			inside, _ := withDatabase(address, "app")
			app, err := connect(t.Context(), inside)
			if err != nil {
				t.Fatal(err)
			}
			defer app.Close(context.Background())
			if _, err := app.Exec(t.Context(), "CREATE TABLE arrived (id int)"); err != nil {
				t.Fatal(err)
			}
			if err := replaceDatabase(t.Context(), conn, "app", "restore 1", like); err != nil {
				t.Fatal(err)
			}
			if _, err := app.Exec(t.Context(), "SELECT FROM arrived"); err != nil {
				t.Errorf("what had arrived is gone: %v", err)
			}
			_ = app.Close(t.Context())
		})
	}
}

func TestErrorsHoldNoPassword(t *testing.T) {
	_, address, _ := owner(t)
	wrong := secret.New(strings.Replace(address.Reveal(), "@127", "x@127", 1))
	for _, bad := range []secret.String{wrong, secret.New("postgresql://u:hunter2@[::bad/x"), secret.New("host=x password=hunter2"), secret.New("postgresql://u:hunter2@127.0.0.1:1/x")} {
		_, err := connect(t.Context(), bad)
		_, parseErr := withDatabase(bad, "x")
		for _, err := range []error{err, parseErr} {
			if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), wrong.Reveal())) {
				t.Errorf("the error shows the secret: %v", err)
			}
		}
	}
	if _, err := withDatabase(secret.New("host=x password=hunter2"), "x"); err == nil {
		t.Error("a connection string that is no URL was accepted")
	}
}
