package activities

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-dr/lifeboat/internal/archive"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

// receiptCopied is the kind of the receipt that every object of a backup is in a vault.
const receiptCopied = "copied"

// vaultTarget is the kind of target in receipts for vaults that were copied to.
const vaultTarget TargetKind = "vault"

// copyLanes is how many objects are on their way at a time; the memory budget may allow fewer.
const copyLanes = 8

// Replicas copies backups from vault to vault, as they are. It needs no key that opens them.
type Replicas struct {
	Crew   *Crew
	Orders *Orders
	Finder *Finder
	Signer *signature.Signer
	Keys   workrecord.Keys
}

// copying is one backup on its way.
type copying struct {
	crew     *Crew
	from, to *Component
	backup   *Backup
	// until is the lock of everything that is written; zero in a vault without locks.
	until time.Time
	count counter
}

// begin checks the order and reads the manifest in the source.
func (r *Replicas) begin(ctx context.Context, in CopyInput) (*copying, error) {
	if err := r.Orders.CheckCopy(in.Guard, in.Component, in.To); err != nil {
		return nil, err
	}
	from, to, err := r.vaults(in.Component, in.From, in.To)
	if err != nil {
		return nil, err
	}
	b, err := r.Finder.Load(ctx, from, in.Backup)
	if errors.Is(err, ErrNoBackup) {
		return nil, NotFound("list what there is: lifeboat backups", "%v", err)
	}
	if err != nil {
		return nil, err
	}
	c := &copying{crew: r.Crew, from: from, to: to, backup: b, until: to.Vault.fullLock(in.Backup)}
	if !c.until.IsZero() && !c.until.After(time.Now()) {
		return nil, InvalidInput("backup %s: vault %s keeps backups until %s only, which is over", in.Backup, to.Vault.Name, c.until.Format(time.DateOnly))
	}
	return c, nil
}

// vaults finds a component in two of its vaults, which have to be different ones.
func (r *Replicas) vaults(component, from, to string) (source, target *Component, err error) {
	if to == "" {
		return nil, nil, InvalidInput("which vault is %s to be copied to?", component)
	}
	if source, err = r.Crew.ComponentIn(component, from); err != nil {
		return nil, nil, err
	}
	if target, err = r.Crew.ComponentIn(component, to); err != nil {
		return nil, nil, err
	}
	if source.Vault.Name == target.Vault.Name {
		return nil, nil, InvalidInput("vault %s cannot be copied to itself", to)
	}
	return source, target, nil
}

// CopyObjects copies every object that a backup's manifest lists into another vault, create-only. Each is held
// against the manifest's digest before it is written; what is there is read, and counts only with the same digest.
//
// It is safe to repeat and goes on where it was: what the target holds is its progress. An object that is not what
// the manifest says is Corrupt in the source and a Conflict in the target; both are final.
func (r *Replicas) CopyObjects(ctx context.Context, in CopyInput) (CopiedObjects, error) {
	c, err := r.begin(ctx, in)
	if err != nil {
		return CopiedObjects{}, err
	}
	defer alive(ctx, &c.count)()
	there, err := c.present(ctx)
	if err != nil {
		return CopiedObjects{}, err
	}
	objects := c.objects()
	var copied, bytes atomic.Int64
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(copyLanes)
	for _, o := range objects {
		if groupCtx.Err() != nil {
			break
		}
		group.Go(func() error {
			wrote, err := c.object(groupCtx, o, there[o.Key])
			if wrote {
				copied.Add(1)
				bytes.Add(o.Size)
			}
			c.count.chunks.Add(1)
			c.count.bytes.Add(o.Size)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return CopiedObjects{}, err
	}
	if err := ctx.Err(); err != nil {
		return CopiedObjects{}, err
	}
	receipt, err := issue(r.Keys, c.receipt(in))
	n := int(copied.Load())
	return CopiedObjects{
		Objects: len(objects), Copied: n, Present: len(objects) - n, Bytes: bytes.Load(), LockedUntil: c.until, Receipt: receipt,
	}, err
}

func (c *copying) receipt(in CopyInput) Receipt {
	return Receipt{
		Kind: receiptCopied, Execution: in.Execution, Component: in.Component, Backup: in.Backup, Manifest: c.backup.SHA256,
		Target: Target{Kind: vaultTarget, Name: in.To},
	}
}

// objects are all that the manifest lists, as the source holds them.
func (c *copying) objects() []manifest.Object {
	e := c.backup.Envelope
	all := make([]manifest.Object, 0, len(e.Contents)+len(e.Objects))
	for _, list := range [][]manifest.Object{e.Contents, e.Objects} {
		for _, o := range list {
			all = append(all, c.from.Vault.held(o))
		}
	}
	return all
}

// present says of which keys the target holds a version of the right size. It is one listing instead of a
// question for each object, and only says where to look.
func (c *copying) present(ctx context.Context) (map[string]bool, error) {
	return sizedAsListed(ctx, c.to.Vault.Store, c.backup.Envelope)
}

// object sees to it that one object is in the target with the manifest's digest, and locked.
func (c *copying) object(ctx context.Context, o manifest.Object, maybe bool) (wrote bool, err error) {
	target := c.to.Vault.Store
	version := ""
	if maybe {
		if version, err = archive.Holding(ctx, target, c.crew.Budget, o); err != nil {
			return false, classify(err, "look for object "+o.Key+" in vault "+c.to.Vault.Name)
		}
	}
	if version == "" {
		err = archive.Ciphertext(ctx, c.from.Vault.Store, c.crew.Budget, o, func(sealed []byte) error {
			created, err := target.Create(ctx, o.Key, sealed, store.CreateOptions{RetainUntil: c.until})
			version = created.Version
			return taken(err)
		})
		wrote = err == nil
	}
	var occupied *occupiedError
	if errors.As(err, &occupied) {
		// Another worker may have been quicker with the same bytes.
		if version, err = archive.Holding(ctx, target, c.crew.Budget, o); err == nil && version == "" {
			return false, conflict(c.to.Vault.Name, o.Key)
		}
	}
	if err != nil {
		return false, classify(err, "copy object "+o.Key+" from vault "+c.from.Vault.Name+" to "+c.to.Vault.Name)
	}
	return wrote, c.lock(ctx, o.Key, version)
}

// lock makes a version's lock reach as far as the target's setting asks, and reads it back.
func (c *copying) lock(ctx context.Context, key, version string) error {
	if c.until.IsZero() {
		return nil
	}
	return fromStore(c.to.Vault.Store.Extend(ctx, key, version, c.until), "lock object "+key+" in vault "+c.to.Vault.Name)
}

// occupiedError says that the target's key is taken; a source never fails like this.
type occupiedError struct{ err error }

func (e *occupiedError) Error() string { return e.err.Error() }

// taken marks the one failure of a write that is looked into.
func taken(err error) error {
	if errors.Is(err, store.ErrExists) {
		return &occupiedError{err}
	}
	return err
}

// conflict says that a key of a replica holds something else than the backup.
func conflict(vault, key string) error {
	return hinted(TypeConflict, nil, "nothing was overwritten; look at who wrote it, keep a copy for the investigation, and let the owner of the vault remove that version, so that the right one can be written",
		"%s in vault %s holds something else than the backup", key, vault)
}

// CommitReplica writes the manifest into the replica, byte for byte and last: from then on the backup counts there.
// It believes a receipt that all objects were copied, and looks again whether they are there. It is safe to repeat.
func (r *Replicas) CommitReplica(ctx context.Context, in CommitReplicaInput) (Replicated, error) {
	c, err := r.begin(ctx, in.CopyInput)
	if err != nil {
		return Replicated{}, err
	}
	defer alive(ctx, &c.count)()
	if err := in.Copied.holds(receiptCopied, r.Keys, in.Guard, c.backup); err != nil {
		return Replicated{}, err
	}
	if want := c.receipt(in.CopyInput); in.Copied.Manifest != want.Manifest || in.Copied.Target != want.Target {
		return Replicated{}, refusedReceipt(receiptCopied, "it is of another manifest or vault")
	}
	e := c.backup.Envelope
	missing, err := lacking(ctx, c.to.Vault.Store, e)
	if err == nil && missing != "" {
		err = hinted(TypeNoSuchChunk, nil, "run the replication again", "object %s is missing in vault %s", missing, c.to.Vault.Name)
	}
	if err != nil {
		return Replicated{}, err
	}
	wrote, err := r.commit(ctx, c)
	if err != nil {
		return Replicated{}, err
	}
	there, err := r.Finder.Load(ctx, c.to, e.Backup)
	if err == nil && there.SHA256 != c.backup.SHA256 {
		err = conflict(c.to.Vault.Name, manifest.ManifestKey(e.Component, e.Backup))
	}
	if err != nil {
		return Replicated{}, err
	}
	return Replicated{Backup: e.Backup, SHA256: there.SHA256, Point: e.Point, Totals: e.Totals, Committed: wrote},
		c.lock(ctx, manifest.ManifestKey(e.Component, e.Backup), there.Version)
}

// commit writes the manifest with the record of when it was signed.
func (r *Replicas) commit(ctx context.Context, c *copying) (wrote bool, err error) {
	e := c.backup.Envelope
	key := manifest.ManifestKey(e.Component, e.Backup)
	data, err := readVersion(ctx, c.from.Vault.Store, key, c.backup.Version)
	if err != nil {
		return false, fromStore(err, "read manifest")
	}
	doc := document{key: key, data: data, sha256: digestOf(data), dated: c.backup.Dated}
	if doc.sha256 != c.backup.SHA256 {
		return false, Corrupt(errors.New("it was another one a moment ago"), key)
	}
	if err := r.attest(ctx, c, []document{doc}); err != nil {
		return false, err
	}
	return c.write(ctx, doc)
}

// write copies a signed document. What holds its key counts when it is the same, in any version.
func (c *copying) write(ctx context.Context, doc document) (wrote bool, err error) {
	target := c.to.Vault.Store
	there, err := holdsDocument(ctx, target, doc)
	if err != nil || there {
		return false, fromStore(err, "look for "+doc.key)
	}
	_, err = target.Create(ctx, doc.key, doc.data, store.CreateOptions{ContentType: "application/json", RetainUntil: c.until})
	if errors.Is(err, store.ErrExists) {
		if there, err = holdsDocument(ctx, target, doc); err == nil && !there {
			return false, conflict(c.to.Vault.Name, doc.key)
		}
		return false, fromStore(err, "look for "+doc.key)
	}
	return err == nil, fromStore(err, "write "+doc.key+" to vault "+c.to.Vault.Name)
}
