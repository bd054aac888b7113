package pgserver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Superuser is the name of the superuser of a new cluster unless another is asked for.
const Superuser = "postgres"

// InitOptions describe a new cluster.
type InitOptions struct {
	// Dir becomes the data directory. It must not exist, and its parent must be open to the servers' user.
	Dir string
	// Superuser defaults to [Superuser].
	Superuser string
	// Encoding defaults to UTF8, Locale to C.UTF-8.
	Encoding, Locale string
	// NoSync leaves out fsync; a power cut may then damage the cluster. For tests.
	NoSync bool
	// Args are further arguments for initdb, for example "--wal-segsize=1".
	Args []string
}

// Init makes a cluster with data checksums. The superuser has no password and gets in only by the Unix
// socket, whose folder is closed to other users; everybody else needs a SCRAM password over TCP.
func Init(ctx context.Context, opt InitOptions) error {
	if err := os.Mkdir(opt.Dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	if err := Own(opt.Dir); err != nil {
		return err
	}
	args := []string{
		"--pgdata=" + opt.Dir, "--data-checksums",
		"--username=" + orDefault(opt.Superuser, Superuser),
		"--encoding=" + orDefault(opt.Encoding, "UTF8"), "--locale=" + orDefault(opt.Locale, "C.UTF-8"),
		"--auth-local=trust", "--auth-host=scram-sha-256",
	}
	if opt.NoSync {
		args = append(args, "--no-sync")
	}
	if err := Run(ctx, "initdb", append(args, opt.Args...)...); err != nil {
		return fmt.Errorf("make cluster %s: %w", filepath.Base(opt.Dir), err)
	}
	return nil
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
