package activities

import (
	"context"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Batches are one activity's work: big enough that starting an activity costs little, small enough that
// several lanes stay busy and the history short.
const (
	batchChunks = 64
	maxBatches  = 1000
)

// plan reads the catalog of a snapshot, splits it and leaves the note.
func (j *job) plan(ctx context.Context, session *postgres.Conn, at position) (BackupPlan, error) {
	catalog, err := postgres.Inspect(ctx, session)
	if err != nil {
		return BackupPlan{}, classify(err, "read the catalog of "+j.component.Name)
	}
	mine := planned{Catalog: catalog, Position: at}
	mine.Chunks = postgres.Split(catalog, postgres.SplitOptions{TargetBytes: j.component.ChunkBytes})
	for i := range mine.Chunks {
		mine.Chunks[i].Bytes = expected(catalog, mine.Chunks[i]) // until it is known
	}
	holds := mine
	if err := j.write(ctx, planNote, mine, &holds); err != nil {
		return BackupPlan{}, err
	}
	return holds.summary(), nil
}

// planned reads the note of the plan, which has to be there.
func (j *job) planned(ctx context.Context) (planned, error) {
	var p planned
	found, err := j.read(ctx, planNote, &p)
	if err != nil {
		return p, err
	}
	if !found {
		return p, Incomplete(nil, "the plan of backup "+j.backup)
	}
	return p, nil
}

func (p planned) summary() BackupPlan {
	s := BackupPlan{Tables: len(p.Catalog.Tables), Chunks: len(p.Chunks), NotCovered: len(p.Catalog.NotCovered)}
	sizes := make([]int64, len(p.Chunks))
	for i, c := range p.Chunks {
		sizes[i] = c.Bytes
		s.Bytes += c.Bytes
	}
	s.Batches = batches(sizes)
	return s
}

// expected is about how large a chunk is in the database, to share out the work.
func expected(catalog manifest.Catalog, chunk manifest.Chunk) int64 {
	if chunk.Table < 0 {
		var sum int64
		for _, o := range catalog.LargeObjects[chunk.Range.From:chunk.Range.To] {
			sum += o.Bytes
		}
		return sum
	}
	table := catalog.Tables[chunk.Table]
	to := chunk.Range.To
	if to == 0 {
		to = table.Pages
	}
	if table.Pages == 0 || to < chunk.Range.From {
		return table.Bytes
	}
	return table.Bytes * int64(to-chunk.Range.From) / int64(table.Pages)
}

// batches cuts a run of chunks into at most maxBatches runs of at most batchChunks chunks and about the
// size of the largest chunk, and returns their ends.
func batches(sizes []int64) []int {
	var largest, total int64
	for _, n := range sizes {
		largest, total = max(largest, n), total+n
	}
	limit := max(largest, total/maxBatches)
	most := max(batchChunks, (len(sizes)+maxBatches-1)/maxBatches)
	var ends []int
	from, bytes := 0, int64(0)
	for i, n := range sizes {
		if i > from && (bytes+n > limit || i-from >= most) {
			ends = append(ends, i)
			from, bytes = i, 0
		}
		bytes += n
	}
	if len(sizes) > 0 {
		ends = append(ends, len(sizes))
	}
	return ends
}

// reader copies chunks one after the other over one connection, which it opens at the first chunk that
// is not finished yet.
type reader struct {
	job      *job
	plan     planned
	address  secret.String
	snapshot string // the exported snapshot to read in, empty for a frozen branch
	count    *counter
	conn     *postgres.Conn
}

func (r *reader) close(ctx context.Context) {
	if r.conn != nil {
		_ = r.conn.Close(context.WithoutCancel(ctx))
	}
}

func (r *reader) copy(ctx context.Context, from, to int) (sum Copied, err error) {
	for i := from; i < to; i++ {
		var chunk manifest.Chunk
		resumed, err := r.job.read(ctx, r.plan.Chunks[i].ID, &chunk)
		if err != nil {
			return sum, err
		}
		if !resumed {
			if chunk, err = r.copyOne(ctx, i); err != nil {
				return sum, err
			}
		}
		sum = sum.Add(counted(chunk, resumed))
		r.count.chunks.Add(1)
		r.count.rows.Add(chunk.Rows)
		r.count.bytes.Add(chunk.Bytes)
	}
	return sum, nil
}

func counted(c manifest.Chunk, resumed bool) Copied {
	one := Copied{Chunks: 1, Rows: c.Rows, PlainBytes: c.Bytes}
	if resumed {
		one.Resumed = 1
	}
	for _, part := range c.Parts {
		one.StoredBytes += part.Size
	}
	return one
}

func (r *reader) copyOne(ctx context.Context, i int) (chunk manifest.Chunk, err error) {
	if r.conn == nil {
		r.conn, err = postgres.Connect(ctx, r.address, postgres.Options{Snapshot: r.snapshot, ReadOnly: true})
		if err != nil {
			return chunk, classify(err, "connect to "+r.job.component.Name)
		}
	}
	chunk = r.plan.Chunks[i]
	w, err := r.job.writer(ctx, chunk.ID)
	if err != nil {
		return chunk, err
	}
	defer w.Abort()
	stats, err := postgres.CopyOut(ctx, r.conn, r.plan.Catalog, chunk, w)
	if err != nil {
		return chunk, classify(err, "copy chunk "+chunk.ID)
	}
	sealed, err := w.Close()
	if err != nil {
		return chunk, classify(err, "store chunk "+chunk.ID)
	}
	chunk.Rows, chunk.Fingerprint = stats.Rows, stats.Fingerprint.String()
	chunk.Bytes, chunk.Parts = sealed.Bytes, sealed.Parts
	holds := chunk
	return holds, r.job.write(ctx, chunk.ID, chunk, &holds)
}

// dumpSchema writes the schema archive and its note.
func (j *job) dumpSchema(ctx context.Context, address secret.String, snapshot string) (Copied, error) {
	var done schemaDone
	found, err := j.read(ctx, schemaNote, &done)
	if err != nil || found {
		return counted(done.Chunk, found), err
	}
	// Each try has a name of its own: pg_dump's archive tells the time it was made, so another try could
	// not adopt what one left that died before its note.
	id := schemaNote + "-" + RandomSuffix()
	w, err := j.writer(ctx, id)
	if err != nil {
		return Copied{}, err
	}
	defer w.Abort()
	warnings, err := postgres.DumpSchema(ctx, address, snapshot, w)
	if err != nil {
		return Copied{}, classify(err, "dump the schema of "+j.component.Name)
	}
	sealed, err := w.Close()
	if err != nil {
		return Copied{}, classify(err, "store the schema")
	}
	done = schemaDone{
		Chunk: manifest.Chunk{ID: id, Kind: "schema", Table: -1, Bytes: sealed.Bytes, Parts: sealed.Parts},
	}
	for _, warning := range warnings {
		done.NotCovered = append(done.NotCovered, manifest.NotCovered{Kind: "schema", Name: "pg_dump", Reason: warning})
	}
	holds := done
	if err := j.write(ctx, schemaNote, done, &holds); err != nil {
		return Copied{}, err
	}
	return counted(holds.Chunk, false), nil
}
