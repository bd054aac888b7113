package pgbouncer_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
)

// impostor is an address behind which the worker finds one server and PgBouncer another, as with a name that
// they resolve differently. Role, password, database and even the data may be the same.
func impostor(t *testing.T, s servers) {
	r := newRig(t, s, nil)
	r.open()
	r.hold()
	to, err := traffic.ParseDestination(r.new)
	if err != nil {
		t.Fatal(err)
	}
	s[0].Exec(t, "postgres", fmt.Sprintf("ALTER ROLE %s PASSWORD '%s'", to.User, to.Password.Reveal()))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		server := s[1].Addr().String()
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go carry(client, server)
			server = s[0].Addr().String()
		}
	}()
	address, err := url.Parse(r.new.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	address.Host, address.RawQuery = listener.Addr().String(), "sslmode=disable"
	if _, err := r.door.Move(t.Context(), traffic.MoveRequest{Address: secret.New(address.String())}); !errors.Is(err, traffic.ErrWrongServer) {
		t.Errorf("an impostor was taken for the destination: %v", err)
	}
	if report := r.expect(traffic.Held); !strings.Contains(r.old.Reveal(), report.To.Server()) {
		t.Errorf("it leads to %s now", report.To.Server())
	}
}

func carry(client net.Conn, to string) {
	defer client.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { _, _ = io.Copy(server, client) }()
	_, _ = io.Copy(client, server)
}
