package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// The names of figures that are no peer's.
const (
	ours       = "lifeboat"
	uncompared = "lifeboat-uncompared"
	limit      = "copy-limit"
)

// contender is measured.
type contender struct {
	name string
	// backup backs up the database, near or far, and returns what [contender.restore] finds it by.
	backup func(ctx context.Context, far bool, key string) (ref string, m measured, err error)
	// restore brings a backup into an empty database and returns figures by their names in the table of
	// restores; nil where there is nothing to restore.
	restore func(ctx context.Context, far bool, ref string, into environment) (map[string]measured, error)
	// restores are the names of those figures; empty where a restore only proves that the backup is whole.
	restores []string
}

func (w *world) contenders() []contender {
	all := []contender{w.lifeboat(), w.copyLimit()}
	for _, p := range peers {
		all = append(all, w.peer(p))
	}
	return all
}

func componentOf(far bool) string {
	if far {
		return componentFar
	}
	return componentNear
}

func (w *world) lifeboat() contender {
	return contender{
		name: ours, restores: []string{ours, uncompared},
		backup: func(ctx context.Context, far bool, _ string) (string, measured, error) {
			return w.backup(ctx, componentOf(far))
		},
		restore: func(ctx context.Context, far bool, id string, into environment) (map[string]measured, error) {
			whole, part, err := w.restore(ctx, componentOf(far), id, into)
			return map[string]measured{ours: whole, uncompared: part}, err
		},
	}
}

func (w *world) copyLimit() contender {
	return contender{name: limit, backup: func(ctx context.Context, far bool, _ string) (string, measured, error) {
		self, err := os.Executable()
		if err != nil {
			return "", measured{}, fmt.Errorf("find own binary: %w", err)
		}
		from, connections := w.near, w.Near
		if far {
			from, connections = w.far, w.Far
		}
		const address = "BENCH_SOURCE"
		cmd := exec.Command(self, address, strconv.Itoa(connections), strconv.FormatInt(w.Chunk, 10))
		cmd.Env = append(os.Environ(), childVariable+"=copy-limit", address+"="+from.url())
		var out bytes.Buffer
		cmd.Stdout = &out
		m, err := runGroup(ctx, cmd)
		if err != nil {
			return "", m, err
		}
		var seconds float64
		if _, err := fmt.Sscan(out.String(), &m.bytes, &seconds); err != nil {
			return "", m, fmt.Errorf("read what the limit printed: %w", err)
		}
		m.took = time.Duration(seconds * float64(time.Second))
		return "", m, nil
	}}
}

func (w *world) peer(p peer) contender {
	c := contender{name: p.name}
	if p.restores != "" {
		c.restores = []string{p.restores}
	}
	c.backup = func(ctx context.Context, far bool, key string) (string, measured, error) {
		from := w.near
		if far {
			from = w.far
		}
		if _, err := w.run(ctx, p.prepare(), from, key); err != nil {
			return "", measured{}, err
		}
		m, err := w.run(ctx, p.backup, from, key)
		if err != nil {
			return "", m, err
		}
		m.bytes, err = stored(ctx, w.store.Client(), peerBucket, key)
		return key, m, err
	}
	c.restore = func(ctx context.Context, _ bool, key string, into environment) (map[string]measured, error) {
		m, err := w.run(ctx, p.restore, into, key)
		if err != nil {
			return nil, err
		}
		m.bytes, err = stored(ctx, w.store.Client(), peerBucket, key)
		return map[string]measured{p.restores: m}, err
	}
	return c
}

// key is where a peer's run is stored.
func key(table, name string, run int) string {
	return strings.ToLower(table + "/" + name + "/" + strconv.Itoa(run))
}
