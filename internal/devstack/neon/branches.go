package neon

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxExpiry is how far ahead a branch may be set to expire.
const maxExpiry = 30 * 24 * time.Hour

// findBranch finds a branch of a project; the lock is held.
func (e *Emulator) findBranch(projectID, branchID string) (*project, *branch, error) {
	p, err := e.findProject(projectID)
	if err != nil {
		return nil, nil, err
	}
	b := p.Branches[branchID]
	if b == nil {
		return p, nil, notFound("branch", branchID)
	}
	return p, b, nil
}

func (e *Emulator) branchOf(r *http.Request) (*project, *branch, error) {
	return e.findBranch(r.PathValue("project_id"), r.PathValue("branch_id"))
}

func (e *Emulator) listBranches(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.findProject(r.PathValue("project_id"))
	if err != nil {
		return 0, nil, err
	}
	q := r.URL.Query()
	list := p.search(q.Get("search"))
	by, order := orDefault(q.Get("sort_by"), "updated_at"), orDefault(q.Get("sort_order"), "desc")
	compare := map[string]func(a, b *branch) int{
		"name":       func(a, b *branch) int { return strings.Compare(a.Name, b.Name) },
		"created_at": func(a, b *branch) int { return a.Created.Compare(b.Created) },
		"updated_at": func(a, b *branch) int { return a.Updated.Compare(b.Updated) },
	}[by]
	if compare == nil || (order != "asc" && order != "desc") {
		return 0, nil, badRequest("sort_by must be name, created_at or updated_at, sort_order asc or desc")
	}
	slices.SortFunc(list, func(a, b *branch) int {
		c := compare(a, b)
		if c == 0 {
			c = strings.Compare(a.ID, b.ID)
		}
		if order == "desc" {
			return -c
		}
		return c
	})
	page, next, err := paginate(r, list, func(b *branch) string { return b.ID }, 10000, 10000)
	if err != nil {
		return 0, nil, err
	}
	pagination := fields{"sort_by": by, "sort_order": order}
	if next != "" {
		pagination["next"] = next
	}
	return http.StatusOK, fields{
		"branches":    views(page, func(b *branch) fields { return e.branchView(p, b) }),
		"annotations": fields{}, "pagination": pagination,
	}, nil
}

// search finds branches by a part of their name or id, hidden ones left out.
func (p *project) search(s string) (list []*branch) {
	for _, b := range p.Branches {
		if strings.Contains(b.Name, s) || strings.Contains(b.ID, s) {
			list = append(list, b)
		}
	}
	return list
}

func (e *Emulator) countBranches(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.findProject(r.PathValue("project_id"))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, fields{"count": len(p.search(r.URL.Query().Get("search")))}, nil
}

func (e *Emulator) getBranch(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, b, err := e.branchOf(r)
	if err != nil {
		return 0, nil, err
	}
	if e.faults.hidden(b.ID) {
		return 0, nil, notFound("branch", b.ID)
	}
	// The annotation is not optional in Neon's contract; here it is always empty.
	annotation := fields{"object": fields{"type": "console/branch", "id": b.ID}, "value": fields{}}
	return http.StatusOK, fields{"branch": e.branchView(p, b), "annotation": annotation}, nil
}

func (e *Emulator) updateBranch(r *http.Request) (int, any, error) {
	var in struct {
		Branch struct {
			Name      *string         `json:"name"`
			Protected *bool           `json:"protected"`
			Expires   json.RawMessage `json:"expires_at"`
		} `json:"branch"`
	}
	if err := decode(r, false, &in); err != nil {
		return 0, nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	p, b, err := e.branchOf(r)
	if err != nil {
		return 0, nil, err
	}
	expires, ttl := b.Expires, b.TTL
	switch string(in.Branch.Expires) {
	case "":
	case "null":
		expires, ttl = nil, 0
	default:
		var at time.Time
		if err := json.Unmarshal(in.Branch.Expires, &at); err != nil {
			return 0, nil, badRequest("cannot decode expires_at: %v", err)
		}
		if err := e.checkExpiry(b, at); err != nil {
			return 0, nil, err
		}
		expires, ttl = &at, ttlSeconds(e.now(), at)
	}
	if in.Branch.Name != nil && *in.Branch.Name != b.Name {
		if err := p.checkBranchName(*in.Branch.Name); err != nil {
			return 0, nil, err
		}
		b.Name = *in.Branch.Name
	}
	if in.Branch.Protected != nil {
		if *in.Branch.Protected && expires != nil {
			return 0, nil, unprocessable("a branch that expires cannot be protected")
		}
		b.Protected = *in.Branch.Protected
	}
	b.Expires, b.TTL, b.Updated = expires, ttl, e.now()
	e.save()
	return http.StatusOK, fields{"branch": e.branchView(p, b), "operations": []*operation{}}, nil
}

func (e *Emulator) checkExpiry(b *branch, at time.Time) error {
	switch now := e.now(); {
	case !at.After(now):
		return badRequest("expires_at must lie ahead")
	case at.Sub(now) > maxExpiry:
		return badRequest("expires_at must lie within %d days", int(maxExpiry.Hours())/24)
	case b != nil && (b.Default || b.Protected):
		return unprocessable("the default branch and protected branches cannot expire")
	}
	return nil
}

func ttlSeconds(now, at time.Time) int64 { return int64(at.Sub(now).Round(time.Second).Seconds()) }

func (p *project) checkBranchName(name string) error {
	if name == "" || len(name) > 256 {
		return badRequest("a branch name has 1 to 256 characters")
	}
	for _, b := range p.Branches {
		if b.Name == name {
			return conflict("branch already exists; branch_name:%q", name)
		}
	}
	return nil
}

func (e *Emulator) setDefaultBranch(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, b, err := e.branchOf(r)
	if err != nil {
		return 0, nil, err
	}
	if b.Expires != nil {
		return 0, nil, unprocessable("a branch that expires cannot become the default")
	}
	if old := p.defaultBranch(); old != nil && old != b {
		old.Default, old.Updated = false, e.now()
	}
	b.Default, b.Updated = true, e.now()
	e.save()
	return http.StatusOK, fields{"branch": e.branchView(p, b), "operations": []*operation{}}, nil
}
