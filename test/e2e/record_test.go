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
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/codec"
)

// record writes every history of the rig, opened, into the directory that LIFEBOAT_RECORD names. Released
// code records; the replay tests then hold later code against it:
//
//	LIFEBOAT_RECORD=$PWD/test/replay/testdata go test ./test/e2e -run Journey
func (r *rig) record(t *testing.T) {
	dir := os.Getenv("LIFEBOAT_RECORD")
	if dir == "" {
		return
	}
	keys, err := assemble.FleetKeys(r.config)
	if err != nil {
		t.Fatal(err)
	}
	opener, err := codec.New(keys)
	if err != nil {
		t.Fatal(err)
	}
	list, err := r.client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{PageSize: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list.GetExecutions() {
		if e.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			continue
		}
		history := &historypb.History{}
		iter := r.client.GetWorkflowHistory(t.Context(), e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for iter.HasNext() {
			event, err := iter.Next()
			if err != nil {
				t.Fatal(err)
			}
			history.Events = append(history.Events, event)
		}
		err := proxy.VisitPayloads(t.Context(), history, proxy.VisitPayloadsOptions{
			SkipSearchAttributes: true,
			Visitor: func(_ *proxy.VisitPayloadsContext, p []*commonpb.Payload) ([]*commonpb.Payload, error) {
				return opener.Decode(p)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		text, err := protojson.MarshalOptions{Indent: " "}.Marshal(history)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.NewReplacer("/", "_", ":", "-").Replace(e.GetExecution().GetWorkflowId()) + "." + strings.ToLower(e.GetStatus().String()) + ".json"
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
