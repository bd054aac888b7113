package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// record writes every history of the rig, opened, into the directory that LIFEBOAT_RECORD names. Released
// code records; the replay tests then hold later code against it:
//
//	LIFEBOAT_RECORD=$PWD/test/replay/testdata go test ./test/e2e -run 'Journey|Replicas|RunbookRehearsal'
func (r *rig) record(t *testing.T) {
	dir := os.Getenv("LIFEBOAT_RECORD")
	if dir == "" {
		return
	}
	r.eachHistory(t, func(e *workflowpb.WorkflowExecutionInfo, history *historypb.History) {
		if e.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			return
		}
		r.open(t, history, func([]byte) {})
		text, err := protojson.MarshalOptions{Indent: " "}.Marshal(history)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.NewReplacer("/", "_", ":", "-").Replace(e.GetExecution().GetWorkflowId()) + "." + strings.ToLower(e.GetStatus().String()) + ".json"
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	})
}
