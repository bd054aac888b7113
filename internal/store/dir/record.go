package dir

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// record is what is kept beside an object, as JSON.
type record struct {
	Key         string            `json:"key"`
	SHA256      string            `json:"sha256"`
	Size        int64             `json:"size"`
	Modified    time.Time         `json:"modified"`
	ContentType string            `json:"content_type,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	RetainUntil time.Time         `json:"retain_until,omitzero"`
}

// recordPath is by digest because a key's own name may be too long with an ending, and because names
// that differ by an ending only could meet.
func recordPath(key string) string {
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:])
	return records + "/" + name[:2] + "/" + name + ".json"
}

// describe says what the store knows about a file that is there, reading it where the record is lost.
func (s *Store) describe(key string, info fs.FileInfo) (record, error) {
	r, err := s.readRecord(key)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	f, err := s.root.Open(key)
	if err != nil {
		return record{}, err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return record{}, err
	}
	return record{Key: key, SHA256: hex.EncodeToString(hash.Sum(nil)), Size: info.Size(), Modified: info.ModTime()}, nil
}

func (s *Store) readRecord(key string) (record, error) {
	b, err := s.root.ReadFile(recordPath(key))
	if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil || r.Key != key {
		return record{}, &store.Error{Op: "read record of", Key: key, Kind: store.ErrCorrupt, Err: err,
			Hint: "the file " + recordPath(key) + " is damaged: move it away, and the object is known by its bytes again"}
	}
	return r, nil
}

// writeRecord replaces the record in one step and makes it durable.
func (s *Store) writeRecord(r record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	temporary, err := s.receive(b)
	if err != nil {
		return err
	}
	path := recordPath(r.Key)
	dir := path[:len(records)+3]
	err = s.root.Mkdir(dir, 0o700)
	if err == nil {
		err = s.sync(records)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return errors.Join(err, s.root.Remove(temporary))
	}
	if err := s.root.Rename(temporary, path); err != nil {
		return errors.Join(err, s.root.Remove(temporary))
	}
	return s.sync(dir)
}

// receive writes a durable file without a name of its own yet and returns where it is.
func (s *Store) receive(body []byte) (path string, err error) {
	path = incoming + "/" + rand.Text()
	f, err := s.root.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, bytes.NewReader(body))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, s.root.Remove(path))
	}
	return path, nil
}

// object is the record as the contract shows it, with the size the file really has.
func (r record) object(info fs.FileInfo) store.Object {
	return store.Object{
		Key: r.Key, Version: r.SHA256, SHA256: r.SHA256, Size: info.Size(),
		Modified: r.Modified, Metadata: r.Metadata, RetainUntil: r.RetainUntil,
	}
}
