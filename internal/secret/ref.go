package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// maxFile is the largest secret file in bytes: a service account's key is some kilobytes.
const maxFile = 1 << 20

// mounts are where containers get their secrets. Docker mounts them readable for everybody, and there
// the container is the border: nobody else sees the file.
var mounts = []string{"/run/secrets", "/var/run/secrets"}

// Ref says where a secret is: in an environment variable or in a file, one of the two.
type Ref struct {
	// Env is the name of an environment variable.
	Env string `yaml:"env,omitempty" json:"env,omitempty"`
	// File is a path. One newline at the end of the file does not belong to the secret.
	File string `yaml:"file,omitempty" json:"file,omitempty"`
}

// IsZero says that nothing is referred to.
func (r Ref) IsZero() bool { return r == Ref{} }

// String names the reference, never the secret.
func (r Ref) String() string {
	switch {
	case r.Env != "":
		return "environment variable " + r.Env
	case r.File != "":
		return "file " + r.File
	}
	return "no secret"
}

// LogValue implements [slog.LogValuer].
func (r Ref) LogValue() slog.Value { return slog.StringValue(r.String()) }

// Resolve reads the secret anew. Errors name the reference and never the contents. A missing or empty
// secret is an error, as is a file that others on the machine can read; files below /run/secrets are
// exempt from that, because Docker mounts them so.
func (r Ref) Resolve() (String, error) {
	switch {
	case r.Env != "" && r.File != "":
		return String{}, fmt.Errorf("read secret: both %s and file %s are named: keep one", Ref{Env: r.Env}, r.File)
	case r.Env != "":
		return r.fromEnv()
	case r.File != "":
		return r.fromFile()
	}
	return String{}, errors.New("read secret: no environment variable and no file is named")
}

func (r Ref) fromEnv() (String, error) {
	text, set := os.LookupEnv(r.Env)
	switch {
	case !set:
		return String{}, fmt.Errorf("read secret: %s is not set: export it for this process", r)
	case text == "":
		return String{}, fmt.Errorf("read secret: %s is empty: export it for this process", r)
	}
	return New(text), nil
}

func (r Ref) fromFile() (String, error) {
	// Looked at before it is opened: opening a pipe that nobody writes to would wait for ever.
	info, err := os.Stat(r.File)
	if err != nil {
		return String{}, fmt.Errorf("read secret: %s: %w", r, cause(err))
	}
	if !info.Mode().IsRegular() {
		return String{}, fmt.Errorf("read secret: %s is not a regular file", r)
	}
	f, err := os.Open(r.File)
	if err != nil {
		return String{}, fmt.Errorf("read secret: %s: %w", r, cause(err))
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return String{}, fmt.Errorf("read secret: %s: %w", r, cause(err))
	}
	if open := info.Mode().Perm() & 0o007; open != 0 && !mounted(r.File) {
		return String{}, fmt.Errorf("read secret: %s is open to everybody on this machine (mode %04o): chmod o-rwx it", r, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return String{}, fmt.Errorf("read secret: %s: %w", r, cause(err))
	case len(text) > maxFile:
		return String{}, fmt.Errorf("read secret: %s is larger than %d bytes", r, maxFile)
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if secret == "" {
		return String{}, fmt.Errorf("read secret: %s is empty", r)
	}
	return New(secret), nil
}

// cause leaves out the path, which the message names already.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

func mounted(path string) bool {
	abs, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	for _, dir := range mounts {
		if rel, err := filepath.Rel(dir, abs); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}
