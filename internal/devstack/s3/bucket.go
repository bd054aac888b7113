package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// Bucket is a bucket with the rights of users in it.
type Bucket struct {
	Name string
	// ObjectLock brings versioning with it and can only be chosen when the bucket is created.
	ObjectLock bool
	// Versioning keeps older versions. A witness's bucket has neither.
	Versioning bool
	// Writers are access keys that may create, read, list, and lengthen locks, and may not delete.
	Writers []string
	// Readers are access keys that may read and list.
	Readers []string
}

var (
	readBucket = []string{
		"s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration",
	}
	readObject  = []string{"s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention"}
	writeObject = []string{"s3:PutObject", "s3:PutObjectRetention"}
)

// CreateBucket makes the bucket, or brings the rights of an existing one up to date. It is safe to repeat.
func (s *Server) CreateBucket(ctx context.Context, b Bucket) error {
	c := s.Client()
	_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{
		Bucket: aws.String(b.Name), ObjectLockEnabledForBucket: aws.Bool(b.ObjectLock),
	})
	var owned *types.BucketAlreadyOwnedByYou
	var api smithy.APIError
	exists := errors.As(err, &owned) || errors.As(err, &api) && api.ErrorCode() == "BucketAlreadyExists"
	if err != nil && !exists {
		return fmt.Errorf("create bucket %s: %w", b.Name, err)
	}
	if b.Versioning && !b.ObjectLock {
		_, err := c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
			Bucket:                  aws.String(b.Name),
			VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
		})
		if err != nil {
			return fmt.Errorf("enable versioning of bucket %s: %w", b.Name, err)
		}
	}
	policy, err := b.policy()
	if err != nil || policy == "" {
		return err
	}
	if _, err := c.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String(b.Name), Policy: aws.String(policy)}); err != nil {
		return fmt.Errorf("give users rights in bucket %s: %w", b.Name, err)
	}
	return nil
}

// Client speaks to the server as its owner. Tests use it to play the attacker; the engine never does.
func (s *Server) Client() *s3.Client { return s.ClientOf(User{s.cfg.AccessKey, s.cfg.SecretKey}) }

// ClientOf speaks to the server as a user.
func (s *Server) ClientOf(u User) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.Endpoint()),
		Region:       s.cfg.Region,
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(u.AccessKey, u.SecretKey, ""),
	})
}

func (b Bucket) policy() (string, error) {
	type statement struct {
		Effect    string
		Principal map[string][]string
		Action    []string
		Resource  string
	}
	var all []statement
	allow := func(users, actions []string, resource string) {
		if len(users) > 0 {
			all = append(all, statement{"Allow", map[string][]string{"AWS": users}, actions, "arn:aws:s3:::" + resource})
		}
	}
	everyone := append(append([]string{}, b.Writers...), b.Readers...)
	allow(everyone, readBucket, b.Name)
	allow(everyone, readObject, b.Name+"/*")
	allow(b.Writers, writeObject, b.Name+"/*")
	if len(all) == 0 {
		return "", nil
	}
	j, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": all})
	if err != nil {
		return "", fmt.Errorf("write policy of bucket %s: %w", b.Name, err)
	}
	return string(j), nil
}
