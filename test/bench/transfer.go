package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"
)

// What peers' pipes end in: the SDK's own transfer manager for uploads, plain requests for downloads, as a program. The AWS CLI takes a second to start and
// most of a core to upload, which would be measured instead of the peer; only "classic" is defined to use it.

// sink is the peers' bucket, as their environment describes it.
func sink() (*s3.Client, string) {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(os.Getenv("BENCH_S3_ENDPOINT")), Region: os.Getenv("AWS_DEFAULT_REGION"), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
	}), os.Getenv("BENCH_S3_BUCKET")
}

func transfers() (*transfermanager.Client, *string) {
	client, bucket := sink()
	return transfermanager.New(client), aws.String(bucket)
}

// put stores a stream as one object.
func put(ctx context.Context, key string, from io.Reader) error {
	manager, bucket := transfers()
	if _, err := manager.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: bucket, Key: &key, Body: from}); err != nil {
		return fmt.Errorf("store object: %w", err)
	}
	return nil
}

// putDir stores the files of a folder, several at a time.
func putDir(ctx context.Context, dir, prefix string) error {
	manager, bucket := transfers()
	out, err := manager.UploadDirectory(ctx, &transfermanager.UploadDirectoryInput{Bucket: bucket, Source: &dir, KeyPrefix: &prefix})
	if err != nil {
		return fmt.Errorf("store folder: %w", err)
	}
	if out.ObjectsFailed > 0 {
		return fmt.Errorf("store folder: %d files could not be stored", out.ObjectsFailed)
	}
	return nil
}

// get writes an object to a stream, by one request. The transfer manager's downloads, which fetch parts at the same
// time, stood still for ever now and then.
func get(ctx context.Context, key string, to io.Writer) error {
	client, bucket := sink()
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return fmt.Errorf("get object: %w", err)
	}
	defer out.Body.Close()
	if _, err := io.Copy(to, out.Body); err != nil {
		return fmt.Errorf("get object: %w", err)
	}
	return nil
}

// together is how many objects of a folder are fetched at the same time: as many as pg_restore has jobs.
const together = 2

// getDir fetches all objects below a prefix into a folder.
func getDir(ctx context.Context, prefix, dir string) error {
	client, bucket := sink()
	prefix = path.Clean(prefix) + "/"
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(together)
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return errors.Join(fmt.Errorf("list folder: %w", err), group.Wait())
		}
		for _, o := range page.Contents {
			group.Go(func() error { return getFile(ctx, *o.Key, filepath.Join(dir, strings.TrimPrefix(*o.Key, prefix))) })
		}
	}
	return group.Wait()
}

func getFile(ctx context.Context, key, name string) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("get folder: %w", err)
	}
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("get folder: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return get(ctx, key, file)
}

// stored is how many bytes lie below a prefix of a bucket.
func stored(ctx context.Context, client *s3.Client, bucket, prefix string) (sum int64, err error) {
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: aws.String(path.Clean(prefix) + "/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, fmt.Errorf("list what was stored: %w", err)
		}
		for _, o := range page.Contents {
			sum += aws.ToInt64(o.Size)
		}
	}
	return sum, nil
}
