package neon

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// fields is a JSON object put together by hand. A nil page or an absent field is left out, never null.
type fields map[string]any

// handler answers with a status and a body, or an error.
type handler func(r *http.Request) (status int, body any, err error)

func (e *Emulator) routes() http.Handler {
	const (
		project   = "/projects/{project_id}"
		branch    = project + "/branches/{branch_id}"
		roleName  = branch + "/roles/{role_name}"
		database  = branch + "/databases/{database_name}"
		endpoint  = project + "/endpoints/{endpoint_id}"
		operation = project + "/operations/{operation_id}"
	)
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /regions":                         e.listRegions,
		"GET /projects":                        e.listProjects,
		"POST /projects":                       e.createProject,
		"GET " + project:                       e.getProject,
		"PATCH " + project:                     e.updateProject,
		"DELETE " + project:                    e.deleteProject,
		"GET " + project + "/operations":       e.listOperations,
		"GET " + operation:                     e.getOperation,
		"GET " + project + "/connection_uri":   e.connectionURI,
		"GET " + project + "/branches":         e.listBranches,
		"GET " + project + "/branches/count":   e.countBranches,
		"POST " + project + "/branches":        e.createBranch,
		"GET " + branch:                        e.getBranch,
		"PATCH " + branch:                      e.updateBranch,
		"DELETE " + branch:                     e.deleteBranch,
		"POST " + branch + "/set_as_default":   e.setDefaultBranch,
		"POST " + branch + "/restore":          e.restoreBranch,
		"GET " + branch + "/endpoints":         e.listBranchEndpoints,
		"GET " + branch + "/roles":             e.listRoles,
		"POST " + branch + "/roles":            e.createRole,
		"GET " + roleName:                      e.getRole,
		"DELETE " + roleName:                   e.deleteRole,
		"GET " + roleName + "/reveal_password": e.revealPassword,
		"POST " + roleName + "/reset_password": e.resetPassword,
		"GET " + branch + "/databases":         e.listDatabases,
		"POST " + branch + "/databases":        e.createDatabase,
		"GET " + database:                      e.getDatabase,
		"PATCH " + database:                    e.updateDatabase,
		"DELETE " + database:                   e.deleteDatabase,
		"GET " + project + "/endpoints":        e.listEndpoints,
		"POST " + project + "/endpoints":       e.createEndpoint,
		"GET " + endpoint:                      e.getEndpoint,
		"PATCH " + endpoint:                    e.updateEndpoint,
		"DELETE " + endpoint:                   e.deleteEndpoint,
		"POST " + endpoint + "/start":          e.startEndpoint,
		"POST " + endpoint + "/suspend":        e.suspendEndpoint,
		"POST " + endpoint + "/restart":        e.restartEndpoint,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" /api/v2"+path, e.serve(h))
	}
	e.adminRoutes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, r, &apiError{status: http.StatusNotFound, message: "the emulator does not know " + r.Method + " " + r.URL.Path})
	})
	return e.authenticate(e.faults.wrap(mux))
}

func (e *Emulator) authenticate(next http.Handler) http.Handler {
	want := []byte("Bearer " + e.cfg.APIKey)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			writeError(w, r, errNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (e *Emulator) serve(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, body, err := h(r)
		if err != nil {
			var known *apiError
			if !errors.As(err, &known) {
				e.log.Error("request to Neon emulator failed", "method", r.Method, "path", r.URL.Path, "error", err)
			}
			writeError(w, r, err)
			return
		}
		writeJSON(w, status, body)
	})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	if body == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone; there is nobody left to tell
}

func writeError(w http.ResponseWriter, r *http.Request, err error) {
	known := &apiError{status: http.StatusInternalServerError, message: "internal error: see the emulator's log"}
	errors.As(err, &known)
	id := r.Header.Get("X-Request-ID")
	if id == "" {
		id = uuid.NewString()
	}
	writeJSON(w, known.status, fields{"request_id": id, "code": known.code, "message": known.message})
}

// maxBody bounds a request's body, in bytes.
const maxBody = 1 << 20

// decode reads a JSON body. An empty one is fine where optional, and unknown fields are ignored, as at Neon.
func decode(r *http.Request, optional bool, into any) error {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return badRequest("cannot read the request's body: %v", err)
	}
	if len(b) == 0 && optional {
		return nil
	}
	if err := json.Unmarshal(b, into); err != nil {
		return badRequest("cannot decode the request's body: %v", err)
	}
	return nil
}

// cursor is the id of the last item of a page; empty when there is nothing after it.
type cursor string

// asCursor is how projects and operations page, asNext how branches do; nil when there is no further page.
func (c cursor) asCursor() any {
	if c == "" {
		return nil
	}
	return fields{"cursor": c}
}

// paginate cuts a page out of a sorted list.
func paginate[T any](r *http.Request, list []T, id func(T) string, limit, most int) ([]T, cursor, error) {
	q := r.URL.Query()
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > most {
			return nil, "", badRequest("limit must be between 1 and %d", most)
		}
		limit = n
	}
	if after := q.Get("cursor"); after != "" {
		i := slices.IndexFunc(list, func(item T) bool { return id(item) == after })
		list = list[i+1:] // from the start when the item has gone in the meantime
	}
	if len(list) <= limit {
		return list, "", nil
	}
	return list[:limit], cursor(id(list[limit-1])), nil
}

// MarshalJSON leaves out what is nil: Neon never answers null for an absent field.
func (f fields) MarshalJSON() ([]byte, error) {
	m := map[string]any{}
	for name, v := range f {
		if v != nil {
			m[name] = v
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return b, nil
}

func sortBy[T any](list []T, key func(T) string) {
	slices.SortFunc(list, func(a, b T) int { return strings.Compare(key(a), key(b)) })
}
