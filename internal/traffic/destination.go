package traffic

import (
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Destination is a database on a server.
type Destination struct {
	Host string
	Port uint16
	// Database is the name that the server knows it by.
	Database string
	// User and Password are what a door logs in with that uses the destination's own credentials.
	User     string
	Password secret.String
}

// ParseDestination reads a connection string. Errors do not quote it.
func ParseDestination(address secret.String) (Destination, error) {
	const op, hint = "read destination", "it has to be a URL: postgresql://user:password@host/database"
	cfg, err := pgconn.ParseConfig(address.Reveal())
	if err != nil {
		return Destination{}, Fail(op, ErrInvalid, hint, "the connection string cannot be parsed")
	}
	d := Destination{Host: cfg.Host, Port: cfg.Port, Database: cfg.Database, User: cfg.User, Password: secret.New(cfg.Password)}
	if d.Host == "" || d.Database == "" || d.User == "" {
		return Destination{}, Fail(op, ErrInvalid, hint, "the connection string lacks a host, a user or a database")
	}
	for _, text := range []string{d.Host, d.Database, d.User, cfg.Password} {
		if strings.ContainsAny(text, "\n\r\x00") {
			return Destination{}, Fail(op, ErrInvalid, hint, "the connection string holds a line break")
		}
	}
	return d, nil
}

// Same says that two destinations are the same database on the same server, whoever logs in.
func (d Destination) Same(o Destination) bool {
	return d.Host == o.Host && d.Port == o.Port && d.Database == o.Database
}

// Server is the host and port, which name the server in a door's own words.
func (d Destination) Server() string { return d.Host + ":" + strconv.Itoa(int(d.Port)) }
