// Package s3 is the S3 server of a site on one machine: versitygw over a directory, with versioning,
// Object Lock, and users that may write but not destroy. It is for `lifeboat dev`, the demo and tests,
// never for real backups.
//
// The gateway changes the working directory of its process and allows one instance in it, so [Serve] is
// meant to be a process of its own: [StartChild] runs the present binary again, and [MaybeServe], called
// first thing in main or TestMain, recognises that it is the child.
//
// Everything is kept below one directory and survives a restart: buckets/ holds the objects, versions/
// the older versions, iam/ the users. Attributes of objects (version ids, locks, metadata) are extended
// attributes of the files; where the file system has none they are files below sidecar/, chosen when the
// directory is first used and kept from then on.
//
// It differs from Amazon's S3 in ways that matter to a test: a key cannot be both an object and the
// folder of another one ("a" and "a/b"); a name behind a delete marker stays taken for create-only writes;
// in a bucket without versioning the version "null" is not known; a listing repeats an entry at the border
// of two pages, and lists delete markers apart from versions; HEAD does not tell the lock of a version that
// is not the newest (GET ?retention does); there is no server-side encryption, and
// storage classes mean nothing.
package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

// Config describes one server. The zero Address, Region and credentials get defaults in [StartChild],
// not in [Serve].
type Config struct {
	// Dir holds the server's state, created when missing. A second server must not use it at the same time.
	Dir string `json:"dir"`
	// Address is host:port. Port 0 or an empty address let StartChild choose a free port.
	Address string `json:"address"`
	// AccessKey and SecretKey belong to the owner, who may do everything but lift a compliance lock.
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
	// Region is what clients must sign for.
	Region string `json:"region"`
	// Users have no rights until a bucket gives them some, see [Bucket].
	Users []User `json:"users,omitempty"`
}

// User is a set of credentials with no rights of its own.
type User struct {
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
}

const (
	// connections is far more than a demo opens; the gateway refuses beyond it.
	connections = 1024
	// parts is the limit of S3 itself.
	parts = 10000
)

// Serve runs the server until ctx ends. It changes the working directory, may run once at a time in a
// process, and prints a few lines on standard output.
func Serve(ctx context.Context, cfg Config) error {
	if err := cfg.validate(); err != nil {
		return err
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return fmt.Errorf("resolve directory %s: %w", cfg.Dir, err)
	}
	buckets, versions, iam := filepath.Join(dir, "buckets"), filepath.Join(dir, "versions"), filepath.Join(dir, "iam")
	for _, d := range []string{buckets, versions, iam} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return fmt.Errorf("create directory: %w", err)
		}
	}
	users, err := accounts(iam, cfg)
	if err != nil {
		return err
	}
	attributes, sidecar, err := storer(buckets, filepath.Join(dir, "sidecar"))
	if err != nil {
		return err
	}
	opts := posix.PosixOpts{VersioningDir: versions, SideCarDir: sidecar, ValidateBucketNames: true}
	opts.SetNewDirPerm(0o700)
	opts.SetNewFilePerm(0o600)
	backend, err := posix.New(buckets, attributes, opts)
	if err != nil {
		return fmt.Errorf("open directory %s: %w", dir, err)
	}
	err = embedgw.RunVersityGW(ctx, backend, &embedgw.Config{
		RootUserAccess:    cfg.AccessKey,
		RootUserSecret:    cfg.SecretKey,
		Region:            cfg.Region,
		Ports:             []string{cfg.Address},
		MaxConnections:    connections,
		MaxRequests:       connections,
		MultipartMaxParts: parts,
		KeepAlive:         true,
		Quiet:             true,
		IAMService:        users,
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("serve s3 on %s: %w", cfg.Address, err)
	}
	return nil
}

func (c Config) validate() error {
	for name, v := range map[string]string{
		"directory": c.Dir, "address": c.Address, "access key": c.AccessKey, "secret key": c.SecretKey, "region": c.Region,
	} {
		if v == "" {
			return fmt.Errorf("serve s3: the %s is missing", name)
		}
	}
	return nil
}

// accounts opens the users below dir and makes them what the configuration says. Users that are no
// longer named stay known and keep what the buckets gave them.
func accounts(dir string, cfg Config) (auth.IAMService, error) {
	root := auth.Account{Access: cfg.AccessKey, Secret: cfg.SecretKey, Role: auth.RoleAdmin}
	iam, err := auth.NewInternal(root, dir)
	if err != nil {
		return nil, fmt.Errorf("open users: %w", err)
	}
	for _, u := range cfg.Users {
		err := iam.CreateAccount(auth.Account{Access: u.AccessKey, Secret: u.SecretKey, Role: auth.RoleUser})
		if errors.Is(err, auth.ErrUserExists) {
			err = iam.UpdateUserAccount(u.AccessKey, auth.MutableProps{Secret: &u.SecretKey})
		}
		if err != nil {
			return nil, fmt.Errorf("create user %s: %w", u.AccessKey, err)
		}
	}
	return iam, nil
}

// storer decides where attributes of objects are kept: a directory that has a sidecar goes on with it.
func storer(buckets, sidecar string) (meta.MetadataStorer, string, error) {
	_, err := os.Lstat(sidecar)
	if errors.Is(err, fs.ErrNotExist) {
		if (meta.XattrMeta{}).Test(buckets) == nil {
			return meta.XattrMeta{}, "", nil
		}
		err = os.Mkdir(sidecar, 0o700)
	}
	if err != nil {
		return nil, "", fmt.Errorf("open sidecar directory: %w", err)
	}
	s, err := meta.NewSideCar(sidecar)
	if err != nil {
		return nil, "", fmt.Errorf("open sidecar directory: %w", err)
	}
	return s, sidecar, nil
}
