package neon

import (
	"context"
	"net/http"
	"time"
)

// Project is a database project. It never leaves its region.
type Project struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Region string `json:"region_id"`
	// PGVersion is the major version of PostgreSQL.
	PGVersion int `json:"pg_version"`
	// HistorySeconds is how far back branches and restores reach; 0 means not at all.
	HistorySeconds int64 `json:"history_retention_seconds"`
	// StorePasswords is what RevealPassword and ConnectionURI need.
	StorePasswords bool      `json:"store_passwords"`
	CreatedAt      time.Time `json:"created_at"`
	Settings       struct {
		LogicalReplication bool `json:"enable_logical_replication"`
	} `json:"settings"`
}

// History is how far back branches and restores reach.
func (p Project) History() time.Duration { return time.Duration(p.HistorySeconds) * time.Second }

// Project reads a project.
func (c *Client) Project(ctx context.Context, project string) (Project, error) {
	const op = "read project"
	if err := checkIDs(op, "project", project); err != nil {
		return Project{}, err
	}
	var out struct {
		Project Project `json:"project"`
	}
	if _, err := c.do(ctx, call{op: op, method: http.MethodGet, path: []string{"projects", project}}, &out); err != nil {
		return Project{}, err
	}
	return out.Project, sameID(op, "project", project, out.Project.ID)
}

// sameID refuses an answer about something else: what follows may delete by it.
func sameID(op, kind, asked, got string) error {
	if asked == got {
		return nil
	}
	return &Error{Op: op, Kind: ErrUnavailable, Message: "the answer is about another " + kind + " than " + asked}
}
