package archive

import (
	"context"
	"fmt"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// sealer cuts blocks into parts, seals them, and uploads one part while it fills the next one.
type sealer struct {
	ctx context.Context
	cfg WriterConfig

	part *part
	next int
	done Sealed
	// upload carries the outcome of the upload that is under way; nil when there is none.
	upload chan uploaded
}

type uploaded struct {
	part manifest.Part
	err  error
}

// run seals blocks until their channel is closed, or until the first failure: after it the chunk has a hole,
// and nothing may claim otherwise. It gives back all it took, whichever way it ends.
func (s *sealer) run(blocks <-chan []byte) (Sealed, error) {
	defer s.drop()
	for block := range blocks {
		err := s.seal(block)
		freeBlock(block)
		if err != nil {
			return Sealed{}, s.named(err)
		}
	}
	if err := s.ctx.Err(); err != nil {
		return Sealed{}, s.named(context.Cause(s.ctx))
	}
	if err := s.end(); err != nil {
		return Sealed{}, s.named(err)
	}
	return s.done, nil
}

func (s *sealer) named(err error) error { return fmt.Errorf("chunk %s: %w", s.cfg.Chunk, err) }

func (s *sealer) seal(block []byte) error {
	for len(block) > 0 {
		if s.part == nil {
			if err := s.begin(); err != nil {
				return err
			}
		}
		n, ends, err := s.part.take(block)
		if err != nil {
			return err
		}
		s.done.Bytes += int64(n)
		block = block[n:]
		if ends {
			if err := s.finish(); err != nil {
				return err
			}
		}
	}
	return nil
}

// end uploads the last part and waits for it.
func (s *sealer) end() error {
	if s.next == 0 {
		if err := s.begin(); err != nil {
			return err
		}
	}
	if s.part != nil {
		if err := s.finish(); err != nil {
			return err
		}
	}
	return s.await()
}

func (s *sealer) begin() error {
	room, err := s.cfg.Budget.take(s.ctx)
	if err != nil {
		return fmt.Errorf("wait for memory: %w", err)
	}
	if s.part, err = newPart(s.next, s.done.Bytes, room, s.cfg.Recipients); err != nil {
		s.cfg.Budget.give(room)
		s.part = nil
		return err
	}
	s.next++
	return nil
}

// finish ends the part that is being filled and uploads it, after the upload before it has ended.
func (s *sealer) finish() error {
	if err := s.part.sealed.Close(); err != nil {
		return err
	}
	if err := s.await(); err != nil {
		return err
	}
	p := s.part
	s.part = nil
	s.upload = make(chan uploaded, 1)
	go func(done chan<- uploaded) {
		stored, err := upload(s.ctx, s.cfg, p)
		s.cfg.Budget.give(p.body.room)
		done <- uploaded{stored, err}
	}(s.upload)
	return nil
}

// await waits for the upload that is under way.
func (s *sealer) await() error {
	if s.upload == nil {
		return nil
	}
	done := <-s.upload
	s.upload = nil
	if done.err != nil {
		return done.err
	}
	s.done.Parts = append(s.done.Parts, done.part)
	return nil
}

// drop gives back what is still held.
func (s *sealer) drop() {
	if s.part != nil {
		_ = s.part.sealed.Close() // gives the encoder back
		s.cfg.Budget.give(s.part.body.room)
		s.part = nil
	}
	if s.upload != nil {
		<-s.upload
		s.upload = nil
	}
}
