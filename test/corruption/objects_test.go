package corruption

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/seal"
	"github.com/lifeboat-dr/lifeboat/internal/store/storetest"
	"github.com/lifeboat-dr/lifeboat/test/lab"
)

const (
	olderID = "20261122T020000Z-k3v7qa"
	thisID  = "20261123T020000Z-k3v7qa"
)

// TestEveryObjectInTurn spoils every object of a backup in every way and restores from it. Each time the very
// activity that needs the object fails, for good, names it, and commits nothing; then the whole backup is
// restored into the same target after all.
func TestEveryObjectInTurn(t *testing.T) {
	l, v := newScene(t)
	w := l.Worker(t)
	w.Backup(t, olderID)
	l.Fill(t, "UPDATE claims SET note = 'changed' WHERE id % 2 = 0; UPDATE patients SET name = name || '!'")
	b := w.Backup(t, thisID)
	_, contents := w.Open(t, thisID)
	_, before := w.Open(t, olderID)
	s := scene{Lab: l, vault: v, contents: contents}
	s.look(t)

	keys := []string{}
	for _, o := range append(slices.Clone(b.Envelope.Contents), b.Envelope.Objects...) {
		keys = append(keys, o.Key)
	}
	if parts := len(contents.Chunks[slices.IndexFunc(contents.Chunks, func(c manifest.Chunk) bool { return len(c.Parts) > 1 })].Parts); parts < 2 || len(keys) < 20 {
		t.Fatalf("%d objects, %d parts: too few to prove much", len(keys), parts)
	}
	neighbour, older := map[string]string{}, map[string]string{}
	for i, key := range keys {
		neighbour[key] = keys[(i+1)%len(keys)]
		older[key] = strings.Replace(key, thisID, olderID, 1)
	}
	older[contents.Schema.Parts[0].Key] = before.Schema.Parts[0].Key
	past, _ := w.Open(t, olderID)
	older[b.Envelope.Contents[0].Key] = past.Envelope.Contents[0].Key
	for key, was := range older { // the older one has fewer chunks
		if !slices.ContainsFunc(append(slices.Clone(past.Envelope.Contents), past.Envelope.Objects...), func(o manifest.Object) bool { return o.Key == was }) {
			older[key] = past.Envelope.Objects[0].Key
		}
	}
	foreign := func(t *testing.T, key string) []byte {
		sealed, err := seal.Bytes([]byte("1\t1\t1000000.00\tpay me\n"), l.Recipients(t))
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}

	tried := 0
	for _, d := range damages(neighbour, older, foreign) {
		t.Run(d.name, func(t *testing.T) {
			for _, key := range keys {
				d.apply(t, v, key)
				s.refused(t, key)
				tried++
			}
		})
	}
	v.honest()
	t.Logf("%d objects, %d restores refused", len(keys), tried)
	s.completes(t)
}

// scene is a backup with two targets: one whose tables are still missing, one that waits for rows.
type scene struct {
	*lab.Lab
	vault       *liar
	contents    *manifest.Contents
	bare, ready activities.TargetInput
	conns       map[string]*lab.Conn
	worker      *lab.Worker
}

func newScene(t *testing.T) (*lab.Lab, *liar) {
	t.Helper()
	v := newLiar(storetest.Dir(t))
	l := lab.New(t, v)
	l.Fill(t, lab.Sample)
	return l, v
}

func (s *scene) look(t *testing.T) {
	t.Helper()
	s.bare, s.ready = s.Scratch(thisID, "bare"), s.Scratch(thisID, "ready")
	s.worker = s.Worker(t)
	for _, err := range []error{s.worker.OpenTarget(s.bare), s.worker.OpenTarget(s.ready), s.worker.CreateTables(s.ready)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.conns = map[string]*lab.Conn{}
	for _, in := range []activities.TargetInput{s.bare, s.ready} {
		s.conns[in.Target.Database] = s.Connect(t, in.Target.Database)
	}
}

// refused uses an object as a restore does, and looks that it was refused and left no trace.
func (s *scene) refused(t *testing.T, key string) {
	t.Helper()
	name := path.Base(key)
	chunk := strings.TrimSuffix(name, path.Ext(name))
	i := slices.IndexFunc(s.contents.Chunks, func(c manifest.Chunk) bool { return c.ID == chunk })
	switch {
	case strings.HasPrefix(name, "contents-"):
		_, err := s.Worker(t).Find(thisID)
		refusal(t, err, activities.TypeCorrupt, key)
		refusal(t, s.Worker(t).CreateTables(s.bare), activities.TypeCorrupt, key)
		s.untouched(t, s.bare, "")
	case chunk == s.contents.Schema.ID:
		refusal(t, s.worker.CreateTables(s.bare), activities.TypeCorrupt, key)
		s.untouched(t, s.bare, "")
	case i >= 0:
		refusal(t, s.worker.Load(s.ready, i, i+1), activities.TypeCorrupt, key)
		s.untouched(t, s.ready, chunk)
	default:
		t.Fatalf("object %s belongs to nothing", key)
	}
}

// untouched looks that a chunk left nothing in a target and that the target is marked.
func (s *scene) untouched(t *testing.T, in activities.TargetInput, chunk string) {
	t.Helper()
	conn := s.conns[in.Target.Database]
	if conn.Ask(t, "SELECT count(*) FROM lifeboat_restore.restore") != 1 {
		t.Errorf("%s is not marked as incomplete", in.Target.Database)
	}
	if chunk == "" {
		if n := conn.Ask(t, "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog', 'information_schema', 'lifeboat_restore')"); n != 0 {
			t.Errorf("%d tables were made", n)
		}
		return
	}
	if n := conn.Ask(t, fmt.Sprintf("SELECT count(*) FROM lifeboat_restore.done WHERE step = '%s'", chunk)); n != 0 {
		t.Errorf("chunk %s counts as loaded", chunk)
	}
	rows := conn.Ask(t, `SELECT (SELECT count(*) FROM claims) + (SELECT count(*) FROM patients) + (SELECT count(*) FROM scans) + (SELECT count(*) FROM hashed)
		+ (SELECT count(*) FROM "Billing"."Line ""items""") + (SELECT count(*) FROM nothing) + (SELECT count(*) FROM pg_largeobject_metadata)`)
	if rows != 0 {
		t.Errorf("%d rows of chunk %s are there", rows, chunk)
	}
}

// completes restores the whole backup into the target that so much was refused to, compares, and looks at the mark.
func (s *scene) completes(t *testing.T) {
	t.Helper()
	if _, err := s.worker.Compare(s.ready); err == nil {
		t.Error("a target without rows compared as equal")
	}
	s.untouched(t, s.ready, "none")
	s.worker.Restore(t, s.ready)
	conn := s.conns[s.ready.Target.Database]
	if _, err := conn.Exec(t.Context(), "CREATE TEMP TABLE scans_before AS SELECT image FROM scans WHERE id = 7"); err != nil {
		t.Fatal(err)
	}
	// One row that is another one is found, too, and the mark stays.
	for _, sql := range []string{"UPDATE scans SET image = left(image, -1) || 'g' WHERE id = 7", "UPDATE scans SET image = left(image, -1) || 'h' WHERE id = 7"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		_, err := s.worker.Compare(s.ready)
		refusal(t, err, activities.TypeMismatch, "scans")
	}
	if conn.Ask(t, "SELECT count(*) FROM lifeboat_restore.restore") != 1 {
		t.Error("the target with another row is not marked as incomplete")
	}
	s.finishes(t)
}

// finishes takes the mark of the target away, which only the receipt of its own comparison may. Comparison and
// removal can both be repeated: a worker may die behind either.
func (s *scene) finishes(t *testing.T) {
	t.Helper()
	conn := s.conns[s.ready.Target.Database]
	if _, err := conn.Exec(t.Context(), "UPDATE scans SET image = left(image, -1) || right((SELECT image FROM scans_before), 1) WHERE id = 7"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "DROP TABLE scans_before"); err != nil {
		t.Fatal(err)
	}
	var compared activities.Compared
	for range 2 {
		var err error
		if compared, err = s.worker.Compare(s.ready); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere, failed, unsigned := compared.Receipt, compared.Receipt, compared.Receipt
	elsewhere.Target.Database += "_other"
	failed.Checks = nil
	unsigned.MAC = ""
	for name, receipt := range map[string]activities.Receipt{"another target": elsewhere, "without checks": failed, "nobody's": unsigned, "none": {}} {
		refusal(t, s.worker.Finish(s.ready, receipt), activities.TypeUntrusted, "receipt")
		if conn.Ask(t, "SELECT count(*) FROM lifeboat_restore.restore") != 1 {
			t.Fatalf("the mark is gone by a receipt of %s", name)
		}
	}
	for range 2 {
		if err := s.worker.Finish(s.ready, compared.Receipt); err != nil {
			t.Error(err)
		}
	}
	if conn.Ask(t, "SELECT count(*) FROM pg_namespace WHERE nspname = 'lifeboat_restore'") != 0 {
		t.Error("the target is still marked as incomplete")
	}
}

// refusal is an error of the right type that no retry repeats and that names what is wrong.
func refusal(t *testing.T, err error, kind, named string) {
	t.Helper()
	var failed *temporal.ApplicationError
	switch {
	case !errors.As(err, &failed):
		t.Errorf("%s: got %v", named, err)
	case failed.Type() != kind || !failed.NonRetryable() || !strings.Contains(err.Error(), named):
		t.Errorf("want a final %s that names %s, got %s (retryable: %t): %v", kind, named, failed.Type(), !failed.NonRetryable(), err)
	}
}
