package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"
)

// prepareNamespace makes the namespace with its retention and search attributes, and waits until all of it
// can be used. It is safe to repeat.
func (s *Server) prepareNamespace(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c, err := client.NewLazyClient(client.Options{HostPort: s.address, Namespace: s.opt.Namespace, Logger: silent{}})
	if err != nil {
		return fmt.Errorf("connect to Temporal: %w", err)
	}
	defer c.Close()
	for _, step := range []struct {
		what string
		do   func(context.Context, client.Client) error
	}{
		{"make namespace", s.ensureNamespace},
		{"set retention", s.setRetention},
		{"add search attributes", s.addSearchAttributes},
	} {
		if err := until(ctx, func() error { return step.do(ctx, c) }); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// until repeats what fails while the server's parts still find each other.
func until(ctx context.Context, do func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := do()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

func (s *Server) ensureNamespace(ctx context.Context, c client.Client) error {
	_, err := c.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: s.opt.Namespace, WorkflowExecutionRetentionPeriod: durationpb.New(s.opt.Retention),
		Description: "Lifeboat: backups, verifications, restores",
	})
	var exists *serviceerror.NamespaceAlreadyExists
	if errors.As(err, &exists) {
		return nil
	}
	return err
}

func (s *Server) setRetention(ctx context.Context, c client.Client) error {
	got, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: s.opt.Namespace})
	if err != nil {
		return err
	}
	if got.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration() == s.opt.Retention {
		return nil
	}
	_, err = c.WorkflowService().UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{
		Namespace: s.opt.Namespace, Config: &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(s.opt.Retention)},
	})
	return err
}

func (s *Server) addSearchAttributes(ctx context.Context, c client.Client) error {
	have, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: s.opt.Namespace})
	if err != nil {
		return err
	}
	add := map[string]enumspb.IndexedValueType{}
	for name, kind := range s.opt.SearchAttributes {
		if _, there := have.GetCustomAttributes()[name]; !there {
			add[name] = kind
		}
	}
	if len(add) == 0 {
		return nil
	}
	if _, err := c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: s.opt.Namespace, SearchAttributes: add}); err != nil {
		return err
	}
	return errors.New("search attributes were added and are not there yet")
}

// silent keeps the client's own log out of ours while it waits.
type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
