package activities

import (
	"context"
	"errors"
	"fmt"

	"github.com/lifeboat-dr/lifeboat/internal/archive"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

// The names of the notes that workers leave for each other beside a snapshot's data.
const (
	planNote   = "plan"
	schemaNote = "schema"
)

// planned is the note that says what a snapshot's chunks are. It is written once and read by every
// activity that copies chunks, so it is sealed: it names tables.
type planned struct {
	Catalog  manifest.Catalog `json:"catalog"`
	Chunks   []manifest.Chunk `json:"chunks"`
	Position position         `json:"position"`
}

// position is where a snapshot stands, as its own server says.
type position struct {
	Point         manifest.Point `json:"point"`
	System        string         `json:"system"`
	ServerVersion int            `json:"server_version"`
}

// schemaDone is the note of a finished schema dump.
type schemaDone struct {
	Chunk      manifest.Chunk        `json:"chunk"`
	NotCovered []manifest.NotCovered `json:"not_covered,omitempty"`
}

// job is one snapshot of one backup on its way into a vault.
type job struct {
	crew      *Crew
	component *Component
	backup    string
	snapshot  string
	notes     *workrecord.Box
}

func (j *job) key(note string) string {
	return manifest.WorkKey(j.component.Name, j.backup, j.snapshot, note)
}

// read gets a note; found is false when there is none yet.
func (j *job) read(ctx context.Context, note string, into any) (found bool, err error) {
	key := j.key(note)
	data, err := readAll(ctx, j.component.Vault.Store, key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fromStore(err, "read note")
	}
	if err := j.notes.Open(key, data, into); err != nil {
		return false, Corrupt(err, key)
	}
	return true, nil
}

// write leaves a note, create-only: the first one to finish wins, and what it wrote is what holds.
func (j *job) write(ctx context.Context, note string, value, winner any) error {
	key := j.key(note)
	data, err := j.notes.Seal(key, value)
	if err != nil {
		return fmt.Errorf("seal note: %w", err)
	}
	_, err = j.component.Vault.Store.Create(ctx, key, data, store.CreateOptions{})
	if errors.Is(err, store.ErrExists) {
		_, err = j.read(ctx, note, winner)
		return err
	}
	return fromStore(err, "write note")
}

// writer opens the stream of one chunk into the vault.
func (j *job) writer(ctx context.Context, chunk string) (*archive.Writer, error) {
	return archive.NewWriter(ctx, archive.WriterConfig{
		Store: j.component.Vault.Store, Recipients: j.crew.Recipients, Notes: j.notes, Budget: j.crew.Budget,
		Component: j.component.Name, Backup: j.backup, Snapshot: j.snapshot, Chunk: chunk,
		RetainUntil: j.component.Vault.firstLock(j.backup),
	})
}
