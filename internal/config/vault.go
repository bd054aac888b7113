package config

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Vault is a place that holds backups: exactly one of S3, GCS and Dir.
type Vault struct {
	// Site is where the vault is; empty when it belongs to none.
	Site string `yaml:"site"`
	S3   *S3    `yaml:"s3"`
	GCS  *GCS   `yaml:"gcs"`
	Dir  *Dir   `yaml:"dir"`
	Lock Lock   `yaml:"lock"`
}

// S3 is a bucket that speaks S3's protocol.
type S3 struct {
	// Endpoint is a URL; empty means AWS.
	Endpoint  string `yaml:"endpoint"`
	Region    string `yaml:"region"`
	Bucket    string `yaml:"bucket"`
	Prefix    string `yaml:"prefix"`
	PathStyle bool   `yaml:"path_style"`
	// AccessKey and SecretKey are both set or both zero; zero means the SDK's default chain.
	AccessKey secret.Ref `yaml:"access_key"`
	SecretKey secret.Ref `yaml:"secret_key"`
	// StorageClass is the store's own name; empty is the bucket's default.
	StorageClass string `yaml:"storage_class"`
	SSE          SSE    `yaml:"sse"`
	// Checksum is what the store checks on arrival. It is always sent ahead of the body: checksums behind
	// it are refused by some providers.
	Checksum Checksum `yaml:"checksum"`
}

// Checksum is how a store is told what it ought to receive.
type Checksum string

// The checksums of uploads.
const (
	ChecksumSHA256 Checksum = "sha256"
	// ChecksumMD5 is for stores that do not know the newer headers.
	ChecksumMD5 Checksum = "md5"
)

// SSEMode is what the store is asked to encrypt with, besides our own encryption.
type SSEMode string

// The modes of server-side encryption.
const (
	SSENone SSEMode = "none"
	SSES3   SSEMode = "AES256"
	SSEKMS  SSEMode = "aws:kms"
)

// SSE is server-side encryption.
type SSE struct {
	Mode SSEMode `yaml:"mode"`
	// KMSKey is a key's id or ARN, for SSEKMS; empty is the account's default key.
	KMSKey string `yaml:"kms_key"`
	// BucketKey asks S3 for a key of the bucket, for SSEKMS: far fewer calls of KMS, which cost money and are
	// throttled.
	BucketKey bool `yaml:"bucket_key"`
}

// GCS is a bucket of Google Cloud Storage.
type GCS struct {
	Bucket string `yaml:"bucket"`
	Prefix string `yaml:"prefix"`
	// Endpoint is a URL; empty means Google's.
	Endpoint string `yaml:"endpoint"`
	// Credentials is a service account's key as JSON; zero means the SDK's default chain.
	Credentials secret.Ref `yaml:"credentials"`
	// StorageClass is Google's name; empty is the bucket's default.
	StorageClass string `yaml:"storage_class"`
	// KMSKey is the resource name of a Cloud KMS key to encrypt with, besides our own encryption; empty is
	// the bucket's default.
	KMSKey string `yaml:"kms_key"`
}

// Dir is a directory. It locks nothing: whoever may write there may also delete.
type Dir struct {
	Path Path `yaml:"path"`
}

// LockMode says who can delete a locked backup.
type LockMode string

// The modes of object locks.
const (
	// LockCompliance: nobody, for the whole of Retain.
	LockCompliance LockMode = "compliance"
	// LockGovernance: who holds a special right of the store.
	LockGovernance LockMode = "governance"
	// LockNone: whoever may delete in the vault.
	LockNone LockMode = "none"
)

// Lock is what keeps backups from being deleted.
type Lock struct {
	Mode LockMode `yaml:"mode"`
	// Retain is how long every object of a backup is locked, zero for LockNone.
	Retain time.Duration `yaml:"retain"`
}

func (s *S3) defaults() { s.Checksum = ChecksumSHA256 }

func (s *SSE) defaults() { s.Mode = SSENone }
