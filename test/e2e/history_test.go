package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/proxy"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/codec"
	"github.com/lifeboat-dr/lifeboat/internal/keyring"
)

// eachHistory gives the history of every execution as it is stored.
func (r *rig) eachHistory(t *testing.T, do func(*workflowpb.WorkflowExecutionInfo, *historypb.History)) {
	t.Helper()
	list, err := r.client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{PageSize: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list.GetExecutions() {
		history := &historypb.History{}
		iter := r.client.GetWorkflowHistory(t.Context(), e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for iter.HasNext() {
			event, err := iter.Next()
			if err != nil {
				t.Fatal(err)
			}
			history.Events = append(history.Events, event)
		}
		do(e, history)
	}
}

// open opens every payload of a history with the fleet's key, in place, and shows each to see.
func (r *rig) open(t *testing.T, history *historypb.History, see func([]byte)) {
	t.Helper()
	keys, err := assemble.FleetKeys(r.config)
	if err != nil {
		t.Fatal(err)
	}
	opener, err := codec.New(keys)
	if err != nil {
		t.Fatal(err)
	}
	err = proxy.VisitPayloads(t.Context(), history, proxy.VisitPayloadsOptions{
		SkipSearchAttributes: true,
		Visitor: func(_ *proxy.VisitPayloadsContext, p []*commonpb.Payload) ([]*commonpb.Payload, error) {
			plain, err := opener.Decode(p)
			for _, one := range plain {
				see(one.GetData())
			}
			return plain, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// histories is the text of all histories, as they are stored and opened.
func (r *rig) histories(t *testing.T) (sealed, opened string) {
	t.Helper()
	var stored, plain strings.Builder
	r.eachHistory(t, func(_ *workflowpb.WorkflowExecutionInfo, history *historypb.History) {
		stored.WriteString(prototext.Format(history))
		r.open(t, history, func(data []byte) {
			plain.Write(data)
			plain.WriteByte('\n')
		})
	})
	return stored.String(), plain.String()
}

// secrets are the texts of the stack's secret files, and the password of the database's owner.
func (r *rig) secrets(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	files, err := filepath.Glob(filepath.Join(r.stack.Dir, "keys", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		// The writer's access key is a name, and the addresses of the inbox are not secret on loopback.
		if !strings.HasPrefix(name, "s3-us-") && name != "neon.secret" && name != keyring.WebhookSecret && name != keyring.Fleet {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found[name] = strings.TrimSpace(string(text))
	}
	if len(found) < 5 {
		t.Fatalf("only %d secrets were found", len(found))
	}
	conn, err := r.stack.Sites[0].Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	found["the owner's connection"] = conn.Config().Password
	for name, secret := range found {
		if secret == "" {
			t.Fatalf("the secret in %s is empty, so looking for it would prove nothing", name)
		}
	}
	return found
}
