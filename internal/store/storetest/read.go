package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

func oddKeys(t *testing.T, s store.Store) {
	odd := []string{
		"odd/plain", "odd/with space", "odd/plus+plus", "odd/percent%2Fpercent", "odd/Łódź/naïve/日本語", "odd/emoji-🛟",
		"odd/&<>\"'", "odd/?query=1&x", "odd/#fragment", "odd/~tilde*star", "odd/;semi:colon@at", "odd/$dollar,comma",
		"odd/...", "odd/.hidden", "odd/[brackets]{braces}|", "odd/UPPER", "odd/upper", "odd/" + strings.Repeat("l", 200),
	}
	for i, key := range odd {
		create(t, s, key, fmt.Appendf(nil, "body %d", i), store.CreateOptions{})
	}
	for i, key := range odd {
		if got, o := read(t, s, key, ""); string(got) != fmt.Sprintf("body %d", i) || o.Key != key {
			t.Errorf("key %q: %q came back as %q", key, o.Key, got)
		}
	}
	slices.Sort(odd)
	if diff := cmp.Diff(odd, keys(versions(t, s, "odd/"))); diff != "" {
		t.Errorf("Versions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"odd/with space"}, keys(versions(t, s, "odd/with "))); diff != "" {
		t.Errorf("Versions of a prefix with a space (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Łódź"}, names(t, s, "odd/")); diff != "" {
		t.Errorf("Folders (-want +got):\n%s", diff)
	}
}

func notFound(t *testing.T, s store.Store) {
	created := create(t, s, "folder/there", []byte("x"), store.CreateOptions{})
	for _, at := range []struct{ key, version string }{
		{"missing", ""}, {"folder", ""}, {"folder/missing", ""}, {"folder/there/below", ""},
		{"missing", created.Version}, {"folder/there", "no-such-version"},
	} {
		_, _, err := s.Open(t.Context(), at.key, at.version)
		failed(t, err, store.ErrNotFound, "open", at.key)
		_, err = s.Stat(t.Context(), at.key, at.version)
		failed(t, err, store.ErrNotFound, "stat", at.key)
		err = s.Extend(t.Context(), at.key, at.version, soon(time.Hour))
		failed(t, err, store.ErrNotFound, "extend", at.key)
	}
	if all := versions(t, s, "missing/"); len(all) != 0 {
		t.Errorf("below nothing there are %d versions", len(all))
	}
	if all := names(t, s, "missing/"); len(all) != 0 {
		t.Errorf("below nothing there are the folders %q", all)
	}
}

func invalidRequests(t *testing.T, s store.Store) {
	for _, key := range []string{"", "/absolute", "folder/", "a//b", "..", "../up", "a/../../up", "a/./b", "nul\x00", "line\n", `back\slash`, "\xff"} {
		_, err := s.Create(t.Context(), key, []byte("x"), store.CreateOptions{})
		failed(t, err, store.ErrInvalid, "create", key)
		_, _, err = s.Open(t.Context(), key, "")
		failed(t, err, store.ErrInvalid, "open", key)
		_, err = s.Stat(t.Context(), key, "")
		failed(t, err, store.ErrInvalid, "stat", key)
		err = s.Extend(t.Context(), key, "", soon(time.Hour))
		failed(t, err, store.ErrInvalid, "extend", key)
	}
	_, err := s.Create(t.Context(), "large", make([]byte, store.MaxBody+1), store.CreateOptions{})
	failed(t, err, store.ErrInvalid, "create", "large")
	_, err = s.Create(t.Context(), "metadata", nil, store.CreateOptions{Metadata: map[string]string{"Upper": "x"}})
	failed(t, err, store.ErrInvalid, "create", "metadata")
	for _, prefix := range []string{"/", "a//", "../"} {
		for _, err := range s.Versions(t.Context(), prefix) {
			failed(t, err, store.ErrInvalid, "list", prefix)
		}
		for _, err := range s.Folders(t.Context(), prefix) {
			failed(t, err, store.ErrInvalid, "list", prefix)
		}
	}
	listed := 0
	for _, err := range s.Folders(t.Context(), "no-slash") {
		failed(t, err, store.ErrInvalid, "list", "no-slash")
		listed++
	}
	if listed != 1 {
		t.Errorf("Folders of a prefix without a slash yielded %d times", listed)
	}
	if all := versions(t, s, ""); len(all) != 0 {
		t.Errorf("refused writes left %q", keys(all))
	}
}

// Bytes decide the order of keys, so a folder's contents come after "folder-x" and before "folder0".
func orderOfVersions(t *testing.T, s store.Store) {
	sorted := []string{"a/folder-x", "a/folder.x", "a/folder/1", "a/folder/10", "a/folder/2", "a/folder0", "a/É", "b"}
	for _, i := range []int{5, 0, 7, 3, 1, 6, 4, 2} {
		create(t, s, sorted[i], []byte("x"), store.CreateOptions{})
	}
	for prefix, want := range map[string][]string{
		"": sorted, "a/": sorted[:7], "a/folder": sorted[:6], "a/folder/": sorted[2:5], "a/folder/1": sorted[2:4], "b": sorted[7:], "c": nil,
	} {
		if diff := cmp.Diff(want, keys(versions(t, s, prefix))); diff != "" {
			t.Errorf("Versions of %q (-want +got):\n%s", prefix, diff)
		}
	}
	for range s.Versions(t.Context(), "") {
		break // stopping early must be possible
	}
}

func folders(t *testing.T, s store.Store) {
	for _, key := range []string{"v1/db/backups/b/manifest.json", "v1/db/backups/a/data/s/0.0", "v1/db/backups/a/data/s/0.1", "v1/db/backups/note", "v1/files/x", "top"} {
		create(t, s, key, []byte("x"), store.CreateOptions{})
	}
	for prefix, want := range map[string][]string{
		"": {"v1"}, "v1/": {"db", "files"}, "v1/db/backups/": {"a", "b"}, "v1/db/backups/a/": {"data"}, "v1/files/": nil, "v2/": nil,
	} {
		if diff := cmp.Diff(want, names(t, s, prefix)); diff != "" {
			t.Errorf("Folders of %q (-want +got):\n%s", prefix, diff)
		}
	}
	for range s.Folders(t.Context(), "v1/") {
		break
	}
}

// longListings are those that stores answer in pages.
func longListings(t *testing.T, s store.Store) {
	const n = 1105
	var g errgroup.Group
	g.SetLimit(16)
	var want, wantNames []string
	for i := range n {
		name := fmt.Sprintf("%05d", i)
		key := "long/" + name + "/object"
		want, wantNames = append(want, key), append(wantNames, name)
		g.Go(func() error {
			_, err := s.Create(t.Context(), key, []byte(name), store.CreateOptions{})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, keys(versions(t, s, "long/"))); diff != "" {
		t.Errorf("Versions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantNames, names(t, s, "long/")); diff != "" {
		t.Errorf("Folders (-want +got):\n%s", diff)
	}
	// A listing that is left and begun again starts at the beginning.
	for o, err := range s.Versions(t.Context(), "long/") {
		if err != nil || o.Key != want[0] {
			t.Errorf("the second listing starts with %q, %v", o.Key, err)
		}
		break
	}
	got, _ := read(t, s, want[n-1], "")
	if !bytes.Equal(got, []byte(wantNames[n-1])) {
		t.Errorf("the last object holds %q", got)
	}
}

func names(t *testing.T, s store.Store, prefix string) []string {
	t.Helper()
	var all []string
	for name, err := range s.Folders(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, name)
	}
	return all
}
