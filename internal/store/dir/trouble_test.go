package dir_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/dir"
	"github.com/lifeboat-dr/lifeboat/internal/store/storetest"
)

// alone marks the process in which file systems of the test's own are mounted.
const alone = "LIFEBOAT_TEST_ALONE"

// withMounts runs a test again in a process that sees its own file systems, which end with it, and where
// nobody is above the modes of files. It says whether this is that process. What it needs of the kernel,
// user namespaces, is nothing only root has.
func withMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(alone) != "" {
		return true
	}
	const someone, adminOfMounts = 1000, 21 // any user but root; CAP_SYS_ADMIN
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), alone+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: someone, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: someone, HostID: os.Getgid(), Size: 1}},
		AmbientCaps: []uintptr{adminOfMounts},
		Pdeathsig:   syscall.SIGKILL,
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()+" ") {
		t.Errorf("%v:\n%s", err, out)
	}
	return false
}

// disk mounts a file system of so much room.
func disk(t *testing.T, size string) string {
	t.Helper()
	path := t.TempDir()
	if err := syscall.Mount("none", path, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(path, syscall.MNT_DETACH) })
	return path
}

// A real file system that is really full, and directories that may really not be written to.
func TestTroubles(t *testing.T) {
	if !withMounts(t) {
		return
	}
	storetest.RunFaulty(t, func(t *testing.T) storetest.Faulty {
		path := disk(t, "8m")
		ballast := filepath.Join(path, ".lifeboat", "ballast")
		return storetest.Faulty{
			Store: opened(t, path),
			Cause: func(t *testing.T, trouble storetest.Trouble, _ storetest.Request, _ int) bool {
				switch trouble {
				case storetest.Full:
					fill(t, ballast)
				case storetest.ReadOnly:
					chmod(t, path, 0o500)
				case storetest.Shortened:
					damage(t, path, func(b []byte) []byte { return b[:len(b)-1] })
				case storetest.Flipped:
					damage(t, path, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
				default:
					return false
				}
				return true
			},
			Heal: func(t *testing.T) {
				chmod(t, path, 0o700)
				if err := os.Remove(ballast); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
			},
		}
	}, storetest.Full, storetest.ReadOnly, storetest.Shortened, storetest.Flipped)
}

// fill leaves room for less than a megabyte, so that a write ends in its middle.
func fill(t *testing.T, ballast string) {
	t.Helper()
	err := os.WriteFile(ballast, make([]byte, 8<<20), 0o600)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk did not fill up: %v", err)
	}
	info, err := os.Stat(ballast)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(ballast, info.Size()-1<<20); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, root string, mode os.FileMode) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return os.Chmod(path, mode)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// damage changes the bytes of the object "k" behind the store's back.
func damage(t *testing.T, root string, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(root, "k")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A backup on a medium that is mounted read-only can be read and verified, and every write says why not.
func TestReadOnlyMedium(t *testing.T) {
	if !withMounts(t) {
		return
	}
	path := disk(t, "1m")
	s, err := dir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	o := created(t, s, "v1/x", "body", store.CreateOptions{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, empty := range map[string]bool{"used": false, "empty": true} {
		medium := path
		if empty {
			medium = disk(t, "1m")
		}
		if err := syscall.Mount("none", medium, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		s := opened(t, medium)
		if got, err := read(t, s, "v1/x", o.Version); !empty && (err != nil || got != "body") {
			t.Errorf("%s: read %q, %v", name, got, err)
		}
		var e *store.Error
		if _, err := s.Create(t.Context(), "v1/y", nil, store.CreateOptions{}); !errors.As(err, &e) || e.Kind != store.ErrDenied || e.Hint == "" {
			t.Errorf("%s: create: %v", name, err)
		}
		if err := s.Extend(t.Context(), "v1/x", "", o.Modified.AddDate(1, 0, 0)); !empty && !errors.Is(err, store.ErrDenied) {
			t.Errorf("%s: extend: %v", name, err)
		}
		for _, err := range s.Versions(t.Context(), "") {
			if err != nil {
				t.Errorf("%s: list: %v", name, err)
			}
		}
		if _, err := s.Inspect(t.Context()); err != nil {
			t.Errorf("%s: inspect: %v", name, err)
		}
		if err := syscall.Mount("none", medium, "", syscall.MS_REMOUNT, ""); err != nil {
			t.Fatal(err)
		}
		created(t, s, "v1/afterwards", "body", store.CreateOptions{}) // no need to open it again
	}
}
