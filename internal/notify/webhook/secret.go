package webhook

import (
	"encoding/base64"
	"fmt"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// signers reads the secrets. Errors count them and never quote them.
func signers(secrets []func() (secret.String, error)) ([]*standardwebhooks.Webhook, error) {
	signers := make([]*standardwebhooks.Webhook, 0, len(secrets))
	for i, read := range secrets {
		s, err := read()
		if err != nil {
			return nil, fmt.Errorf("secret %d: %w", i+1, err)
		}
		// Read here and not by the library, which takes the empty secret too.
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Reveal(), prefix))
		if err != nil {
			return nil, fmt.Errorf("secret %d is not %q followed by base64", i+1, prefix)
		}
		if len(key) < leastBytes || len(key) > mostBytes {
			return nil, fmt.Errorf("secret %d has %d bytes: the scheme wants %d to %d; make one with: echo %s$(openssl rand -base64 32)",
				i+1, len(key), leastBytes, mostBytes, prefix)
		}
		signer, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return nil, fmt.Errorf("secret %d cannot be used", i+1)
		}
		signers = append(signers, signer)
	}
	return signers, nil
}
