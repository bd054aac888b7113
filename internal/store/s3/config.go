// Package s3 is a vault's store in an S3 bucket: Amazon's, or any server that speaks the protocol with
// conditional writes (If-None-Match) and, for locked vaults, versioning and Object Lock.
//
// Every object is one PUT that carries the SHA-256 of the whole body as a header, so it is idempotent,
// checked by the server before it is stored, and needs none of the trailing checksums some servers
// refuse. Each PUT also carries a random id in the metadata [writeID] that no caller sees: it is how a
// write whose answer was lost is told from somebody else's write of the same bytes.
//
// The package never deletes, never overwrites and never shortens a lock, and needs these rights only:
// s3:PutObject, s3:GetObject, s3:GetObjectVersion, s3:ListBucket, s3:ListBucketVersions,
// s3:GetBucketVersioning and, with Object Lock, s3:PutObjectRetention, s3:GetObjectRetention and
// s3:GetBucketObjectLockConfiguration.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// LockMode is how strong a lock is.
type LockMode string

// Lock modes. Compliance cannot be lifted by anybody before its time, governance by those with the right.
const (
	LockNone       LockMode = "none"
	LockGovernance LockMode = "governance"
	LockCompliance LockMode = "compliance"
)

// Checksum is what the server gets to check a body with.
type Checksum string

const (
	// ChecksumSHA256 is kept by the server with the object and comes back with every read.
	ChecksumSHA256 Checksum = "sha256"
	// ChecksumMD5 is for servers that do not know the newer headers. The body is checked on arrival only;
	// the SHA-256 is kept as metadata, which is a note of ours, not a statement of the server.
	ChecksumMD5 Checksum = "md5"
)

// Config says which bucket and how. The zero values of all but Bucket and Region are usable.
type Config struct {
	Bucket string
	Region string
	// Endpoint is a URL, empty for Amazon's own.
	Endpoint string
	// PathStyle puts the bucket into the path instead of the host name; most other servers want it.
	PathStyle bool
	// Prefix is put before every key, for a vault that is a folder of a bucket.
	Prefix string
	// Credentials are asked whenever they are needed, so they may rotate. Nil is the default chain:
	// environment, shared files, web identity, instance role.
	Credentials aws.CredentialsProvider

	// LockMode is put on objects created with a time to retain until. Empty is [LockNone]: such a write fails.
	LockMode LockMode
	// Checksum is [ChecksumSHA256] when empty.
	Checksum Checksum
	// StorageClass such as STANDARD_IA; empty is the bucket's default.
	StorageClass string
	// Encryption at the server, on top of ours: "", "AES256" or "aws:kms" with KMSKey.
	Encryption string
	KMSKey     string
	// BucketKey lets the server derive keys from one of the bucket, for "aws:kms".
	BucketKey bool

	// Attempts of one request including the first, 5 when zero.
	Attempts int
	// Backoff is the longest pause between two attempts, 5 seconds when zero.
	Backoff time.Duration
	// Silence is how long a server may send nothing before the attempt fails, 2 minutes when zero. It
	// must leave time to send the largest body.
	Silence time.Duration
}

// Store is a bucket. It is safe for use by many goroutines.
type Store struct {
	cfg    Config
	client *s3.Client
}

var _ store.Store = (*Store)(nil)

// New makes a store. It sends nothing to the server; [Store.Inspect] does.
func New(ctx context.Context, cfg Config) (*Store, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	opts := []func(*config.LoadOptions) error{
		config.WithRegion(cfg.Region),
		config.WithHTTPClient(cfg.transport()),
		config.WithRetryer(cfg.retryer),
	}
	if cfg.Credentials != nil {
		opts = append(opts, config.WithCredentialsProvider(cfg.Credentials))
	}
	loaded, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, &store.Error{Op: "configure", Key: cfg.Bucket, Kind: store.ErrInvalid, Err: err, Hint: "check the shared AWS configuration files and variables"}
	}
	loaded.Credentials = credentials{loaded.Credentials}
	client := s3.NewFromConfig(loaded, func(o *s3.Options) {
		if cfg.Endpoint != "" {
			o.BaseEndpoint = aws.String(cfg.Endpoint)
		}
		o.UsePathStyle = cfg.PathStyle
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		// What matters is in the errors; the SDK would write the rest to standard error.
		o.Logger = logging.Nop{}
	})
	return &Store{cfg: cfg, client: client}, nil
}

// validate fills in defaults and refuses what cannot be right.
func (c *Config) validate() error {
	wrong := func(format string, args ...any) error {
		return &store.Error{Op: "configure", Key: c.Bucket, Kind: store.ErrInvalid, Hint: fmt.Sprintf(format, args...)}
	}
	if c.Bucket == "" {
		return wrong("name the bucket")
	}
	if c.Region == "" {
		return wrong("name the region; most servers other than Amazon's want us-east-1")
	}
	if c.Endpoint != "" && !strings.HasPrefix(c.Endpoint, "https://") && !strings.HasPrefix(c.Endpoint, "http://") {
		return wrong("the endpoint must start with https:// or http://")
	}
	if c.Prefix != "" {
		c.Prefix = strings.TrimSuffix(c.Prefix, "/")
		if err := store.CheckKey("configure", c.Prefix); err != nil {
			return err
		}
		c.Prefix += "/"
		if len(c.Prefix) > maxPrefix {
			return wrong("the prefix has at most %d bytes", maxPrefix)
		}
	}
	switch c.LockMode {
	case "":
		c.LockMode = LockNone
	case LockNone, LockGovernance, LockCompliance:
	default:
		return wrong("the lock mode is one of none, governance and compliance, not %q", c.LockMode)
	}
	switch c.Checksum {
	case "":
		c.Checksum = ChecksumSHA256
	case ChecksumSHA256, ChecksumMD5:
	default:
		return wrong("the checksum is one of sha256 and md5, not %q", c.Checksum)
	}
	switch types.ServerSideEncryption(c.Encryption) {
	case "", types.ServerSideEncryptionAes256:
		if c.KMSKey != "" {
			return wrong("a KMS key needs the encryption aws:kms")
		}
		if c.BucketKey {
			return wrong("a bucket key needs the encryption aws:kms")
		}
	case types.ServerSideEncryptionAwsKms:
	default:
		return wrong("the encryption is one of AES256 and aws:kms, not %q", c.Encryption)
	}
	if c.Attempts == 0 {
		c.Attempts = 5
	}
	if c.Backoff == 0 {
		c.Backoff = 5 * time.Second
	}
	if c.Silence == 0 {
		c.Silence = 2 * time.Minute
	}
	return nil
}

// maxPrefix keeps prefix and key together below S3's 1024 bytes.
const maxPrefix = 100

func (c *Config) transport() aws.HTTPClient {
	return awshttp.NewBuildableClient().WithReadTimeout(c.Silence).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConnsPerHost = 64
		// The silence of an idle connection counts: what is left of it must be enough for a whole body.
		t.IdleConnTimeout = c.Silence / 4
		// Bodies are sealed; asking for compression would only cost time and hide lengths.
		t.DisableCompression = true
	})
}

// retryer repeats what may go better the next time. There is no budget shared between requests: hundreds
// of chunks that are throttled together must not use up each other's attempts.
func (c *Config) retryer() aws.Retryer {
	r := retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = c.Attempts
		o.MaxBackoff = c.Backoff
		o.RateLimiter = ratelimit.None
		o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(hopeless)}, o.Retryables...)
	})
	// 409 answers a write that met another write of the same key: the next attempt gets a clear answer.
	return retry.AddWithErrorCodes(r, "ConditionalRequestConflict", "OperationAborted", "BadDigest", "XAmzContentSHA256Mismatch")
}

// hopeless are the errors of connections that no further attempt mends, which the SDK takes for any other's.
func hopeless(err error) aws.Ternary {
	if codeOf(err) == "" && !errors.Is(unanswerable(err).kind, store.ErrUnavailable) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// Location implements [store.Store].
func (s *Store) Location() string {
	l := "s3://" + s.cfg.Bucket
	if s.cfg.Prefix != "" {
		l += "/" + strings.TrimSuffix(s.cfg.Prefix, "/")
	}
	if s.cfg.Endpoint != "" {
		return fmt.Sprintf("%s (%s at %s)", l, s.cfg.Region, hostOf(s.cfg.Endpoint))
	}
	return fmt.Sprintf("%s (%s)", l, s.cfg.Region)
}
