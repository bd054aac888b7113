package postgres

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
)

// A schedule runs entries on several connections: each after all that it needs, and never two at once
// that would wait for each other's locks. Indexes of one table are built side by side; keys, foreign keys
// and the rest have their tables to themselves.
type schedule struct {
	jobs []*job
	held map[int]int // per table: -1 one that wants it alone, else how many indexes are being built
	// other counts running entries that are neither indexes nor constraints: one at a time, as what they lock is
	// not known for all of them.
	other int
}

type job struct {
	entry
	waits  int
	after  []*job
	tables []int
	begun  bool
}

// newSchedule orders entries; all is the whole archive, for what tables they are about.
func newSchedule(todo, all []entry) *schedule {
	s := &schedule{held: map[int]int{}}
	lock := newLocks(all)
	byID := map[int]*job{}
	for _, e := range todo {
		j := &job{entry: e, tables: lock.of(e)}
		byID[e.ID] = j
		s.jobs = append(s.jobs, j)
	}
	for _, j := range s.jobs {
		for _, id := range j.Needs {
			if first, ok := byID[id]; ok && first != j {
				first.after = append(first.after, j)
				j.waits++
			}
		}
	}
	return s
}

func (j *job) shares() bool { return j.Type == "INDEX" }

func (j *job) isOther() bool {
	return j.Type != "INDEX" && j.Type != "CONSTRAINT" && j.Type != "FK CONSTRAINT"
}

// next takes the first entry that can run now; nil when there is none.
func (s *schedule) next() *job {
	for _, j := range s.jobs {
		if j.begun || j.waits > 0 || (j.isOther() && s.other > 0) || !s.free(j) {
			continue
		}
		j.begun = true
		if j.isOther() {
			s.other++
		}
		for _, t := range j.tables {
			if j.shares() {
				s.held[t]++
			} else {
				s.held[t] = -1
			}
		}
		return j
	}
	return nil
}

func (s *schedule) free(j *job) bool {
	return !slices.ContainsFunc(j.tables, func(t int) bool {
		return s.held[t] < 0 || (s.held[t] > 0 && !j.shares())
	})
}

func (s *schedule) finish(j *job) {
	if j.isOther() {
		s.other--
	}
	for _, t := range j.tables {
		if j.shares() {
			s.held[t]--
		} else {
			s.held[t] = 0
		}
	}
	for _, k := range j.after {
		k.waits--
	}
	s.jobs = slices.DeleteFunc(s.jobs, func(k *job) bool { return k == j })
}

// run runs everything on so many workers. What waits for each other in a circle, which no archive has, is
// run in the archive's order.
func (s *schedule) run(ctx context.Context, workers int, worker func(ctx context.Context, in <-chan *job, done chan<- *job) error) error {
	if len(s.jobs) == 0 {
		return nil
	}
	workers = max(1, min(workers, len(s.jobs)))
	group, ctx := errgroup.WithContext(ctx)
	in, done := make(chan *job), make(chan *job, workers)
	for range workers {
		group.Go(func() error { return worker(ctx, in, done) })
	}
	group.Go(func() error {
		defer close(in)
		running := 0
		for len(s.jobs) > 0 {
			var j *job
			if running < workers {
				j = s.next()
			}
			if j == nil && running == 0 {
				s.jobs[0].waits = 0
				continue
			}
			if j != nil {
				select {
				case in <- j:
					running++
				case <-ctx.Done():
					return ctx.Err()
				}
				continue
			}
			select {
			case finished := <-done:
				running--
				s.finish(finished)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

// locks finds the tables that an entry locks. Tables that inherit from each other, partitions above all,
// count as one: what is done to the parent is done to them.
type locks struct {
	entries map[int]entry
	family  map[int]int
}

func newLocks(all []entry) *locks {
	l := &locks{entries: map[int]entry{}, family: map[int]int{}}
	for _, e := range all {
		l.entries[e.ID] = e
	}
	for _, e := range all {
		if e.Type != "TABLE" && e.Type != "TABLE ATTACH" {
			continue
		}
		first := 0
		if e.Type == "TABLE" {
			first = e.ID
		}
		for _, id := range e.Needs {
			if l.entries[id].Type != "TABLE" {
				continue
			}
			if first == 0 {
				first = id
				continue
			}
			l.family[l.root(id)] = l.root(first)
		}
	}
	return l
}

func (l *locks) root(id int) int {
	for {
		up, ok := l.family[id]
		if !ok || up == id {
			return id
		}
		id = up
	}
}

func (l *locks) of(e entry) []int {
	var tables []int
	seen := map[int]bool{}
	var visit func(id, depth int)
	visit = func(id, depth int) {
		if seen[id] || depth > 3 {
			return
		}
		seen[id] = true
		switch n := l.entries[id]; n.Type {
		case "TABLE", "MATERIALIZED VIEW", "FOREIGN TABLE":
			if root := l.root(id); !slices.Contains(tables, root) {
				tables = append(tables, root)
			}
		case "INDEX", "CONSTRAINT", "VIEW":
			for _, need := range n.Needs {
				visit(need, depth+1)
			}
		}
	}
	for _, id := range e.Needs {
		visit(id, 0)
	}
	return tables
}
