package neon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// RestoreSpec is an instant restore of a root branch.
type RestoreSpec struct {
	Project string
	// Branch is the id of the branch that is overwritten. Its id, computes and passwords stay.
	Branch string
	// Source is the id of the branch whose history is used; empty is Branch itself.
	Source string
	// Point is where in the source's history. A branch cannot be restored to its own head.
	Point Point
	// PreserveAs names the branch that keeps the state before the restore; always required, because what
	// was written after the point exists nowhere else.
	PreserveAs string
}

// Restored is what an instant restore left.
type Restored struct {
	// Branch is the branch with its new contents.
	Branch Branch
	// Preserved is the state before, without a compute.
	Preserved Branch
	// PointConfirmed says that Neon told the point and that it is the one asked for. When false Neon did
	// not tell, which is never to be read as a yes: compare a canary in the data.
	PointConfirmed bool
	// Adopted says that an earlier try did it, and this one found its preserved branch.
	Adopted bool
}

// Restore overwrites every database of a branch with an earlier state and drops its connections. The
// state before is kept under PreserveAs, by which an earlier try is recognised: that makes it safe to
// repeat, and is why the name must be a new one for each restore.
func (c *Client) Restore(ctx context.Context, spec RestoreSpec) (Restored, error) {
	const op = "restore branch"
	if err := spec.check(op); err != nil {
		return Restored{}, err
	}
	if spec.Source == "" {
		spec.Source = spec.Branch
	}
	preserved, err := c.find(ctx, op, spec.Project, spec.PreserveAs)
	if err != nil {
		return Restored{}, err
	}
	adopted := preserved != nil
	if adopted {
		if err := c.settle(ctx, op, spec.Project, spec.Branch); err != nil {
			return Restored{}, err
		}
	} else {
		if adopted, err = c.overwrite(ctx, op, spec); err != nil {
			return Restored{}, err
		}
		if preserved, err = c.find(ctx, op, spec.Project, spec.PreserveAs); err != nil {
			return Restored{}, err
		}
	}
	if preserved == nil {
		return Restored{}, &Error{Op: op, Kind: ErrOperation, Message: fmt.Sprintf("the restore is done but no branch is named %q", spec.PreserveAs),
			Hint: "look for the state before the restore in Neon's console before anything else"}
	}
	if preserved.ID == spec.Branch {
		return Restored{}, invalid(op, "%q is the name of the branch itself", spec.PreserveAs)
	}
	branch, err := c.rest(ctx, op, spec.Project, spec.Branch, false)
	if err != nil {
		return Restored{}, err
	}
	out := Restored{Branch: branch, Preserved: *preserved, Adopted: adopted}
	told := spec.Point.LSN != "" && branch.ParentLSN != "" || !spec.Point.Time.IsZero() && !branch.ParentTime.IsZero()
	if told {
		if err := spec.Point.held(op, branch); err != nil {
			return out, err
		}
	}
	out.PointConfirmed = told
	return out, nil
}

func (s RestoreSpec) check(op string) error {
	if err := checkIDs(op, "project", s.Project, "branch", s.Branch); err != nil {
		return err
	}
	if s.Source != "" {
		if err := checkIDs(op, "source branch", s.Source); err != nil {
			return err
		}
	}
	if s.PreserveAs == "" {
		return invalid(op, "no name to preserve the present state under: without it, what was written after the point is lost")
	}
	if err := checkName(op, s.PreserveAs); err != nil {
		return err
	}
	if s.Point.Head() && (s.Source == "" || s.Source == s.Branch) {
		return invalid(op, "a branch cannot be restored to its own head: give an LSN or a time")
	}
	return s.Point.check(op)
}

// overwrite sends the restore once. When the answer is lost, the preserved branch tells whether it
// happened; when it cannot be told, the caller tries the whole again.
func (c *Client) overwrite(ctx context.Context, op string, spec RestoreSpec) (adopted bool, err error) {
	body := map[string]any{"source_branch_id": spec.Source, "preserve_under_name": spec.PreserveAs}
	if spec.Point.LSN != "" {
		body["source_lsn"] = spec.Point.LSN
	}
	if !spec.Point.Time.IsZero() {
		body["source_timestamp"] = stamp(spec.Point.Time, time.Millisecond)
	}
	var out operations
	in := call{op: op, method: http.MethodPost, path: branchPath(spec.Project, spec.Branch, "restore"), body: body, single: true}
	if _, err = c.do(ctx, in, &out); err == nil {
		return false, c.wait(ctx, op, out.Operations)
	}
	if !unknownOutcome(err) && !isConflict(err) || ctx.Err() != nil {
		return false, err
	}
	c.log.InfoContext(ctx, "looking for a restore that was not answered", slog.String("project", spec.Project), slog.String("branch", spec.Branch))
	// The preserved branch may only show when the operations are done.
	if failed := c.settle(ctx, op, spec.Project, spec.Branch); failed != nil {
		return false, errors.Join(err, failed)
	}
	found, failed := c.lookAgain(ctx, op, spec.Project, spec.PreserveAs)
	if failed != nil || found == nil {
		return false, errors.Join(err, failed)
	}
	return true, c.settle(ctx, op, spec.Project, spec.Branch)
}
