// Package replicate copies backups between real vaults with the real activities, in every trouble there is: what
// counts in a replica is whole, what is there is not copied again, and what is not the backup's is never taken for it.
package replicate

import (
	"bytes"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/fsouza/fake-gcs-server/fakestorage"

	"github.com/lifeboat-dr/lifeboat/activities"
	devs3 "github.com/lifeboat-dr/lifeboat/internal/devstack/s3"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/fault"
	"github.com/lifeboat-dr/lifeboat/internal/store/gcs"
	"github.com/lifeboat-dr/lifeboat/internal/store/s3"
	"github.com/lifeboat-dr/lifeboat/internal/store/storetest"
	"github.com/lifeboat-dr/lifeboat/test/lab"
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

// retain is how long the vaults lock, counted from the start of a backup.
const retain = 30 * 24 * time.Hour

// newID is the id of a backup that began so many hours ago.
func newID(hours int) string {
	return manifest.NewBackupID(time.Now().Add(-time.Duration(hours)*time.Hour), "k3v7qa")
}

// region is an S3 server that makes buckets, and their owner.
type region struct {
	server *devs3.Server
	owner  *awss3.Client
	made   atomic.Int64
}

var writer = devs3.User{AccessKey: "writer", SecretKey: "writer-secret"}

func newRegion(t *testing.T) *region {
	t.Helper()
	server, err := devs3.StartChild(t.Context(), devs3.Config{Dir: t.TempDir(), Users: []devs3.User{writer}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	return &region{server: server, owner: server.Client()}
}

// bucket is a vault in a region whose owner is up to no good.
type bucket struct {
	*s3.Store
	name  string
	owner *awss3.Client
}

func (r *region) bucket(t *testing.T) *bucket {
	t.Helper()
	b := &bucket{name: fmt.Sprintf("vault-%d", r.made.Add(1)), owner: r.owner}
	if err := r.server.CreateBucket(t.Context(), devs3.Bucket{Name: b.name, ObjectLock: true, Writers: []string{writer.AccessKey}}); err != nil {
		t.Fatal(err)
	}
	var err error
	b.Store, err = s3.New(t.Context(), s3.Config{
		Bucket: b.name, Endpoint: r.server.Endpoint(), Region: r.server.Config().Region, PathStyle: true, LockMode: s3.LockCompliance,
		Credentials: credentials.NewStaticCredentialsProvider(writer.AccessKey, writer.SecretKey, ""), Backoff: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put puts a version over what a key holds, which a lock does not forbid.
func (b *bucket) put(t *testing.T, key string, body []byte) (version string) {
	t.Helper()
	out, err := b.owner.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String(b.name), Key: aws.String(key), Body: bytes.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.VersionId)
}

// remove takes a version away for good.
func (b *bucket) remove(t *testing.T, key, version string) {
	t.Helper()
	if _, err := b.owner.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: aws.String(b.name), Key: aws.String(key), VersionId: aws.String(version)}); err != nil {
		t.Fatal(err)
	}
}

// hide puts a delete marker over a key.
func (b *bucket) hide(t *testing.T, key string) {
	t.Helper()
	if _, err := b.owner.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: aws.String(b.name), Key: aws.String(key)}); err != nil {
		t.Fatal(err)
	}
}

// archive is a bucket at Google, or what stands in for it: it keeps generations in memory.
func archive(t *testing.T) store.Store {
	t.Helper()
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "archive", VersioningEnabled: true})
	s, err := gcs.New(t.Context(), gcs.Config{Bucket: "archive", Endpoint: server.URL(), LockMode: gcs.LockUnlocked, Backoff: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// scene is a lab whose backups are copied.
type scene struct {
	*lab.Lab
	region *region
	// home is the vault that backups are written to.
	home *bucket
	// reading is home with its faults.
	reading *fault.Store
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{region: newRegion(t)}
	s.home = s.region.bucket(t)
	s.reading = fault.Wrap(s.home)
	s.Lab = lab.New(t, s.reading)
	s.ChunkBytes = 16 << 10
	s.Fill(t, "CREATE TABLE claims AS SELECT g AS id, md5(g::text) AS note FROM generate_series(1, 4000) g; CREATE TABLE payers (id integer); SELECT lo_create(1)")
	return s
}

// replica is an execution's view of one target.
type replica struct {
	*lab.Worker
	scene *scene
	// target is what the worker writes to, with its faults.
	target *fault.Store
	locks  bool
}

// to makes a worker that copies to a vault.
func (s *scene) to(t *testing.T, target store.Store, locks bool) *replica {
	t.Helper()
	r := &replica{scene: s, target: fault.Wrap(target), locks: locks}
	r.again(t)
	return r
}

// again replaces the worker by one that remembers nothing.
func (r *replica) again(t *testing.T) {
	t.Helper()
	r.scene.Replica = r.target
	r.Worker = r.scene.Worker(t)
	if r.locks {
		r.Crew.Components[lab.Component].Replicas[0].Retain = retain
	}
}

func (r *replica) input(id string) activities.CopyInput {
	guard := r.scene.Guard()
	guard.Target = lab.Replica
	return activities.CopyInput{Guard: guard, Component: lab.Component, Backup: id, To: lab.Replica}
}

func (r *replica) objects(id string) (activities.CopiedObjects, error) {
	return lab.Do[activities.CopiedObjects](r.Worker, r.All.Replicas.CopyObjects, r.input(id))
}

func (r *replica) records(id string) (activities.CopiedRecords, error) {
	return lab.Do[activities.CopiedRecords](r.Worker, r.All.Replicas.CopyRecords, r.input(id))
}

func (r *replica) commit(id string, receipt activities.Receipt) (activities.Replicated, error) {
	return lab.Do[activities.Replicated](r.Worker, r.All.Replicas.CommitReplica, activities.CommitReplicaInput{CopyInput: r.input(id), Copied: receipt})
}

// copy does what the workflow does.
func (r *replica) copy(id string) (copied activities.CopiedObjects, err error) {
	if copied, err = r.objects(id); err != nil {
		return copied, err
	}
	if _, err = r.records(id); err != nil {
		return copied, err
	}
	_, err = r.commit(id, copied.Receipt)
	return copied, err
}

func (r *replica) missing(t *testing.T) activities.Missing {
	t.Helper()
	m, err := lab.Do[activities.Missing](r.Worker, r.All.Replicas.ListMissing, activities.ListMissingInput{Component: lab.Component, To: lab.Replica, Most: 50})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// there is the component in its replica.
func (r *replica) there(t *testing.T) *activities.Component {
	t.Helper()
	c, err := r.Crew.ComponentIn(lab.Component, lab.Replica)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// versions counts the versions of every key below a backup's folder.
func versions(t *testing.T, s store.Store, id string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for o, err := range s.Versions(t.Context(), manifest.BackupPrefix(lab.Component, id)) {
		if err != nil {
			t.Fatal(err)
		}
		counts[o.Key]++
	}
	return counts
}

// listed are all objects of a backup's envelope.
func listed(b *activities.Backup) []manifest.Object {
	return append(append([]manifest.Object{}, b.Envelope.Contents...), b.Envelope.Objects...)
}

func dirStore(t *testing.T) store.Store { return storetest.Dir(t) }
