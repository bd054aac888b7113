package codec

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"

	"go.temporal.io/sdk/converter"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

// maxRequest bounds a request of the UI in bytes: a page of a history.
const maxRequest = 64 << 20

// Handler opens payloads for a Temporal UI in a browser. It is to be served on loopback only. Whoever asks
// presents the token, as a bearer or, because the UI sends nothing but a URL, as the first element of the
// path; browsers are answered only on pages of the given origins.
func Handler(keys workrecord.Keys, token secret.String, origins []string) (http.Handler, error) {
	c, err := New(keys)
	if err != nil {
		return nil, err
	}
	if token.Reveal() == "" {
		return nil, errors.New("serve codec: there is no token, and without one everybody could read")
	}
	open := converter.NewPayloadCodecHTTPHandler(c)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" {
			if !slices.Contains(origins, origin) {
				http.Error(w, "this page may not ask", http.StatusForbidden)
				return
			}
			h := w.Header()
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Allow-Methods", "POST, OPTIONS")
			h.Set("Access-Control-Allow-Headers", "authorization, content-type, x-namespace")
			h.Set("Access-Control-Allow-Credentials", "true")
			h.Set("Vary", "Origin")
		}
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		presented, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && bearer != "" {
			presented, rest = bearer, strings.TrimPrefix(r.URL.Path, "/")
		}
		if subtle.ConstantTimeCompare([]byte(presented), []byte(token.Reveal())) != 1 {
			http.Error(w, "the token is missing or wrong", http.StatusUnauthorized)
			return
		}
		inner := r.Clone(r.Context())
		inner.URL.Path, inner.URL.RawPath = "/"+rest, ""
		inner.Body = http.MaxBytesReader(w, r.Body, maxRequest)
		open.ServeHTTP(w, inner)
	}), nil
}
