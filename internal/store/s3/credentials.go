package s3

import (
	"context"
	"errors"
	"net"

	"github.com/aws/aws-sdk-go-v2/aws"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// credentials gives a type to the errors of a provider: a missing secret must not be retried for hours,
// a token service that is busy must not end a backup.
type credentials struct{ aws.CredentialsProvider }

func (c credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	got, err := c.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return got, &credentialsError{err}
	}
	return got, nil
}

type credentialsError struct{ cause error }

func (e *credentialsError) Error() string { return "get credentials: " + e.cause.Error() }
func (e *credentialsError) Unwrap() error { return e.cause }

func (e *credentialsError) judge() verdict {
	var network net.Error
	var answer *smithyhttp.ResponseError
	if errors.As(e.cause, &network) || errors.As(e.cause, &answer) && answer.HTTPStatusCode() >= 500 {
		return verdict{store.ErrUnavailable, "the service that gives out credentials cannot be reached"}
	}
	return verdict{store.ErrDenied, "no usable credentials: configure an access key, or the environment's own way (profile, role, token)"}
}
