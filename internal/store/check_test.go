package store_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

func TestCheckKey(t *testing.T) {
	good := []string{"a", "v1/db/backups/x/manifest.json", "a b/ü+%25&=?#", "...", strings.Repeat("k", 255)}
	bad := []string{
		"", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a\x00b", "a\nb", "a\\b", "a\xffb",
		strings.Repeat("k", 256), strings.Repeat("kk/", 300) + "k",
	}
	for _, key := range good {
		if err := store.CheckKey("open", key); err != nil {
			t.Error(err)
		}
	}
	for _, key := range bad {
		var e *store.Error
		if err := store.CheckKey("open", key); !errors.As(err, &e) || e.Kind != store.ErrInvalid || e.Hint == "" {
			t.Errorf("key %q: %v", key, err)
		}
	}
}

func TestCheckPrefix(t *testing.T) {
	for _, prefix := range []string{"", "v", "v1/", "v1/d", "v1/.", "v1/.."} {
		if err := store.CheckPrefix("list", prefix); err != nil {
			t.Error(err)
		}
	}
	for _, prefix := range []string{"/", "v1//", "../", "v1/../x", "v1/\x00"} {
		if err := store.CheckPrefix("list", prefix); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("prefix %q: %v", prefix, err)
		}
	}
}

func TestCheckCreate(t *testing.T) {
	ok := store.CreateOptions{Metadata: map[string]string{"lifeboat-range": "(0,0)-(8,0)", "empty": ""}}
	if err := store.CheckCreate("k", make([]byte, store.MaxBody), ok); err != nil {
		t.Error(err)
	}
	if err := store.CheckCreate("k", make([]byte, store.MaxBody+1), ok); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a body that is too large: %v", err)
	}
	for name, value := range map[string]string{
		"": "x", "Upper": "x", "under_score": "x", "a": "ü", "b": "line\nbreak", "c": " space", "d": strings.Repeat("x", 2000),
	} {
		opt := store.CreateOptions{Metadata: map[string]string{name: value}}
		if err := store.CheckCreate("k", nil, opt); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("metadata %q: %q: %v", name, value, err)
		}
	}
}
