package neon

import (
	"fmt"
	"net/http"
	"time"
)

// adminRoutes are the emulator's own, behind the same key:
//
//	GET    /emulator/faults                      what is armed
//	POST   /emulator/faults                      arm a [Fault]
//	DELETE /emulator/faults                      disarm all
//	POST   /emulator/check_availability          {project_id, endpoint_id, seconds}, see [Emulator.CheckAvailability]
//	GET    /emulator/superuser_uri?project_id=…&branch_id=…&database_name=…
func (e *Emulator) adminRoutes(mux *http.ServeMux) {
	mux.Handle("GET /emulator/faults", e.serve(func(*http.Request) (int, any, error) {
		return http.StatusOK, fields{"faults": e.faults.list()}, nil
	}))
	mux.Handle("POST /emulator/faults", e.serve(func(r *http.Request) (int, any, error) {
		var f Fault
		if err := decode(r, false, &f); err != nil {
			return 0, nil, err
		}
		if err := e.faults.add(f); err != nil {
			return 0, nil, badRequest("%v", err)
		}
		return http.StatusNoContent, nil, nil
	}))
	mux.Handle("DELETE /emulator/faults", e.serve(func(*http.Request) (int, any, error) {
		e.faults.clear()
		return http.StatusNoContent, nil, nil
	}))
	mux.Handle("POST /emulator/check_availability", e.serve(func(r *http.Request) (int, any, error) {
		var in struct {
			ProjectID  string  `json:"project_id"`
			EndpointID string  `json:"endpoint_id"`
			Seconds    float64 `json:"seconds"`
		}
		if err := decode(r, false, &in); err != nil {
			return 0, nil, err
		}
		if err := e.CheckAvailability(in.ProjectID, in.EndpointID, time.Duration(in.Seconds*float64(time.Second))); err != nil {
			return 0, nil, err
		}
		return http.StatusNoContent, nil, nil
	}))
	mux.Handle("GET /emulator/superuser_uri", e.serve(func(r *http.Request) (int, any, error) {
		q := r.URL.Query()
		uri, err := e.SuperuserURL(q.Get("project_id"), q.Get("branch_id"), q.Get("database_name"))
		if err != nil {
			return 0, nil, &apiError{status: http.StatusConflict, message: err.Error()}
		}
		return http.StatusOK, fields{"uri": uri}, nil
	}))
}

// CheckAvailability does what Neon does now and then to suspended and disabled endpoints: it opens one for a
// while, so that whoever took "disabled" for a fence finds out.
func (e *Emulator) CheckAvailability(projectID, endpointID string, open time.Duration) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.findProject(projectID)
	if err != nil {
		return fmt.Errorf("check availability: %w", err)
	}
	ep := p.Endpoints[endpointID]
	if ep == nil {
		return fmt.Errorf("check availability: %w", notFound("endpoint", endpointID))
	}
	ep.probed = time.Now().Add(open)
	start := e.startStep(p, ep)
	start.action = "check_availability"
	e.schedule(p, []step{start}, nil)
	return nil
}
