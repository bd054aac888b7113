package activities

import (
	"context"
	"errors"

	"github.com/lifeboat-dr/lifeboat/internal/evidence"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/ledger"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// HeldLedger is the lost window that a step of an execution kept, as it was found in a vault.
type HeldLedger struct {
	Vault  evidence.Vault
	Index  ledger.Index
	Digest string
	// Proven says that the execution's signed journal names this very ledger. One that it does not name yet belongs to a
	// step that has not ended.
	Proven bool
}

// ReadLedgers finds the lost windows that an execution kept, and holds them against its signed journal. One that the
// journal does not have like that is an error of type Untrusted. It changes nothing and needs no key.
func ReadLedgers(ctx context.Context, vaults []evidence.Vault, signers *signature.Verifier, id string) (all []HeldLedger, err error) {
	if !evidence.ValidExecution(id) {
		return nil, InvalidInput("%q is not the id of an execution: <runbook>/<target>/<UTC>", id)
	}
	told, err := ledgersTold(ctx, vaults, signers, id)
	if err != nil {
		return nil, err
	}
	var failed error
	for _, vault := range vaults {
		for step, err := range vault.Store.Folders(ctx, manifest.LedgersPrefix+id+"/") {
			if err != nil {
				failed = errors.Join(failed, classify(err, "look for ledgers in vault "+vault.Name))
				break
			}
			index, digest, err := ledger.Find(ctx, vault.Store, nil, id, step)
			switch {
			case errors.Is(err, ledger.ErrAltered):
				return nil, hinted(TypeUntrusted, err, "look at the versions of "+manifest.LedgerKey(id, step), "read the ledger of step %s in vault %s", step, vault.Name)
			case err != nil:
				failed = errors.Join(failed, classify(err, "read the ledger of step "+step+" in vault "+vault.Name))
				continue
			case index == nil:
				continue // an attempt that did not end
			}
			want, ended := told[step]
			if ended && want != digest {
				return nil, hinted(TypeUntrusted, nil, "the journal is signed, the vault's object is not: believe the journal", "the ledger of step %s in vault %s is not the one that the journal names", step, vault.Name)
			}
			all = append(all, HeldLedger{Vault: vault, Index: *index, Digest: digest, Proven: ended})
		}
	}
	if len(all) == 0 && failed != nil {
		return nil, failed
	}
	return all, nil
}

// ledgersTold are the digests of ledgers that the journal of an execution names, by step.
func ledgersTold(ctx context.Context, vaults []evidence.Vault, signers *signature.Verifier, id string) (map[string]string, error) {
	read, err := evidence.Load(ctx, vaults, signers, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, NotFound("look for it: lifeboat executions --all", "no vault holds a journal of %s", id)
	case errors.Is(err, evidence.ErrFork), errors.Is(err, evidence.ErrBroken):
		return nil, hinted(TypeUntrusted, err, "look at it: lifeboat evidence verify", "read the journal of %s", id)
	case err != nil:
		return nil, classify(err, "read the journal of "+id)
	}
	events, err := eventsOf(read, id)
	if err != nil {
		return nil, err
	}
	told := map[string]string{}
	for _, event := range events {
		if digest, ok := event.Outputs["digest"].(string); ok && event.Kind == execution.StepCompleted {
			told[event.Step] = digest
		}
	}
	return told, nil
}
