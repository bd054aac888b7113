package stack

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// signRunbooks lets the stack's owners sign the runbooks that Lifeboat brings, as they are now: a stack that
// is started again by a newer Lifeboat runs the newer texts.
func (s *Stack) signRunbooks() error {
	dir := filepath.Join(s.Dir, "runbooks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make directory of runbooks: %w", err)
	}
	for _, file := range runbooks.Builtin() {
		if err := s.signText(filepath.Join(dir, file.Name+".yaml.sigs"), file.Text); err != nil {
			return fmt.Errorf("sign runbook %s: %w", file.Name, err)
		}
	}
	return nil
}

// SignRunbook puts a runbook into the stack's directory, signed by its owners.
func (s *Stack) SignRunbook(name string, text []byte) error {
	path := filepath.Join(s.Dir, "runbooks", name+".yaml")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("write runbook: %w", err)
	}
	return s.signText(path+".sigs", text)
}

func (s *Stack) signText(path string, text []byte) error {
	var armored []string
	for _, id := range signers {
		signer, err := signature.OpenKey(personKey(s.Dir, id), signature.Terminal{})
		if err != nil {
			return err
		}
		sig, err := signer.Sign(signature.Runbook, text)
		if err != nil {
			return err
		}
		armored = append(armored, string(sig))
	}
	return os.WriteFile(path, roster.FormatSignatures(armored), 0o644)
}
