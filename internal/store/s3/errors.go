package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

type verdict struct {
	kind error
	hint string
}

const (
	checkRights = "check the credentials and their rights in the bucket"
	makeRoom    = "make room or raise the quota"
	otherRegion = "the bucket is in another region: correct the region"
	refused     = "the server takes such a request from nobody: check the endpoint (https or http), the region and the vault's settings"
	noLocks     = "Object Lock is off in this bucket, and can only be chosen when a bucket is made: make another one, or set the vault's lock mode to none"
)

// byCode is what servers say and what it means here. Codes come first: a status is shared by many.
var byCode = map[string]verdict{
	"NoSuchKey":        {store.ErrNotFound, ""},
	"NoSuchVersion":    {store.ErrNotFound, ""},
	"NotFound":         {store.ErrNotFound, ""},
	"MethodNotAllowed": {store.ErrNotFound, "this version is a delete marker"},

	"PreconditionFailed":         {store.ErrExists, ""},
	"ConditionalRequestConflict": {store.ErrUnavailable, ""},
	"OperationAborted":           {store.ErrUnavailable, ""},

	"AccessDenied":          {store.ErrDenied, checkRights},
	"AllAccessDisabled":     {store.ErrDenied, checkRights},
	"InvalidAccessKeyId":    {store.ErrDenied, "the server does not know this access key"},
	"SignatureDoesNotMatch": {store.ErrDenied, "the secret key is wrong, or the endpoint is another server's"},
	"ExpiredToken":          {store.ErrDenied, "the temporary credentials have expired"},
	"RequestTimeTooSkewed":  {store.ErrDenied, "this machine's clock and the server's differ too much: set the clock"},
	"InvalidObjectState":    {store.ErrDenied, "the object is in an archive class: restore it first"},
	"KMS.DisabledException": {store.ErrDenied, "the bucket's KMS key is disabled"},
	"KMS.NotFoundException": {store.ErrDenied, "the bucket's KMS key is gone"},

	"PermanentRedirect":            {store.ErrInvalid, otherRegion},
	"AuthorizationHeaderMalformed": {store.ErrInvalid, otherRegion},

	"QuotaExceeded":                  {store.ErrFull, makeRoom},
	"InsufficientStorage":            {store.ErrFull, makeRoom},
	"InsufficientCapacity":           {store.ErrFull, makeRoom},
	"XMinioStorageFull":              {store.ErrFull, makeRoom},
	"XMinioAdminBucketQuotaExceeded": {store.ErrFull, makeRoom},

	"RequestTimeout":            {store.ErrUnavailable, ""},
	"BadDigest":                 {store.ErrUnavailable, "the body was damaged on the way"},
	"XAmzContentSHA256Mismatch": {store.ErrUnavailable, "the body was damaged on the way"},
	"IncompleteBody":            {store.ErrUnavailable, ""},
}

var byStatus = map[int]verdict{
	http.StatusMovedPermanently:    {store.ErrInvalid, otherRegion},
	http.StatusUnauthorized:        {store.ErrDenied, checkRights},
	http.StatusForbidden:           {store.ErrDenied, checkRights},
	http.StatusNotFound:            {store.ErrNotFound, ""},
	http.StatusMethodNotAllowed:    {store.ErrNotFound, ""},
	http.StatusRequestTimeout:      {store.ErrUnavailable, ""},
	http.StatusConflict:            {store.ErrUnavailable, ""},
	http.StatusPreconditionFailed:  {store.ErrExists, ""},
	http.StatusTooManyRequests:     {store.ErrUnavailable, ""},
	http.StatusNotImplemented:      {store.ErrInvalid, "the server does not know this request"},
	http.StatusInsufficientStorage: {store.ErrFull, makeRoom},
}

// failure turns what the client said into the store's error.
func (s *Store) failure(op, key string, err error) *store.Error {
	var already *store.Error
	if errors.As(err, &already) {
		return already
	}
	v := s.judge(err)
	var outer *smithy.OperationError
	if errors.As(err, &outer) {
		err = outer.Err // ours says the operation already
	}
	return &store.Error{Op: op, Key: key, Kind: v.kind, Hint: v.hint, Err: err}
}

func (s *Store) judge(err error) verdict {
	var c *credentialsError
	if errors.As(err, &c) {
		return c.judge()
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return verdict{kind: store.ErrUnavailable}
	}
	code := codeOf(err)
	if code == "NoSuchBucket" || code == "InvalidBucketName" {
		return verdict{store.ErrDenied, s.noBucket()}
	}
	if v, ok := byCode[code]; ok {
		return v
	}
	if strings.HasPrefix(code, "InvalidRe") && says(err, "object lock", "objectlock") {
		return verdict{store.ErrInvalid, noLocks}
	}
	if code == "InvalidArgument" && says(err, "version id") {
		// An id that this server cannot have given is one it does not have.
		return verdict{store.ErrNotFound, "the version id is not one of this server's"}
	}
	var answer *smithyhttp.ResponseError
	// The SDK makes an answer with status 0 of a request that got none.
	if errors.As(err, &answer) && answer.HTTPStatusCode() != 0 {
		status := answer.HTTPStatusCode()
		if v, ok := byStatus[status]; ok {
			return v
		}
		if status >= 400 && status < 500 {
			return verdict{store.ErrInvalid, refused}
		}
		return verdict{kind: store.ErrUnavailable}
	}
	return unanswerable(err)
}

// says looks for words in a message whose code alone is shared by too much.
func says(err error, any ...string) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	message := strings.ToLower(api.ErrorMessage())
	return slices.ContainsFunc(any, func(words string) bool { return strings.Contains(message, words) })
}

// unanswerable is for requests that got no answer: most may get one later, these will not.
func unanswerable(err error) verdict {
	var (
		certificate *tls.CertificateVerificationError
		unknown     x509.UnknownAuthorityError
		record      tls.RecordHeaderError
		address     *url.Error
		name        *net.DNSError
	)
	switch {
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return verdict{store.ErrInvalid, "the server does not speak TLS: the endpoint begins with http://, or it is another server's"}
	case errors.As(err, &name) && name.IsNotFound:
		// A name server may be wrong for a while, so this is waited for.
		return verdict{store.ErrUnavailable, "nobody knows the host " + name.Name + ": check the endpoint and the name server"}
	case errors.As(err, &certificate), errors.As(err, &unknown):
		return verdict{store.ErrDenied, "the server's certificate is not trusted: check the endpoint and the system's certificates"}
	case errors.As(err, &address) && address.Op == "parse":
		return verdict{store.ErrInvalid, "the endpoint is not a URL"}
	}
	return verdict{kind: store.ErrUnavailable}
}

func (s *Store) noBucket() string {
	return "there is no bucket " + s.cfg.Bucket + " at " + s.Location() + ": create it, or correct its name, region or endpoint"
}

// hostOf keeps a password somebody may have put into an endpoint out of messages.
func hostOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "an unreadable endpoint"
	}
	return u.Host
}
