package pgserver

import (
	"os"
	"syscall"
	"testing"
)

const (
	// memoryDir is a file system in memory, where Linux has one. Clusters are thousands of files, and making
	// them there is several times quicker than on a disk.
	memoryDir = "/dev/shm"
	// roomy is how much must be free in it, in bytes; containers often have a few megabytes only.
	roomy = 4 << 30
)

// TestDir gives a test that makes many clusters a folder for them: in memory where there is room, open to the
// servers' user, and removed when the test ends.
func TestDir(t testing.TB) string {
	t.Helper()
	root := "" // the system's temporary folder
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memoryDir, &fs); err == nil && fs.Bavail*uint64(fs.Bsize) > roomy {
		root = memoryDir
	}
	dir, err := os.MkdirTemp(root, "lbtest")
	if err != nil {
		t.Fatalf("make folder for servers: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove folder of servers: %v", err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatalf("open folder to servers: %v", err)
	}
	return dir
}
