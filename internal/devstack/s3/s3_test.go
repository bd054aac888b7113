package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	devs3 "github.com/lifeboat-dr/lifeboat/internal/devstack/s3"
)

func TestMain(m *testing.M) {
	if served, err := devs3.MaybeServe(); served {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

var writer = devs3.User{AccessKey: "writer", SecretKey: "writer-secret"}

func started(t *testing.T, dir string) *devs3.Server {
	t.Helper()
	s, err := devs3.StartChild(t.Context(), devs3.Config{Dir: dir, Users: []devs3.User{writer}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	err = s.CreateBucket(t.Context(), devs3.Bucket{Name: "vault", ObjectLock: true, Writers: []string{writer.AccessKey}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, c *s3.Client, key, body string, until time.Time) string {
	t.Helper()
	in := &s3.PutObjectInput{Bucket: aws.String("vault"), Key: aws.String(key), Body: bytes.NewReader([]byte(body))}
	if !until.IsZero() {
		in.ObjectLockMode, in.ObjectLockRetainUntilDate = types.ObjectLockModeCompliance, aws.Time(until)
	}
	out, err := c.PutObject(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.VersionId)
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

// A killed server comes back with its objects, versions, users and credentials.
func TestStateSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	s := started(t, dir)
	version := put(t, s.ClientOf(writer), "k", "first", time.Time{})
	put(t, s.ClientOf(writer), "k", "second", time.Time{})
	before := s.Config()
	s.Kill()

	s = started(t, dir)
	if s.Config().SecretKey != before.SecretKey {
		t.Error("the owner's secret changed")
	}
	out, err := s.ClientOf(writer).GetObject(t.Context(), &s3.GetObjectInput{
		Bucket: aws.String("vault"), Key: aws.String("k"), VersionId: aws.String(version),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if b, err := io.ReadAll(out.Body); err != nil || string(b) != "first" {
		t.Errorf("read %q, %v", b, err)
	}
}

// The writer can destroy nothing, and nobody can destroy what is under a compliance lock.
func TestRights(t *testing.T) {
	s := started(t, t.TempDir())
	version := put(t, s.ClientOf(writer), "k", "x", time.Now().Add(time.Hour))
	_, err := s.ClientOf(writer).DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("vault"), Key: aws.String("k")})
	if code(err) != "AccessDenied" {
		t.Errorf("a writer's delete: %v", err)
	}
	_, err = s.ClientOf(writer).DeleteObject(t.Context(), &s3.DeleteObjectInput{
		Bucket: aws.String("vault"), Key: aws.String("k"), VersionId: aws.String(version),
	})
	if code(err) != "AccessDenied" {
		t.Errorf("a writer's delete of a version: %v", err)
	}
	_, err = s.Client().DeleteObject(t.Context(), &s3.DeleteObjectInput{
		Bucket: aws.String("vault"), Key: aws.String("k"), VersionId: aws.String(version), BypassGovernanceRetention: aws.Bool(true),
	})
	if code(err) != "AccessDenied" {
		t.Errorf("the owner's delete of a locked version: %v", err)
	}
	_, err = s.ClientOf(devs3.User{AccessKey: "writer", SecretKey: "wrong"}).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("vault")})
	if code(err) != "SignatureDoesNotMatch" {
		t.Errorf("a wrong secret: %v", err)
	}
}

// An occupied address is an error that names it and the log, not a hang.
func TestOccupiedAddress(t *testing.T) {
	s := started(t, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := devs3.StartChild(ctx, devs3.Config{Dir: t.TempDir(), Address: s.Config().Address})
	if err == nil || ctx.Err() != nil {
		t.Fatalf("a second server on %s: %v", s.Config().Address, err)
	}
	t.Log(err)
}

func TestStop(t *testing.T) {
	s := started(t, t.TempDir())
	for range 2 { // stopping twice is harmless
		if err := s.Stop(20 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
}
