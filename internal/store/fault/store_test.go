package fault_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/fault"
	"github.com/lifeboat-dr/lifeboat/internal/store/storetest"
)

// Without anything injected the wrapper is the store.
func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return fault.Wrap(storetest.Dir(t)) })
}

func read(t *testing.T, s store.Store, key string) (string, error) {
	t.Helper()
	r, _, err := s.Open(t.Context(), key, "")
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

func TestFailNext(t *testing.T) {
	s := fault.Wrap(storetest.Dir(t))
	s.FailNext(fault.Create, 2, store.ErrFull)
	for range 2 {
		if _, err := s.Create(t.Context(), "k", nil, store.CreateOptions{}); !errors.Is(err, store.ErrFull) {
			t.Errorf("create: %v", err)
		}
	}
	if _, err := s.Create(t.Context(), "k", []byte("x"), store.CreateOptions{}); err != nil {
		t.Errorf("the third create: %v", err)
	}
	s.FailNext(fault.Any, fault.Always, store.ErrUnavailable)
	if _, err := s.Stat(t.Context(), "k", ""); !store.Retryable(err) {
		t.Errorf("stat: %v", err)
	}
	for _, err := range s.Versions(t.Context(), "") {
		if !store.Retryable(err) {
			t.Errorf("list: %v", err)
		}
	}
	s.Heal()
	if _, err := s.Stat(t.Context(), "k", ""); err != nil {
		t.Errorf("healed stat: %v", err)
	}
	if s.Calls(fault.Create) != 3 || s.CallsFor(fault.Stat, "k") != 2 || s.CallsFor(fault.Stat, "other") != 0 || s.Calls(fault.Any) != 6 {
		t.Errorf("counted %d creates, %d stats, %d in all", s.Calls(fault.Create), s.CallsFor(fault.Stat, "k"), s.Calls(fault.Any))
	}
}

func TestLoseAnswer(t *testing.T) {
	s := fault.Wrap(storetest.Dir(t))
	s.LoseAnswer(fault.Create, 1)
	if _, err := s.Create(t.Context(), "k", []byte("x"), store.CreateOptions{}); !store.Retryable(err) {
		t.Errorf("create: %v", err)
	}
	if got, err := read(t, s, "k"); err != nil || got != "x" {
		t.Errorf("the write did not happen: %q, %v", got, err)
	}
	s.LoseAnswer(fault.List, 1)
	entries, failures := 0, 0
	for _, err := range s.Versions(t.Context(), "") {
		if err != nil {
			failures++
		} else {
			entries++
		}
	}
	if entries != 1 || failures != 1 {
		t.Errorf("a listing with a lost answer gave %d entries and %d errors", entries, failures)
	}
}

func TestDamage(t *testing.T) {
	s := fault.Wrap(storetest.Dir(t))
	for key, body := range map[string]string{"k": "body", "empty": ""} {
		if _, err := s.Create(t.Context(), key, []byte(body), store.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		s.Corrupt(key)
		if _, err := read(t, s, key); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s, corrupt: %v", key, err)
		}
		s.CorruptSilently(key)
		if got, err := read(t, s, key); err != nil || got == body {
			t.Errorf("%s, silently corrupt: %q, %v", key, got, err)
		}
	}
	s.Cut("k", 2)
	if got, err := read(t, s, "k"); !store.Retryable(err) || got != "bo" {
		t.Errorf("cut: %q, %v", got, err)
	}
	s.Heal()
	if got, err := read(t, s, "k"); err != nil || got != "body" {
		t.Errorf("healed: %q, %v", got, err)
	}
}

func TestDelayEndsWithTheContext(t *testing.T) {
	s := fault.Wrap(storetest.Dir(t))
	s.Delay(fault.Stat, 1, time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Stat(ctx, "k", ""); !errors.Is(err, context.DeadlineExceeded) || !store.Retryable(err) {
		t.Errorf("stat: %v", err)
	}
}
