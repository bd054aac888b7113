package gcs

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"strings"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

const checkRights = "check the credentials and their permissions on the bucket"

// failure turns what the client said into the store's error.
func (s *Store) failure(op, key string, err error) *store.Error {
	var already *store.Error
	if errors.As(err, &already) {
		return already
	}
	kind, hint := s.judge(err)
	return &store.Error{Op: op, Key: key, Kind: kind, Hint: hint, Err: err}
}

func (s *Store) judge(err error) (kind error, hint string) {
	var (
		answer      *googleapi.Error
		token       *auth.Error
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, errSilent):
		return store.ErrUnavailable, "it did not answer, or too slowly: look at the network between here and " + s.Location()
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return store.ErrUnavailable, ""
	case errors.Is(err, storage.ErrBucketNotExist):
		return store.ErrDenied, s.noBucket()
	case errors.Is(err, storage.ErrObjectNotExist):
		return store.ErrNotFound, ""
	case errors.As(err, &token):
		if token.Response == nil || token.Temporary() {
			return store.ErrUnavailable, "the service that gives out tokens cannot be reached"
		}
		return store.ErrDenied, checkRights
	case errors.As(err, &answer):
		return s.judgeAnswer(answer)
	case errors.As(err, &certificate):
		return store.ErrDenied, "the server's certificate is not trusted: check the endpoint and the system's certificates"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return store.ErrInvalid, "the server does not speak TLS: the endpoint begins with http://, or it is another server's"
	// The client has no type for it.
	case strings.Contains(err.Error(), "bad CRC on read"):
		return store.ErrCorrupt, "read the copy in another vault"
	}
	return store.ErrUnavailable, ""
}

func (s *Store) judgeAnswer(answer *googleapi.Error) (kind error, hint string) {
	for _, item := range answer.Errors {
		switch item.Reason {
		case "quotaExceeded", "projectSuspended", "accountDisabled", "insufficientQuota":
			return store.ErrFull, "raise the quota, or settle the account"
		case "rateLimitExceeded", "userRateLimitExceeded":
			return store.ErrUnavailable, ""
		}
	}
	switch code := answer.Code; {
	case code == http.StatusPreconditionFailed:
		return store.ErrExists, ""
	case code == http.StatusNotFound:
		return store.ErrNotFound, ""
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return store.ErrDenied, checkRights
	case code == http.StatusInsufficientStorage:
		return store.ErrFull, "make room or raise the quota"
	case code == http.StatusConflict, code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		return store.ErrUnavailable, ""
	}
	return store.ErrInvalid, "the server takes such a request from nobody: check the endpoint (https or http) and the vault's settings"
}

func (s *Store) noBucket() string {
	return "there is no bucket " + s.cfg.Bucket + ": create it, or correct its name"
}
