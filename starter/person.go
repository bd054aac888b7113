package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// signer opens the private key of the person at the keyboard: the one in a file, or the first one in their SSH
// agent that is wanted.
func (a *app) signer(file string, wanted func(signature.PublicKey) bool) (*signature.Signer, error) {
	if file == "" {
		s, err := signature.AgentKey(wanted)
		if err != nil {
			return nil, failWith(exitUsage, "%w; or give --key FILE", err)
		}
		return s, nil
	}
	s, err := signature.OpenKey(file, signature.Terminal{Passphrase: passphrase, Notices: a.stderr})
	if err != nil {
		return nil, failWith(exitUsage, "--key: %w", err)
	}
	return s, nil
}

// terminal is where a person sits, whatever standard input and output are connected to.
func terminal() (*os.File, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("there is no terminal to ask on: %w", err)
	}
	return tty, nil
}

// passphrase asks without showing what is typed.
func passphrase(prompt string) ([]byte, error) {
	tty, err := terminal()
	if err != nil {
		return nil, err
	}
	defer tty.Close()
	fmt.Fprint(tty, prompt)
	defer fmt.Fprintln(tty)
	return term.ReadPassword(int(tty.Fd()))
}

// confirm asks for a yes. Without a terminal nobody can give it, and --yes has to.
func confirm(question string) error {
	tty, err := terminal()
	if err != nil {
		return failWith(exitUsage, "%w: give --yes when you have read it", err)
	}
	defer tty.Close()
	fmt.Fprintf(tty, "%s [yes/no] ", question)
	answer, err := bufio.NewReader(tty).ReadString('\n')
	if err != nil {
		return failWith(exitUsage, "read the answer: %w", err)
	}
	if !strings.EqualFold(strings.TrimSpace(answer), "yes") {
		return failWith(exitFailed, "nothing was signed")
	}
	return nil
}
