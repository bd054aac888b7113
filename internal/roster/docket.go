package roster

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// The bounds of a docket in bytes. It travels in the input of every activity of an execution, and Temporal
// takes two megabytes for one.
const (
	maxDocket       = 1 << 20
	maxPackedDocket = 512 << 10
)

// PackDocket makes the text that travels in work orders: JSON, zstd, base64.
func PackDocket(d plan.Docket) (string, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("pack docket: %w", err)
	}
	if len(text) > maxDocket {
		return "", fmt.Errorf("pack docket: %d bytes, %d are the most: shorten the runbook or its inputs", len(text), maxDocket)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return "", fmt.Errorf("pack docket: %w", err)
	}
	defer encoder.Close()
	packed := base64.StdEncoding.EncodeToString(encoder.EncodeAll(text, nil))
	if len(packed) > maxPackedDocket {
		return "", fmt.Errorf("pack docket: %d bytes packed, %d are the most: shorten the runbook or its inputs", len(packed), maxPackedDocket)
	}
	return packed, nil
}

// UnpackDocket reads what [PackDocket] made, without believing any of it and without using more memory than a
// docket may need, whatever was packed. What it returns must not be changed.
func UnpackDocket(packed string) (plan.Docket, error) {
	if len(packed) > maxPackedDocket {
		return plan.Docket{}, errors.New("unpack docket: it is too large")
	}
	key := sha256.Sum256([]byte(packed))
	if d, ok := recentDockets.get(key); ok {
		return d, nil
	}
	d, err := readDocket(packed)
	if err == nil {
		recentDockets.put(key, d)
	}
	return d, err
}

func readDocket(packed string) (plan.Docket, error) {
	var d plan.Docket
	compressed, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		return d, errors.New("unpack docket: it is not base64")
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxDocket), zstd.WithDecoderMaxWindow(maxDocket))
	if err != nil {
		return d, fmt.Errorf("unpack docket: %w", err)
	}
	defer decoder.Close()
	text, err := decoder.DecodeAll(compressed, nil)
	if err != nil {
		return d, fmt.Errorf("unpack docket: %w", err)
	}
	if err := strict(text, &d); err != nil {
		return plan.Docket{}, fmt.Errorf("unpack docket: %w", err)
	}
	return d, nil
}

// RunbookOf is what a docket's execution does: its runbook, with the steps of the runbooks inside of it. The
// names under which these are found are those that the brief gives to their digests. No signature is looked at.
// What it returns must not be changed.
func RunbookOf(d plan.Docket) (*runbooks.Runbook, error) {
	var brief plan.Brief
	if err := json.Unmarshal([]byte(d.Brief), &brief); err != nil {
		return nil, fmt.Errorf("read the brief: %w", err)
	}
	key, err := textsOf(d, brief.Nested)
	if err != nil {
		return nil, fmt.Errorf("read the docket: %w", err)
	}
	if r, ok := recentRunbooks.get(key); ok {
		return r, nil
	}
	r, err := readRunbook(d, brief)
	if err == nil {
		recentRunbooks.put(key, r)
	}
	return r, err
}

func readRunbook(d plan.Docket, brief plan.Brief) (*runbooks.Runbook, error) {
	r, err := runbooks.Parse([]byte(d.Runbook))
	if err != nil {
		return nil, fmt.Errorf("the runbook cannot be read: %w", err)
	}
	texts := map[string]string{}
	for _, nested := range d.Nested {
		texts[runbooks.Digest([]byte(nested.Text))] = nested.Text
	}
	used := map[string]bool{}
	var unreadable error
	read := map[string]*runbooks.Runbook{}
	whole, err := runbooks.Expand(r, func(name string) (*runbooks.Runbook, string) {
		sum := brief.Nested[name]
		text, there := texts[sum]
		if !there {
			return nil, ""
		}
		used[name] = true
		if read[name] == nil {
			inner, err := runbooks.Parse([]byte(text))
			if err != nil {
				unreadable = fmt.Errorf("runbook %s cannot be read: %w", name, err)
				return nil, ""
			}
			read[name] = inner
		}
		return read[name], sum
	})
	if err != nil {
		return nil, errors.Join(unreadable, fmt.Errorf("put the runbooks inside of %s into place: %w", r.Name, err))
	}
	for name := range brief.Nested {
		if !used[name] {
			return nil, fmt.Errorf("the brief names runbook %s, which is not run", name)
		}
	}
	return whole, nil
}
