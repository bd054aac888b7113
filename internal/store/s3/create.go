package s3

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // for servers that know no better; our own digest is SHA-256
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// Metadata the store adds and takes off again.
const (
	// writeID is different in every call of Create and the same in all attempts of one.
	writeID = "lifeboat-write"
	// noteSHA256 is the digest where the server keeps none.
	noteSHA256 = "lifeboat-sha256"
)

// unversioned is what S3 calls the only version of an object in a bucket without versioning.
const unversioned = "null"

// Create implements [store.Store].
func (s *Store) Create(ctx context.Context, key string, body []byte, opt store.CreateOptions) (store.Object, error) {
	if err := store.CheckCreate(key, body, opt); err != nil {
		return store.Object{}, err
	}
	if !opt.RetainUntil.IsZero() && s.cfg.LockMode == LockNone {
		return store.Object{}, &store.Error{Op: "create", Key: key, Kind: store.ErrInvalid,
			Hint: "a lock was asked for and the lock mode of " + s.Location() + " is none: set compliance or governance"}
	}
	sum := sha256.Sum256(body)
	w := write{id: rand.Text(), sha256: hex.EncodeToString(sum[:]), until: wholeSecond(opt.RetainUntil)}
	in := s.putInput(key, body, sum, w, opt)
	out, err := s.client.PutObject(ctx, in, s3.WithAPIOptions(payloadHash(w.sha256)))
	if err != nil {
		return s.lookAgain(ctx, key, w, s.failure("create", key, err))
	}
	o := store.Object{
		Key: key, Version: aws.ToString(out.VersionId), Size: int64(len(body)), SHA256: w.sha256,
		Metadata: maps.Clone(opt.Metadata), RetainUntil: w.until,
	}
	if o.Version == "" {
		o.Version = unversioned
	}
	// A PUT is not told the time of the version; the server's clock at the answer is within the second.
	if o.Modified, _ = awsmiddleware.GetServerTime(out.ResultMetadata); o.Modified.IsZero() {
		o.Modified = time.Now()
	}
	return o, nil
}

// write is what one call of Create wants there to be.
type write struct {
	id     string
	sha256 string
	until  time.Time
}

func (s *Store) putInput(key string, body []byte, sum [sha256.Size]byte, w write, opt store.CreateOptions) *s3.PutObjectInput {
	metadata := map[string]string{writeID: w.id}
	maps.Copy(metadata, opt.Metadata)
	in := &s3.PutObjectInput{
		Bucket:               aws.String(s.cfg.Bucket),
		Key:                  aws.String(s.cfg.Prefix + key),
		Body:                 bytes.NewReader(body),
		ContentLength:        aws.Int64(int64(len(body))),
		ContentType:          aws.String("application/octet-stream"),
		IfNoneMatch:          aws.String("*"),
		Metadata:             metadata,
		StorageClass:         types.StorageClass(s.cfg.StorageClass),
		ServerSideEncryption: types.ServerSideEncryption(s.cfg.Encryption),
	}
	if opt.ContentType != "" {
		in.ContentType = aws.String(opt.ContentType)
	}
	if s.cfg.KMSKey != "" {
		in.SSEKMSKeyId = aws.String(s.cfg.KMSKey)
	}
	if s.cfg.BucketKey {
		in.BucketKeyEnabled = aws.Bool(true)
	}
	if s.cfg.Checksum == ChecksumSHA256 {
		in.ChecksumSHA256 = aws.String(base64.StdEncoding.EncodeToString(sum[:]))
	} else {
		metadata[noteSHA256] = w.sha256
	}
	// Older servers insist on Content-MD5 for a lock, whatever other checksum there is.
	if s.cfg.Checksum == ChecksumMD5 || !w.until.IsZero() {
		old := md5.Sum(body) //nolint:gosec // see the import
		in.ContentMD5 = aws.String(base64.StdEncoding.EncodeToString(old[:]))
	}
	if !w.until.IsZero() {
		in.ObjectLockMode = s.cfg.LockMode.object()
		in.ObjectLockRetainUntilDate = aws.Time(w.until)
	}
	return in
}

// payloadHash gives the signer the digest we have, so that a body is not hashed twice.
func payloadHash(sha256 string) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("LifeboatPayloadHash",
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				return next.HandleInitialize(v4.SetPayloadHash(ctx, sha256), in)
			}), middleware.After)
	}
}

// lookAgain finds out whether a write that failed happened all the same: an answer may be lost on any
// attempt, and then the next one meets our own object.
func (s *Store) lookAgain(ctx context.Context, key string, w write, failed *store.Error) (store.Object, error) {
	exists := errors.Is(failed, store.ErrExists)
	if !exists && !errors.Is(failed, store.ErrUnavailable) || ctx.Err() != nil {
		return store.Object{}, failed
	}
	o, id, err := s.stat(ctx, "create", key, "")
	switch {
	case err == nil && id == w.id && o.SHA256 == w.sha256:
		return o, nil
	case err == nil:
		return store.Object{}, &store.Error{Op: "create", Key: key, Kind: store.ErrExists, Err: failed.Err}
	case exists && errors.Is(err, store.ErrDenied):
		failed.Hint = "these credentials may not read it, so whose it is could not be found out: allow s3:GetObject"
	case exists && errors.Is(err, store.ErrNotFound):
		failed.Hint = "it is hidden by a delete marker: look at the versions of this key"
	case exists:
		return store.Object{}, &store.Error{Op: "create", Key: key, Kind: store.ErrUnavailable, Err: err}
	}
	return store.Object{}, failed
}

// wholeSecond rounds up: S3 keeps seconds, and a lock must not end before it was asked to.
func wholeSecond(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	t = t.UTC()
	if r := t.Truncate(time.Second); !r.Equal(t) {
		return r.Add(time.Second)
	}
	return t
}

func (m LockMode) object() types.ObjectLockMode {
	if m == LockGovernance {
		return types.ObjectLockModeGovernance
	}
	return types.ObjectLockModeCompliance
}
