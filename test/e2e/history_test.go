package e2e

import (
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/codec"
)

// histories is the text of all histories, as they are stored and opened.
func (r *rig) histories(t *testing.T) (sealed, opened string) {
	t.Helper()
	keys, err := assemble.FleetKeys(r.config)
	if err != nil {
		t.Fatal(err)
	}
	codec, err := codec.New(keys)
	if err != nil {
		t.Fatal(err)
	}
	list, err := r.client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{PageSize: 100})
	if err != nil {
		t.Fatal(err)
	}
	var stored, plain strings.Builder
	for _, e := range list.GetExecutions() {
		iter := r.client.GetWorkflowHistory(t.Context(), e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		history := &historypb.History{}
		for iter.HasNext() {
			event, err := iter.Next()
			if err != nil {
				t.Fatal(err)
			}
			history.Events = append(history.Events, event)
		}
		stored.WriteString(prototext.Format(history))
		err := proxy.VisitPayloads(t.Context(), history, proxy.VisitPayloadsOptions{
			SkipSearchAttributes: true,
			Visitor: func(_ *proxy.VisitPayloadsContext, p []*commonpb.Payload) ([]*commonpb.Payload, error) {
				open, err := codec.Decode(p)
				for _, one := range open {
					plain.Write(one.GetData())
					plain.WriteByte('\n')
				}
				return p, err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return stored.String(), plain.String()
}
