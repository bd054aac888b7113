package database

import (
	"context"
	"errors"
	"fmt"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

var (
	_ activities.Source = (*Server)(nil)
	_ activities.Place  = (*ServerScratch)(nil)
	_ activities.Place  = (*Named)(nil)
)

// Server is a source on any PostgreSQL server. It has no branches: its snapshots live as long as the
// connection that holds them.
type Server struct {
	Site string
	URL  secret.Ref
}

// Kind implements [activities.Source].
func (s *Server) Kind() string { return "postgres" }

// Identity implements [activities.Source].
func (s *Server) Identity(context.Context) (manifest.Source, error) {
	return manifest.Source{Kind: s.Kind(), Site: s.Site}, nil
}

// Freeze implements [activities.Source] by refusing: only Neon has branches.
func (s *Server) Freeze(context.Context, activities.Freeze) (activities.Frozen, error) {
	return activities.Frozen{}, errors.New("a plain server has no branches")
}

// Unfreeze implements [activities.Source]: there is never anything to remove.
func (s *Server) Unfreeze(context.Context, string) error { return nil }

// Address implements [activities.Source].
func (s *Server) Address(_ context.Context, branch string) (secret.String, error) {
	if branch != "" {
		return secret.String{}, errors.New("a plain server has no branches")
	}
	return s.URL.Resolve()
}

// ServerScratch makes scratch databases on a PostgreSQL server. The role of URL needs CREATEDB.
type ServerScratch struct {
	URL secret.Ref
}

// Open implements [activities.Place].
func (s *ServerScratch) Open(ctx context.Context, target activities.Target, like manifest.Catalog) (activities.Target, error) {
	address, err := s.URL.Resolve()
	if err != nil {
		return target, err
	}
	return target, openScratch(ctx, address, target.Database, like)
}

// Address implements [activities.Place].
func (s *ServerScratch) Address(_ context.Context, target activities.Target) (secret.String, error) {
	address, err := s.URL.Resolve()
	if err != nil {
		return address, err
	}
	return withDatabase(address, target.Database)
}

// Drop implements [activities.Place].
func (s *ServerScratch) Drop(ctx context.Context, target activities.Target) error {
	address, err := s.URL.Resolve()
	if err != nil {
		return err
	}
	return closeScratch(ctx, address, target.Database)
}

// Named is a database that the configuration names as a restore target. It is filled when it is empty,
// and never created or dropped.
type Named struct {
	URL secret.Ref
}

// Open implements [activities.Place]. Whether the database is empty is found out by who fills it.
func (n *Named) Open(ctx context.Context, target activities.Target, _ manifest.Catalog) (activities.Target, error) {
	address, err := n.URL.Resolve()
	if err != nil {
		return target, err
	}
	conn, err := connect(ctx, address)
	if err != nil {
		return target, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := conn.QueryRow(ctx, "SELECT current_database()").Scan(&target.Database); err != nil {
		return target, fmt.Errorf("ask for the database's name: %w", plain(err))
	}
	return target, nil
}

// Address implements [activities.Place].
func (n *Named) Address(context.Context, activities.Target) (secret.String, error) {
	return n.URL.Resolve()
}

// Drop implements [activities.Place] by refusing.
func (n *Named) Drop(_ context.Context, target activities.Target) error {
	return fmt.Errorf("drop database %q: %w", target.Database, ErrNotOurs)
}

func openScratch(ctx context.Context, address secret.String, name string, like manifest.Catalog) error {
	conn, err := connect(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return createDatabase(ctx, conn, name, like)
}

func closeScratch(ctx context.Context, address secret.String, name string) error {
	conn, err := connect(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return dropScratch(ctx, conn, name)
}
