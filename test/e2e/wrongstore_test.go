package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/store/fault"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

var endpoint = regexp.MustCompile(`endpoint: (http://\S+)`)

// behindProxy is a rig whose first vault is reached through a proxy that can be made to fail.
func behindProxy(t *testing.T) (*rig, *fault.Proxy) {
	t.Helper()
	var proxy *fault.Proxy
	r := newRig(t, 4<<20, func(config string) string {
		match := endpoint.FindStringSubmatch(config)
		if match == nil {
			t.Fatal("the configuration names no endpoint")
		}
		var err error
		if proxy, err = fault.NewProxy(match[1]); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.Close)
		config = strings.Replace(config, match[1], proxy.URL(), 1)
		return strings.Replace(config, "chunk_bytes: 16MiB", "chunk_bytes: 1MiB", 1)
	})
	return r, proxy
}

// asking chooses requests of one method for objects whose path fits.
func asking(method, path string) fault.Match {
	pattern := regexp.MustCompile(path)
	return func(r *http.Request) bool { return r.Method == method && pattern.MatchString(r.URL.Path) }
}

// TestWrongStore runs backups into a vault that is full, read-only or not there: each fails soon, with one
// clear error that says what to do, is told to people once, is recorded where the vault still takes a
// record, and leaves no branch and no scratch database behind.
func TestWrongStore(t *testing.T) {
	r, proxy := behindProxy(t)
	records := 0
	for name, c := range map[string]struct {
		on       fault.Match
		trouble  fault.Behavior
		kind     string
		hint     string
		recorded bool
	}{
		"full for large objects":    {asking("PUT", `/data/.*\.0000$`), fault.Full(), activities.TypeStoreFull, "make room", true},
		"full":                      {asking("PUT", ""), fault.Refuse(http.StatusForbidden, "QuotaExceeded"), activities.TypeStoreFull, "raise the quota", false},
		"full when it is committed": {asking("PUT", "/manifest.json$"), fault.Full(), activities.TypeStoreFull, "make room", true},
		"read-only":                 {asking("PUT", ""), fault.Refuse(http.StatusForbidden, "AccessDenied"), activities.TypeStoreDenied, "rights in the bucket", false},
		"not there":                 {nil, fault.Refuse(http.StatusNotFound, "NoSuchBucket"), activities.TypeStoreDenied, "there is no bucket", false},
	} {
		t.Run(name, func(t *testing.T) {
			told := r.told("backup.failed")
			proxy.Heal()
			proxy.Inject(fault.Always, c.on, c.trouble)
			began := time.Now()
			run := r.begin(workflows.BackupID("database", time.Now()), workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "database", SkipVerify: true})
			err := r.end(run, nil)
			took := time.Since(began)
			refused := proxy.Requests(func(q *http.Request) bool { return q.Method == "PUT" && (c.on == nil || c.on(q)) })
			proxy.Heal()
			if err == nil || !strings.Contains(err.Error(), c.kind) || !strings.Contains(err.Error(), c.hint) {
				t.Fatalf("got %v, want %s with the hint %q", err, c.kind, c.hint)
			}
			if strings.Count(err.Error(), c.hint) != 1 {
				t.Errorf("the hint stands there %d times: %v", strings.Count(err.Error(), c.hint), err)
			}
			// One by each lane, and one for the record: nobody tried again.
			if took > time.Minute || refused > 4 {
				t.Errorf("it took %s and %d refused writes", took, refused)
			}
			r.nothingLeft(t)
			if n := r.told("backup.failed") - told; n != 1 {
				t.Errorf("people were told %d times", n)
			}
			last := r.stack.Inbox.Messages()[len(r.stack.Inbox.Messages())-1]
			if !strings.Contains(string(last.Body), c.kind) || !strings.Contains(string(last.Body), c.hint) {
				t.Errorf("people were told %s", last.Body)
			}
			if c.recorded {
				records++
			}
			if n := r.vaultFiles(t, "/attempts/1.json"); n != records {
				t.Errorf("there are %d records of failures, want %d", n, records)
			}
		})
	}
	good := r.backup() // the vault is as it should be again

	t.Run("unreadable for a verification", func(t *testing.T) {
		proxy.Heal()
		proxy.Inject(fault.Always, asking("GET", `/data/.*/c\d+\.0000$`), fault.Refuse(http.StatusForbidden, "AccessDenied"))
		_, err := r.verify(good.Backup)
		proxy.Heal()
		if err == nil || !strings.Contains(err.Error(), activities.TypeStoreDenied) || !strings.Contains(err.Error(), "rights in the bucket") {
			t.Errorf("got %v", err)
		}
		r.nothingLeft(t)
		if n := r.told("backup.unverified"); n != 1 {
			t.Errorf("people were told %d times", n)
		}
		if n := r.records(t, good.Backup, "attempts"); n != 1 || r.records(t, good.Backup, "verified") != 0 {
			t.Errorf("there are %d records of failures, want one and no verification", n)
		}
		if _, err := r.verify(good.Backup); err != nil {
			t.Errorf("with the rights given back: %v", err)
		}
	})
}
