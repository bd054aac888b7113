package proc

import (
	"fmt"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

func baseName(path string) string { return filepath.Base(path) }

// credential looks a user up with all its groups and its home.
func credential(name string) (cred *syscall.Credential, home string, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, "", fmt.Errorf("look up user: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, "", fmt.Errorf("read id of user %s: %w", name, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, "", fmt.Errorf("read group of user %s: %w", name, err)
	}
	cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, "", fmt.Errorf("list groups of user %s: %w", name, err)
	}
	for _, id := range ids {
		g, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, "", fmt.Errorf("read group of user %s: %w", name, err)
		}
		cred.Groups = append(cred.Groups, uint32(g))
	}
	return cred, u.HomeDir, nil
}
