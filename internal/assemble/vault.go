package assemble

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/dir"
	"github.com/lifeboat-dr/lifeboat/internal/store/gcs"
	"github.com/lifeboat-dr/lifeboat/internal/store/s3"
)

// vault makes a vault's store. A new store is one line here and a package of its own.
func vault(ctx context.Context, name string, v config.Vault) (activities.Vault, error) {
	var s store.Store
	var err error
	switch {
	case v.S3 != nil:
		s, err = s3Store(ctx, v)
	case v.GCS != nil:
		s, err = gcsStore(ctx, v)
	case v.Dir != nil:
		s, err = dirStore(string(v.Dir.Path))
	}
	if err != nil {
		return activities.Vault{}, err
	}
	made := activities.Vault{Name: name, Site: v.Site, Store: s, Retain: v.Lock.Retain}
	if v.Lock.Mode == config.LockNone || v.Lock.Mode == "" {
		made.Retain = 0
	}
	return made, nil
}

func s3Store(ctx context.Context, v config.Vault) (store.Store, error) {
	cfg := s3.Config{
		Bucket: v.S3.Bucket, Region: v.S3.Region, Endpoint: v.S3.Endpoint, PathStyle: v.S3.PathStyle, Prefix: v.S3.Prefix,
		LockMode: s3.LockMode(v.Lock.Mode), Checksum: s3.Checksum(v.S3.Checksum), StorageClass: v.S3.StorageClass, KMSKey: v.S3.SSE.KMSKey, BucketKey: v.S3.SSE.BucketKey,
	}
	if v.S3.SSE.Mode != config.SSENone {
		cfg.Encryption = string(v.S3.SSE.Mode)
	}
	if !v.S3.AccessKey.IsZero() {
		cfg.Credentials = staticKeys(v.S3.AccessKey, v.S3.SecretKey)
	}
	return s3.New(ctx, cfg)
}

// staticKeys reads the keys when they are needed: a process without this vault's keys may still know of it.
func staticKeys(access, secretKey secret.Ref) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		id, err := access.Resolve()
		if err != nil {
			return aws.Credentials{}, fmt.Errorf("access_key: %w", err)
		}
		key, err := secretKey.Resolve()
		if err != nil {
			return aws.Credentials{}, fmt.Errorf("secret_key: %w", err)
		}
		return aws.Credentials{AccessKeyID: id.Reveal(), SecretAccessKey: key.Reveal(), Source: "configuration"}, nil
	})
}

func gcsStore(ctx context.Context, v config.Vault) (store.Store, error) {
	cfg := gcs.Config{Bucket: v.GCS.Bucket, Prefix: v.GCS.Prefix, Endpoint: v.GCS.Endpoint, LockMode: gcsLock(v.Lock.Mode),
		StorageClass: v.GCS.StorageClass, KMSKey: v.GCS.KMSKey,
	}
	if !v.GCS.Credentials.IsZero() {
		key, err := v.GCS.Credentials.Resolve()
		if err != nil {
			return nil, fmt.Errorf("credentials: %w", err)
		}
		cfg.Credentials = []byte(key.Reveal())
	}
	return gcs.New(ctx, cfg)
}

// gcsLock is Google's word for a lock mode: locked retention is what compliance is, unlocked what
// governance is.
func gcsLock(mode config.LockMode) gcs.LockMode {
	switch mode {
	case config.LockCompliance:
		return gcs.LockLocked
	case config.LockGovernance:
		return gcs.LockUnlocked
	}
	return gcs.LockNone
}

func dirStore(path string) (store.Store, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	return dir.Open(path)
}
