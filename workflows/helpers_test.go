package workflows_test

import (
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/workflows"
)

func workflowName(name string) workflow.RegisterOptions { return workflow.RegisterOptions{Name: name} }

func startOptions(id string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{ID: id, TaskQueue: workflows.Queue}
}
