package neon

import (
	"net/http"
	"net/netip"
	"net/url"
)

// uri is the connection string of an endpoint. It is a secret.
func (e *Emulator) uri(ep *endpoint, r role, database string) string {
	host := ep.Address.String()
	if e.cfg.Port != defaultPort {
		host = netip.AddrPortFrom(ep.Address, e.cfg.Port).String()
	}
	u := url.URL{Scheme: "postgresql", User: url.UserPassword(r.Name, r.Password), Host: host, Path: "/" + database, RawQuery: "sslmode=require"}
	return u.String()
}

func (e *Emulator) connectionDetails(ep *endpoint, r role, database string) fields {
	host := ep.Address.String()
	return fields{
		"connection_uri": e.uri(ep, r, database),
		"connection_parameters": fields{
			"database": database, "password": r.Password, "role": r.Name, "host": host, "pooler_host": host,
		},
	}
}

// allConnectionDetails is one for each role with a password and its databases, as far as they can be told.
func (e *Emulator) allConnectionDetails(p *project, b *branch, endpoints []*endpoint) (list []fields) {
	if !p.StorePasswords {
		return nil
	}
	for _, ep := range endpoints {
		for _, d := range b.Databases {
			if r := b.role(d.Owner); r != nil && r.Password != "" {
				list = append(list, e.connectionDetails(ep, *r, d.Name))
			}
		}
	}
	return list
}

func (e *Emulator) connectionURI(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.findProject(r.PathValue("project_id"))
	if err != nil {
		return 0, nil, err
	}
	q := r.URL.Query()
	roleName, databaseName := q.Get("role_name"), q.Get("database_name")
	if roleName == "" || databaseName == "" {
		return 0, nil, badRequest("role_name and database_name are needed")
	}
	b := p.defaultBranch()
	if id := q.Get("branch_id"); id != "" {
		b = p.Branches[id]
		if b == nil {
			return 0, nil, notFound("branch", id)
		}
	}
	var ep *endpoint
	if id := q.Get("endpoint_id"); id != "" {
		ep = p.Endpoints[id]
		if ep == nil || (q.Get("branch_id") != "" && ep.BranchID != b.ID) {
			return 0, nil, notFound("endpoint", id)
		}
		b = p.Branches[ep.BranchID]
	} else if ep = p.writer(b.ID); ep == nil {
		list := p.endpointsOf(b.ID)
		if len(list) == 0 {
			return 0, nil, notFound("endpoint of branch", b.ID)
		}
		ep = list[0]
	}
	role := b.role(roleName)
	if role == nil {
		return 0, nil, notFound("role", roleName)
	}
	if b.database(databaseName) == nil {
		return 0, nil, notFound("database", databaseName)
	}
	shown := *role
	if !p.StorePasswords {
		shown.Password = ""
	}
	return http.StatusOK, fields{"uri": e.uri(ep, shown, databaseName)}, nil
}
