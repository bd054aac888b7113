package neon

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// refuseTimeout bounds the politeness towards a client that is turned away.
const refuseTimeout = 5 * time.Second

// replayed is a connection whose first bytes were read before.
type replayed struct {
	net.Conn
	r io.Reader
}

func (c replayed) Read(b []byte) (int, error) { return c.r.Read(b) }

// refuse answers in a server's place with an error that PostgreSQL's clients understand, so that "refused" and
// "unreachable" can be told apart.
func (e *Emulator) refuse(conn net.Conn, first []byte, reason error) {
	client := replayed{conn, io.MultiReader(bytes.NewReader(first), conn)}
	_ = client.SetDeadline(time.Now().Add(refuseTimeout))
	backend := pgproto3.NewBackend(client, client)
	for range 3 { // TLS, then GSS, then the real thing, or fewer
		message, err := backend.ReceiveStartupMessage()
		if err != nil {
			return
		}
		switch message.(type) {
		case *pgproto3.SSLRequest:
			cert, err := e.lines.Certificate()
			if err != nil {
				e.log.Error("cannot refuse a connection properly", "error", err)
				return
			}
			if _, err := client.Write([]byte{'S'}); err != nil {
				return
			}
			secure := tls.Server(client, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
			backend = pgproto3.NewBackend(secure, secure)
		case *pgproto3.GSSEncRequest:
			if _, err := client.Write([]byte{'N'}); err != nil {
				return
			}
		case *pgproto3.StartupMessage:
			backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "57P03", Message: reason.Error()})
			_ = backend.Flush() // whether it arrives is the client's business
			return
		default:
			return
		}
	}
}
