package timeline

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
)

// certificateLife is long because nobody renews the certificate of a development stack.
const certificateLife = 10 * 365 * 24 * time.Hour

// keyPair names the files of the servers' certificate.
type keyPair struct{ certificate, key string }

// ensureCertificate makes a self-signed certificate once. It proves nobody's identity: it is there so that
// connections are encrypted as Neon demands.
func ensureCertificate(dir string) (keyPair, error) {
	pair := keyPair{certificate: filepath.Join(dir, "server.crt"), key: filepath.Join(dir, "server.key")}
	if _, err := tls.LoadX509KeyPair(pair.certificate, pair.key); err == nil {
		return pair, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return pair, fmt.Errorf("read certificate of servers: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair, fmt.Errorf("make key of servers: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return pair, fmt.Errorf("make certificate of servers: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Neon emulator"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return pair, fmt.Errorf("make certificate of servers: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return pair, fmt.Errorf("encode key of servers: %w", err)
	}
	// The certificate is written last: it is what the check above looks at first.
	for _, file := range []struct {
		path, kind string
		der        []byte
	}{{pair.key, "PRIVATE KEY", pkcs8}, {pair.certificate, "CERTIFICATE", der}} {
		block := pem.EncodeToMemory(&pem.Block{Type: file.kind, Bytes: file.der})
		if err := os.WriteFile(file.path, block, 0o600); err != nil {
			return pair, fmt.Errorf("write certificate of servers: %w", err)
		}
		if err := pgserver.Own(file.path); err != nil {
			return pair, err
		}
	}
	return pair, nil
}

// Certificate is what the servers show, for those who answer in a server's place.
func (s *Store) Certificate() (tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(s.tls.certificate, s.tls.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read certificate of servers: %w", err)
	}
	return cert, nil
}
