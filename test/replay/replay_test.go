// Package replay holds today's workflow code against histories that earlier code recorded: an execution that
// runs while Lifeboat is upgraded has to go on. How to record stands in test/e2e/record_test.go.
package replay

import (
	"os"
	"path/filepath"
	"testing"

	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/lifeboat-dr/lifeboat/workflows"
)

func TestRecordedHistoriesReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var history historypb.History
			if err := protojson.Unmarshal(text, &history); err != nil {
				t.Fatal(err)
			}
			events := history.GetEvents()
			kind := events[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowType().GetName()
			kinds[kind+" "+events[len(events)-1].GetEventType().String()] = true
			replayer := worker.NewWorkflowReplayer()
			workflows.Register(replayer)
			// Ids of children are made of their parent's.
			started := events[0].GetWorkflowExecutionStartedEventAttributes()
			execution := workflow.Execution{ID: started.GetWorkflowId(), RunID: started.GetOriginalExecutionRunId()}
			if err := replayer.ReplayWorkflowHistoryWithOptions(nil, &history, worker.ReplayWorkflowHistoryOptions{OriginalExecution: execution}); err != nil {
				t.Error(err)
			}
		})
	}
	for _, kind := range []string{
		workflows.BackupName + " WorkflowExecutionCompleted", workflows.BackupName + " WorkflowExecutionFailed",
		workflows.BackupName + " WorkflowExecutionCanceled", workflows.VerifyName + " WorkflowExecutionCompleted",
		workflows.VerifyName + " WorkflowExecutionFailed", workflows.RestoreBackupName + " WorkflowExecutionCompleted",
		workflows.RestoreBackupName + " WorkflowExecutionFailed", workflows.ReplicateName + " WorkflowExecutionCompleted", workflows.ReplicateName + " WorkflowExecutionFailed", workflows.EvaluateName + " WorkflowExecutionCompleted",
		workflows.RunbookName + " WorkflowExecutionCompleted", workflows.RunbookName + " WorkflowExecutionFailed", workflows.HoldName + " WorkflowExecutionCompleted",
	} {
		if !kinds[kind] {
			t.Errorf("there is no recorded history of %s, so nothing is proven of it", kind)
		}
	}
}
