package standby

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Removed is what was taken away.
type Removed struct {
	// PrimaryLeft says that the primary did not answer: its slot still keeps its log, on its own disk, until this is repeated.
	PrimaryLeft bool
}

// Remove takes a replication away: subscription, slot and publication. The standby's tables and rows stay. Either
// database may be gone for good: primary nil says that it is not to be asked, and a primary that does not answer is
// reported. A standby that does not answer is an error. Safe to repeat, and no error when there is nothing.
func Remove(ctx context.Context, primary *secret.String, standby secret.String, link Link) (Removed, error) {
	if err := link.check(); err != nil {
		return Removed{}, err
	}
	conn, err := session(ctx, standby)
	if err != nil {
		return Removed{}, fmt.Errorf("standby: %w", err)
	}
	defer shut(ctx, conn)
	known, err := readRecord(ctx, conn)
	if err != nil {
		return Removed{}, err
	}
	if err := known.mine(link); err != nil {
		return Removed{}, err
	}
	if err := dropSubscription(ctx, conn, link); err != nil {
		return Removed{}, err
	}
	if primary == nil {
		return Removed{PrimaryLeft: true}, nil
	}
	switch err := dropSlot(ctx, *primary, link); {
	case err == nil:
		return Removed{}, nil
	case postgres.Retryable(err) && !errors.Is(err, postgres.ErrConflict):
		return Removed{PrimaryLeft: true}, nil
	default:
		return Removed{}, err
	}
}

// dropSubscription takes a subscription away without a word to the primary, which may be gone.
func dropSubscription(ctx context.Context, conn *pgx.Conn, link Link) error {
	there, err := exists(ctx, conn, subscriptionThere, link.Slot())
	if err != nil || !there {
		return err
	}
	name := ident(link.Slot())
	return run(ctx, conn, "drop subscription", "ALTER SUBSCRIPTION "+name+" DISABLE", "ALTER SUBSCRIPTION "+name+" SET (slot_name = NONE)", "DROP SUBSCRIPTION "+name)
}

// slotPatience is how long a sender on the primary may take to notice that nobody listens any more.
const slotPatience = 20 * time.Second

// dropSlot drops the link's slots and publication on the primary.
func dropSlot(ctx context.Context, primary secret.String, link Link) error {
	ctx, cancel := context.WithTimeout(ctx, slotPatience+10*time.Second)
	defer cancel()
	conn, err := session(ctx, primary)
	if err != nil {
		return fmt.Errorf("primary: %w", err)
	}
	defer shut(ctx, conn)
	for limit := time.Now().Add(slotPatience); ; {
		var active bool
		err := conn.QueryRow(ctx, "SELECT active FROM pg_catalog.pg_replication_slots WHERE slot_name = $1", link.Slot()).Scan(&active)
		if errors.Is(err, pgx.ErrNoRows) {
			break
		}
		if err == nil && !active {
			_, err = conn.Exec(ctx, "SELECT pg_catalog.pg_drop_replication_slot($1)", link.Slot())
			if err == nil {
				break
			}
		}
		if err != nil && !errors.Is(postgres.Fail("", "", err), postgres.ErrConflict) && !inUse(err) {
			return postgres.Fail("drop replication slot", link.Slot(), err)
		}
		if time.Now().After(limit) {
			return &postgres.Error{Op: "drop replication slot", Object: link.Slot(), Kind: postgres.ErrConflict, Err: errors.New("somebody still reads it")}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pollEvery / 4):
		}
	}
	return run(ctx, conn, "drop publication", "DROP PUBLICATION IF EXISTS "+ident(link.Publication()))
}

// inUse says that a slot is read by somebody at this moment.
func inUse(err error) bool {
	var coded interface{ SQLState() string }
	return errors.As(err, &coded) && coded.SQLState() == "55006"
}
