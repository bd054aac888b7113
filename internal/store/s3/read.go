package s3

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// Open implements [store.Store].
func (s *Store) Open(ctx context.Context, key, version string) (io.ReadCloser, store.Object, error) {
	if err := store.CheckKey("open", key); err != nil {
		return nil, store.Object{}, err
	}
	out, err := s.get(ctx, key, version)
	if err != nil {
		failed := s.failure("open", key, err)
		if version != unversioned || !errors.Is(failed, store.ErrNotFound) {
			return nil, store.Object{}, failed
		}
		// Some servers know this name only once there are others, see stat.
		if out, err = s.get(ctx, key, ""); err != nil {
			return nil, store.Object{}, s.failure("open", key, err)
		}
		if v := aws.ToString(out.VersionId); v != "" && v != unversioned {
			_ = out.Body.Close() // not what was asked for
			return nil, store.Object{}, failed
		}
	}
	o, _ := object(key, version, out.VersionId, out.ContentLength, out.ChecksumSHA256, out.LastModified, out.Metadata, out.ObjectLockRetainUntilDate)
	failed := func(err error) error { return s.failure("open", key, err) }
	return store.Verify(out.Body, o, failed), o, nil
}

func (s *Store) get(ctx context.Context, key, version string) (*s3.GetObjectOutput, error) {
	in := &s3.GetObjectInput{Bucket: aws.String(s.cfg.Bucket), Key: aws.String(s.cfg.Prefix + key)}
	if version != "" {
		in.VersionId = aws.String(version)
	}
	// The input's own field would make the SDK check the digest, too, with an error that has no type.
	return s.client.GetObject(ctx, in, s3.WithAPIOptions(smithyhttp.SetHeaderValue("X-Amz-Checksum-Mode", "ENABLED")))
}

// Stat implements [store.Store].
func (s *Store) Stat(ctx context.Context, key, version string) (store.Object, error) {
	if err := store.CheckKey("stat", key); err != nil {
		return store.Object{}, err
	}
	o, _, err := s.stat(ctx, "stat", key, version)
	return o, err
}

// stat also returns the id of the write. Its errors name the operation it is part of.
func (s *Store) stat(ctx context.Context, op, key, version string) (store.Object, string, error) {
	in := &s3.HeadObjectInput{
		Bucket: aws.String(s.cfg.Bucket), Key: aws.String(s.cfg.Prefix + key), ChecksumMode: types.ChecksumModeEnabled,
	}
	if version != "" {
		in.VersionId = aws.String(version)
	}
	out, err := s.client.HeadObject(ctx, in)
	if err != nil {
		failed := s.failure(op, key, s.reason(ctx, in, err))
		if version == unversioned && errors.Is(failed.Kind, store.ErrNotFound) {
			// In a bucket that never had versioning some servers do not know the name that S3 has for the
			// only version. What they hold is it, unless it has a name of its own.
			if o, id, err := s.stat(ctx, op, key, ""); err != nil || o.Version == unversioned {
				return o, id, err
			}
		}
		return store.Object{}, "", failed
	}
	o, id := object(key, version, out.VersionId, out.ContentLength, out.ChecksumSHA256, out.LastModified, out.Metadata, out.ObjectLockRetainUntilDate)
	return o, id, nil
}

// reason finds out why a HEAD was refused: its answer has no body to say whether the object or the whole
// bucket is missing, or whether the key, the clock or the region is wrong. A GET of one byte has.
func (s *Store) reason(ctx context.Context, in *s3.HeadObjectInput, refused error) error {
	var answer *smithyhttp.ResponseError
	if !errors.As(refused, &answer) || answer.HTTPStatusCode() >= 500 {
		return refused
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: in.Bucket, Key: in.Key, VersionId: in.VersionId, Range: aws.String("bytes=0-0"),
	})
	if err == nil {
		_ = out.Body.Close()
		return refused
	}
	return err
}

// object puts an answer's fields together and takes off what the store had added.
func object(key, asked string, version *string, size *int64, sum *string, modified *time.Time, metadata map[string]string, until *time.Time) (o store.Object, id string) {
	o = store.Object{
		Key: key, Version: aws.ToString(version), Size: aws.ToInt64(size), SHA256: hexSum(aws.ToString(sum)),
		Modified: aws.ToTime(modified), RetainUntil: aws.ToTime(until),
	}
	if o.Version == "" {
		o.Version = asked
	}
	if o.Version == "" {
		o.Version = unversioned
	}
	own := make(map[string]string, len(metadata))
	for name, value := range metadata {
		own[strings.ToLower(name)] = value
	}
	if o.SHA256 == "" {
		o.SHA256 = own[noteSHA256]
	}
	id = own[writeID]
	maps.DeleteFunc(own, func(name, _ string) bool { return name == writeID || name == noteSHA256 })
	if len(own) > 0 {
		o.Metadata = own
	}
	return o, id
}

// hexSum turns S3's base64 into hex. The digest of an object uploaded in parts is not one of its bytes
// (it ends in a dash and the number of parts) and counts as none.
func hexSum(b64 string) string {
	raw, err := base64.StdEncoding.DecodeString(b64)
	if err != nil || len(raw) != 32 {
		return ""
	}
	return hex.EncodeToString(raw)
}
