package corruption

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/lifeboat-dr/lifeboat/activities"
	devs3 "github.com/lifeboat-dr/lifeboat/internal/devstack/s3"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store/s3"
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

// bucket is a vault with versions, and its owner, who is up to no good.
type bucket struct {
	name  string
	store *s3.Store
	owner *awss3.Client
}

func newBucket(t *testing.T) *bucket {
	t.Helper()
	writer := devs3.User{AccessKey: "writer", SecretKey: "writer-secret"}
	server, err := devs3.StartChild(t.Context(), devs3.Config{Dir: t.TempDir(), Users: []devs3.User{writer}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	b := &bucket{name: "vault", owner: server.Client()}
	if err := server.CreateBucket(t.Context(), devs3.Bucket{Name: b.name, ObjectLock: true, Writers: []string{writer.AccessKey}}); err != nil {
		t.Fatal(err)
	}
	b.store, err = s3.New(t.Context(), s3.Config{
		Bucket: b.name, Endpoint: server.Endpoint(), Region: server.Config().Region, PathStyle: true, LockMode: s3.LockCompliance,
		Credentials: credentials.NewStaticCredentialsProvider(writer.AccessKey, writer.SecretKey, ""), Backoff: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// overwrite puts a version over what a key holds, which a lock does not forbid.
func (b *bucket) overwrite(t *testing.T, key string, body []byte) {
	t.Helper()
	if _, err := b.owner.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String(b.name), Key: aws.String(key), Body: bytes.NewReader(body)}); err != nil {
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

// TestVersionsOverABackup lets the owner of a bucket overwrite and hide every object of a backup. Locks keep
// versions, and versions are what is read: the backup restores to the last row, and is still the same one.
func TestVersionsOverABackup(t *testing.T) {
	b := newBucket(t)
	l := lab.New(t, b.store)
	l.Fill(t, "CREATE TABLE claims AS SELECT g AS id FROM generate_series(1, 2000) g; SELECT lo_create(1)")
	w := l.Worker(t)
	w.Backup(t, olderID)
	was := w.Backup(t, thisID)

	older, err := w.All.Records.Finder.Load(t.Context(), w.Crew.Components[lab.Component], olderID)
	if err != nil {
		t.Fatal(err)
	}
	objects := append(append([]manifest.Object{}, was.Envelope.Contents...), was.Envelope.Objects...)
	for i, o := range objects {
		b.overwrite(t, o.Key, []byte("forged"))
		if i%2 == 0 {
			b.hide(t, o.Key)
		}
	}
	// A manifest that the worker's own key signed, later: of a compromised worker, say.
	envelope := was.Envelope
	envelope.Point.Time = envelope.Point.Time.Add(-time.Hour)
	envelope.Totals.Rows = 1
	b.overwrite(t, manifestKey, document(t, l.Signer, signature.Manifest, string(mustJSON(t, envelope))))
	b.overwrite(t, manifestKey, document(t, newSigner(t), signature.Manifest, string(mustJSON(t, envelope))))
	b.overwrite(t, manifestKey, document(t, l.Signer, signature.Manifest, string(mustJSON(t, older.Envelope))))
	b.hide(t, manifestKey)

	fresh := l.Worker(t)
	now, _ := fresh.Open(t, thisID)
	if now.SHA256 != was.SHA256 || now.Version != was.Version {
		t.Errorf("the backup is another one: %s %s, was %s %s", now.SHA256, now.Version, was.SHA256, was.Version)
	}
	in := l.Scratch(thisID, "versions")
	fresh.Restore(t, in)
	if _, err := fresh.Compare(in); err != nil {
		t.Error(err)
	}

	// What was there before the worker wrote is not believed, and does not keep the real one from being found.
	const taken = "20261124T020000Z-k3v7qa"
	key := manifest.ManifestKey(lab.Component, taken)
	b.overwrite(t, key, document(t, newSigner(t), signature.Manifest, string(mustJSON(t, envelope))))
	refusal(t, w.Commit(w.Copy(t, taken)), activities.TypeUntrusted, key)
	b.overwrite(t, key, []byte("{}"))
	_, err = w.Find(taken)
	refusal(t, err, activities.TypeUntrusted, key)
}
