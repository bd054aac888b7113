package assemble

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// proxy takes the requests to hosts that do not exist. The way to it is read from the environment once.
var proxy *listener

func TestMain(m *testing.M) {
	proxy = &listener{}
	server := httptest.NewServer(proxy)
	proxy.url = server.URL
	_ = os.Setenv("HTTP_PROXY", server.URL)
	code := m.Run()
	server.Close()
	os.Exit(code)
}

// listener is a server that keeps the last write and says no to everything.
type listener struct {
	url  string
	seen *http.Request
	body []byte
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // a broken one is a wrong one
	if r.Method == http.MethodPut || r.Method == http.MethodPost {
		l.seen, l.body = r, body
	}
	w.WriteHeader(http.StatusForbidden)
}

func listen(t *testing.T) *listener {
	t.Helper()
	l := &listener{}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	l.url = server.URL
	return l
}

// written loads a configuration with one vault and writes through it what is refused.
func (l *listener) written(t *testing.T, vaultText string) {
	t.Helper()
	minimal, err := os.ReadFile("../config/testdata/minimal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(minimal), "vaults:\n")
	if !ok {
		t.Fatal("the minimal configuration has no vaults")
	}
	_, rest, _ = strings.Cut(rest, "components:\n")
	head, _, _ := strings.Cut(string(minimal), "vaults:\n")
	path := filepath.Join(t.TempDir(), "lifeboat.yaml")
	text := head + "vaults:\n  disk:\n" + vaultText + "components:\n" + rest
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	made, err := vault(t.Context(), "disk", cfg.Vaults["disk"])
	if err != nil {
		t.Fatal(err)
	}
	_, err = made.Store.Create(t.Context(), "v1/x", []byte("sealed"), store.CreateOptions{RetainUntil: time.Now().Add(time.Hour)})
	if err == nil || l.seen == nil {
		t.Fatalf("nothing was asked of the server: %v", err)
	}
}

// Every setting of an S3 vault reaches the request.
func TestS3Settings(t *testing.T) {
	t.Setenv("VAULT_KEY", "AKIAEXAMPLE")
	t.Setenv("VAULT_SECRET", "wJalrEXAMPLE")
	const sum = "ydADa+1nRLzfaS/JgNhxfX5fWk9Ogma0qEmCYC+xzQk="
	for name, c := range map[string]struct {
		settings string
		path     string
		headers  map[string]string
		missing  []string
	}{
		"everything": {
			settings: `path_style: true, storage_class: STANDARD_IA, sse: {mode: "aws:kms", kms_key: alias/vault, bucket_key: true}, prefix: east/`,
			path:     "/bucket/east/v1/x",
			headers: map[string]string{
				"X-Amz-Storage-Class": "STANDARD_IA", "X-Amz-Server-Side-Encryption": "aws:kms",
				"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "alias/vault", "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled": "true",
				"X-Amz-Checksum-Sha256": sum, "X-Amz-Object-Lock-Mode": "COMPLIANCE", "If-None-Match": "*",
			},
		},
		"defaults": {
			settings: "path_style: true", path: "/bucket/v1/x",
			headers: map[string]string{"X-Amz-Checksum-Sha256": sum},
			missing: []string{"X-Amz-Storage-Class", "X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"},
		},
		"AES256 and md5": {
			settings: "path_style: true, sse: {mode: AES256}, checksum: md5", path: "/bucket/v1/x",
			headers: map[string]string{"X-Amz-Server-Side-Encryption": "AES256", "Content-Md5": "C+rYhIA/6MVkPdoNy5SxvA=="},
			missing: []string{"X-Amz-Checksum-Sha256", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t)
			l.written(t, fmt.Sprintf("    s3: {endpoint: %q, region: eu-west-3, bucket: bucket, access_key: {env: VAULT_KEY}, secret_key: {env: VAULT_SECRET}, %s}\n    lock: {mode: compliance, retain: 1d}\n", l.url, c.settings))
			if l.seen.URL.Path != c.path {
				t.Errorf("it went to %s, want %s", l.seen.URL.Path, c.path)
			}
			for header, want := range c.headers {
				if got := l.seen.Header.Get(header); got != want {
					t.Errorf("%s: %q, want %q", header, got, want)
				}
			}
			// Checksums behind the body are what some servers refuse: the body is sent as it is.
			for _, header := range append(c.missing, "X-Amz-Trailer", "Content-Encoding", "X-Amz-Sdk-Checksum-Algorithm") {
				if got := l.seen.Header.Get(header); got != "" {
					t.Errorf("%s: %q was sent", header, got)
				}
			}
			if string(l.body) != "sealed" {
				t.Errorf("the body is %q", l.body)
			}
			if auth := l.seen.Header.Get("Authorization"); !strings.Contains(auth, "/eu-west-3/s3/") || !strings.Contains(auth, "AKIAEXAMPLE") {
				t.Errorf("it was signed as %q", auth)
			}
		})
	}
}

// Without path style the bucket is part of the host's name, at AWS and at an endpoint of one's own.
func TestS3Hosts(t *testing.T) {
	t.Setenv("VAULT_KEY", "AKIAEXAMPLE")
	t.Setenv("VAULT_SECRET", "wJalrEXAMPLE")
	for style, want := range map[string]string{"path_style: false": "bucket.s3.example.test/v1/x", "path_style: true": "s3.example.test/bucket/v1/x"} {
		proxy.seen = nil
		proxy.written(t, fmt.Sprintf("    s3: {endpoint: %q, region: eu-west-3, bucket: bucket, access_key: {env: VAULT_KEY}, secret_key: {env: VAULT_SECRET}, %s}\n    lock: {mode: compliance, retain: 1d}\n", "http://s3.example.test", style))
		if got := proxy.seen.Host + proxy.seen.URL.Path; got != want {
			t.Errorf("%s: it went to %s, want %s", style, got, want)
		}
	}
}

// Every setting of a Google vault reaches the request.
func TestGCSSettings(t *testing.T) {
	const key = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
	l := listen(t)
	l.written(t, fmt.Sprintf("    gcs: {endpoint: %q, bucket: bucket, prefix: east, storage_class: NEARLINE, kms_key: %s}\n    lock: {mode: governance, retain: 1d}\n", l.url, key))
	query := l.seen.URL.Query()
	if l.seen.URL.Path != "/upload/storage/v1/b/bucket/o" || query.Get("ifGenerationMatch") != "0" || query.Get("kmsKeyName") != key {
		t.Errorf("it went to %s", l.seen.URL)
	}
	for _, want := range []string{`"storageClass":"NEARLINE"`, `"name":"east/v1/x"`, `"mode":"Unlocked"`, `"crc32c":`} {
		if !bytes.Contains(l.body, []byte(want)) {
			t.Errorf("%s is not in the request: %s", want, l.body)
		}
	}
}
