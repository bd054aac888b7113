package signature

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// agentTimeout is how long an agent may take: a person reads a dialog, types a PIN, finds the security key.
const agentTimeout = 2 * time.Minute

// AgentKey finds the first key in the person's SSH agent (SSH_AUTH_SOCK) that is wanted. The agent is
// asked again for each signature, so a key that was taken out of it signs nothing more.
func AgentKey(wanted func(PublicKey) bool) (*Signer, error) {
	var found *agent.Key
	var seen []string
	err := withAgent(func(a agent.ExtendedAgent) error {
		keys, err := a.List()
		if err != nil {
			return fmt.Errorf("ask SSH agent for its keys: %w", err)
		}
		for _, k := range keys {
			public, err := ssh.ParsePublicKey(k.Blob)
			if err != nil || fit(public) != nil {
				continue
			}
			if wanted(publicKey(public)) {
				found = k
				return nil
			}
			seen = append(seen, ssh.FingerprintSHA256(public))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		if len(seen) == 0 {
			return nil, errors.New("the SSH agent holds no key that can be used: add yours with ssh-add, or name a key file")
		}
		return nil, fmt.Errorf("none of the keys in the SSH agent is known here (%s): add yours with ssh-add, or name a key file", strings.Join(seen, ", "))
	}
	public, err := ssh.ParsePublicKey(found.Blob)
	if err != nil {
		return nil, fmt.Errorf("read the agent's key: %w", err)
	}
	return &Signer{public, func(namespace Namespace, message []byte) (armored []byte, err error) {
		err = withAgent(func(a agent.ExtendedAgent) error {
			signers, err := a.Signers()
			if err != nil {
				return fmt.Errorf("ask SSH agent for its keys: %w", err)
			}
			for _, s := range signers {
				if publicKey(s.PublicKey()) != publicKey(public) {
					continue
				}
				if armored, err = inProcess(s).sign(namespace, message); err != nil {
					return fmt.Errorf("the SSH agent did not sign: was it confirmed, and the security key touched? %w", err)
				}
				// An agent that answers with something else, or without a touch, is found out here and not at 3 a.m. by a worker.
				_, err = SignedBy(namespace, message, armored)
				return err
			}
			return errors.New("the SSH agent does not hold the key any more")
		})
		return armored, err
	}}, nil
}

func withAgent(do func(agent.ExtendedAgent) error) error {
	path := os.Getenv("SSH_AUTH_SOCK")
	if path == "" {
		return errors.New("there is no SSH agent (SSH_AUTH_SOCK is not set): start one with ssh-agent, or name a key file")
	}
	conn, err := net.DialTimeout("unix", path, 5*time.Second) //nolint:gosec // the person says where their own agent is
	if err != nil {
		return fmt.Errorf("reach SSH agent: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(agentTimeout)); err != nil {
		return fmt.Errorf("reach SSH agent: %w", err)
	}
	return do(agent.NewClient(conn))
}
