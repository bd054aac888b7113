package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/keyring"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// The components are the same database, on the spot and through the link.
const (
	componentNear = "near"
	componentFar  = "far"
	spare         = "spare"
)

//go:embed lifeboat.yaml.tmpl
var configText string

var configTemplate = template.Must(template.New("lifeboat.yaml").Parse(configText))

func (w *world) configPath() string { return filepath.Join(w.dir, "lifeboat.yaml") }

func (w *world) keyFile(name string) string { return filepath.Join(w.dir, "keys", name) }

// configure makes keys, the standing order, and Lifeboat's configuration.
func (w *world) configure(context.Context) error {
	ring, err := keyring.Generate(filepath.Join(w.dir, "keys"), "worker@bench.example", "owner@bench.example")
	if err != nil {
		return err
	}
	w.recipient, w.identity = ring.VerificationRecipient, w.keyFile(keyring.Verification)
	cfg := w.store.Config()
	for name, text := range map[string]string{"near": w.near.url(), "far": w.far.url(), "user": cfg.AccessKey, "password": cfg.SecretKey} {
		if err := w.keep(name, text); err != nil {
			return err
		}
	}
	if err := w.signOrder(); err != nil {
		return err
	}
	var text bytes.Buffer
	err = configTemplate.Execute(&text, map[string]any{
		"Endpoint": w.store.Endpoint(), "Region": cfg.Region, "Bucket": vaultBucket, "Near": w.Near, "Far": w.Far, "Chunk": w.Chunk,
		"Verification": ring.VerificationRecipient, "Escrow": ring.EscrowRecipient,
		"Temporal": w.temporal.Address(),
	})
	if err != nil {
		return fmt.Errorf("render configuration: %w", err)
	}
	if err := os.WriteFile(w.configPath(), text.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// keep writes a secret that the configuration refers to.
func (w *world) keep(name, text string) error {
	if err := os.WriteFile(w.keyFile(name+".secret"), []byte(text+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep secret %s: %w", name, err)
	}
	return nil
}

// signOrder lets the owner allow routine work, as every activity wants it.
func (w *world) signOrder() error {
	now := time.Now().UTC().Truncate(time.Second)
	order, err := roster.NewSigned(plan.Order{
		Format: 1, Kind: "standing", Application: "bench", Actions: plan.StandingActions,
		Components: []string{componentNear, componentFar}, Targets: []string{spare}, Issued: now, Expires: now.AddDate(0, 1, 0),
	})
	if err != nil {
		return err
	}
	key, err := os.ReadFile(w.keyFile(keyring.Owner))
	if err != nil {
		return fmt.Errorf("read owner's key: %w", err)
	}
	signer, err := signature.NewSigner(key)
	if err != nil {
		return err
	}
	if err := order.Sign(signer); err != nil {
		return err
	}
	data, err := order.Bytes()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.dir, "order.json"), data, 0o600); err != nil {
		return fmt.Errorf("write order: %w", err)
	}
	return nil
}

// peerEnv is what peers' scripts see besides the database.
func (w *world) peerEnv() []string {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	aws, _ := find("aws") // who needs it was refused before, when it is missing
	cfg := w.store.Config()
	return []string{
		"PATH=" + w.programs + ":" + os.Getenv("PATH"), "SELF=" + self, "AWS=" + aws, "RECIPIENT=" + w.recipient, "IDENTITY=" + w.identity,
		"BENCH_S3_ENDPOINT=" + w.store.Endpoint(), "BENCH_S3_BUCKET=" + peerBucket, "BENCH_PASSPHRASE=" + w.near.password, "RESTIC_PASSWORD=" + w.near.password,
		"AWS_ACCESS_KEY_ID=" + cfg.AccessKey, "AWS_SECRET_ACCESS_KEY=" + cfg.SecretKey, "AWS_DEFAULT_REGION=" + cfg.Region,
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true",
	}
}
