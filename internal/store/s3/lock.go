package s3

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// Extend implements [store.Store]. A lock keeps its mode; a version without one gets the configured mode.
func (s *Store) Extend(ctx context.Context, key, version string, until time.Time) error {
	if err := store.CheckKey("extend", key); err != nil {
		return err
	}
	until = wholeSecond(until)
	if version == "" {
		// The lock is read, set and read again: all of it must be about one version.
		o, _, err := s.stat(ctx, "extend", key, "")
		if err != nil {
			return err
		}
		version = o.Version
	}
	present, err := s.retention(ctx, key, version)
	if err != nil {
		return err
	}
	if !until.After(present.until) {
		return nil
	}
	if present.mode == "" {
		if s.cfg.LockMode == LockNone {
			return &store.Error{Op: "extend", Key: key, Kind: store.ErrInvalid,
				Hint: "the version has no lock and the lock mode of " + s.Location() + " is none: set compliance or governance"}
		}
		present.mode = types.ObjectLockRetentionMode(s.cfg.LockMode.object())
	}
	_, err = s.client.PutObjectRetention(ctx, &s3.PutObjectRetentionInput{
		Bucket: aws.String(s.cfg.Bucket), Key: aws.String(s.cfg.Prefix + key), VersionId: aws.String(version),
		Retention: &types.ObjectLockRetention{Mode: present.mode, RetainUntilDate: aws.Time(until)},
	})
	if err != nil {
		return s.failure("extend", key, err)
	}
	now, err := s.retention(ctx, key, version)
	if err != nil {
		return err
	}
	if now.until.Before(until) {
		return &store.Error{Op: "extend", Key: key, Kind: store.ErrInvalid,
			Err:  fmt.Errorf("the lock was accepted until %s and reads back as %s", until.Format(time.RFC3339), now.until.Format(time.RFC3339)),
			Hint: s.Location() + " does not keep locks as S3 does: do not rely on it"}
	}
	return nil
}

type retention struct {
	mode  types.ObjectLockRetentionMode
	until time.Time
}

// retention of a version; a version without a lock has the zero retention.
func (s *Store) retention(ctx context.Context, key, version string) (retention, error) {
	out, err := s.client.GetObjectRetention(ctx, &s3.GetObjectRetentionInput{
		Bucket: aws.String(s.cfg.Bucket), Key: aws.String(s.cfg.Prefix + key), VersionId: aws.String(version),
	})
	if codeOf(err) == "NoSuchObjectLockConfiguration" {
		return retention{}, nil
	}
	if err != nil {
		return retention{}, s.failure("extend", key, err)
	}
	if out.Retention == nil {
		return retention{}, nil
	}
	return retention{mode: out.Retention.Mode, until: aws.ToTime(out.Retention.RetainUntilDate)}, nil
}

// Inspect implements [store.Store].
func (s *Store) Inspect(ctx context.Context) (store.Properties, error) {
	var p store.Properties
	bucket := aws.String(s.cfg.Bucket)
	v, err := s.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: bucket})
	switch {
	case err == nil:
		p.Versioning = v.Status == types.BucketVersioningStatusEnabled
	case unanswered(err):
		p.Unverified = append(p.Unverified, "versioning: the server does not say ("+codeOf(err)+"); allow s3:GetBucketVersioning")
	case codeOf(err) != "VersioningNotConfigured":
		return store.Properties{}, s.failure("inspect", "", err)
	}
	l, err := s.client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: bucket})
	switch {
	case err == nil:
		p.ObjectLock = l.ObjectLockConfiguration != nil && l.ObjectLockConfiguration.ObjectLockEnabled == types.ObjectLockEnabledEnabled
	case unanswered(err):
		p.Unverified = append(p.Unverified, "object lock: the server does not say ("+codeOf(err)+"); allow s3:GetBucketObjectLockConfiguration")
	case codeOf(err) != "ObjectLockConfigurationNotFoundError":
		return store.Properties{}, s.failure("inspect", "", err)
	}
	return p, nil
}

// unanswered says that the question was refused or is not known, which is not a no.
func unanswered(err error) bool {
	switch codeOf(err) {
	case "AccessDenied", "NotImplemented", "MethodNotAllowed":
		return true
	}
	return false
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
