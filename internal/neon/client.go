// Package neon is a client of Neon's API: branches, computes, operations, connection strings, instant
// restore. It knows nothing of backups and opens no database. It stands on net/http because Neon keeps
// no Go SDK, and the community's takes no context and neither waits for operations nor tells lost
// answers from refusals.
//
// Three rules hold everywhere. A call returns when every operation it started is done, not when Neon
// accepted it. A write whose answer was lost is looked for before it is repeated. And whatever has a
// name that does not start with [OwnPrefix] is never deleted and never made to expire.
package neon

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// OwnPrefix starts the name of every branch that Lifeboat makes, and so of every branch it may delete.
const OwnPrefix = "lifeboat/"

// DefaultBaseURL is where Neon's API is.
const DefaultBaseURL = "https://console.neon.tech/api/v2"

// maxName is the longest branch name that Neon takes, in bytes.
const maxName = 256

// Config says how to reach the API. Only Key is required.
type Config struct {
	// BaseURL is DefaultBaseURL when empty. Plain http is taken for loopback addresses only: the key would be
	// readable on the way.
	BaseURL string
	// AllowPlainHTTP takes plain http elsewhere too, for emulators in a network of containers.
	AllowPlainHTTP bool
	// Key reads the API key. It is called for each request, so that a rotated key is picked up.
	Key func() (secret.String, error)
	// HTTP is copied; nil is a client of its own. Redirects are never followed.
	HTTP *http.Client
	// Log gets what was repeated and why; nil is silent. Passwords and connection strings never reach it.
	Log *slog.Logger
	// PollInterval is the pause between two looks at an operation; 0 is one second, as Neon's own client has it.
	PollInterval time.Duration
	// RequestTimeout bounds one request; 0 is a minute.
	RequestTimeout time.Duration
	// RetryBudget is how long one call is repeated while Neon answers 423, 429, 503 and the like; 0 is three
	// minutes. It holds for all waiting of one call, Retry-After included.
	RetryBudget time.Duration
	// OperationTimeout is how long the operations of one call may take together; 0 is five minutes.
	OperationTimeout time.Duration
	// FailedGrace is how long a failed operation is given to be retried by Neon; 0 is thirty seconds.
	FailedGrace time.Duration
}

// Client talks to the API. It may be used from many goroutines.
type Client struct {
	base *url.URL
	http *http.Client
	log  *slog.Logger
	cfg  Config
	// freshFor is how long a thing that was just made may be unknown to other parts of Neon.
	freshFor time.Duration
}

// New makes a client. It sends nothing.
func New(cfg Config) (*Client, error) {
	if cfg.Key == nil {
		return nil, errors.New("make Neon client: no API key: name an environment variable or a file that holds it")
	}
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultBaseURL
	}
	base, err := parseBase(cfg.BaseURL, cfg.AllowPlainHTTP)
	if err != nil {
		return nil, fmt.Errorf("make Neon client: %w", err)
	}
	cfg.PollInterval = orDefault(cfg.PollInterval, time.Second)
	cfg.RequestTimeout = orDefault(cfg.RequestTimeout, time.Minute)
	cfg.RetryBudget = orDefault(cfg.RetryBudget, 3*time.Minute)
	cfg.OperationTimeout = orDefault(cfg.OperationTimeout, 5*time.Minute)
	cfg.FailedGrace = orDefault(cfg.FailedGrace, 30*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	client := http.Client{}
	if cfg.HTTP != nil {
		client = *cfg.HTTP
	}
	// A redirect would carry the key, or a write, to where nobody sent it.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{base: base, http: &client, log: cfg.Log, cfg: cfg, freshFor: 15 * time.Second}, nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// parseBase does not quote a URL that may hold a password.
func parseBase(text string, plain bool) (*url.URL, error) {
	base, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil:
		return nil, errors.New("the base URL cannot be read")
	case base.User != nil:
		return nil, errors.New("the base URL holds a user: the API takes its key from the configuration only")
	case base.Host == "" || base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Errorf("the base URL must look like %s", DefaultBaseURL)
	case base.Scheme == "https", base.Scheme == "http" && (plain || loopback(base.Hostname())):
		return base, nil
	}
	return nil, fmt.Errorf("the base URL is %s to %s: use https, the key would be readable on the way", base.Scheme, base.Hostname())
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

var neonID = regexp.MustCompile(`^[a-z0-9-]{1,60}$`)

// checkIDs keeps what goes into paths from being anything but an id. Kinds and values alternate.
func checkIDs(op string, kindsAndValues ...string) error {
	for i := 0; i+1 < len(kindsAndValues); i += 2 {
		if !neonID.MatchString(kindsAndValues[i+1]) {
			return invalid(op, "%q is not the id of a %s: ids have lower-case letters, digits and dashes", kindsAndValues[i+1], kindsAndValues[i])
		}
	}
	return nil
}

// Own says whether a branch of this name is Lifeboat's, and so may be deleted.
func Own(name string) bool { return strings.HasPrefix(name, OwnPrefix) && len(name) > len(OwnPrefix) }
