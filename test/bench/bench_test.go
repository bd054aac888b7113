package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
)

func TestMain(m *testing.M) {
	if ran, err := child(); ran {
		exit(err)
	}
	os.Exit(m.Run())
}

// The whole measurement, in small, with the peers that need no more than the tests do: every backup it makes is
// restored and compared, and the file has the shape that others read.
func TestBench(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bench.json")
	_, err := bench(t.Context(), settings{
		Bytes: 2e6, Runs: 1, Near: 2, Far: 8, Chunk: 1 << 20, Out: file, Dir: pgserver.TestDir(t),
		Only: []string{"backup/lifeboat", "backup/copy-limit", "backup/pg_dump-zstd-age", "backup/pg_dump-Fd", "backup-far/copy-limit", "restore/lifeboat", "restore/pg_restore-j2"},
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]any
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range list {
		table, name := f["table"].(string), f["name"].(string)
		got = append(got, table+"/"+name)
		number := func(key string) float64 { n, _ := f[key].(float64); return n }
		if len(f) != 9 || number("runs") != 1 || number("min_s") <= 0 || number("median_s") < number("min_s") || number("max_s") < number("median_s") ||
			number("peak_rss_mib") <= 0 || number("bytes") < 100e3 {
			t.Errorf("%s/%s: %v", table, name, f)
		}
		if ratio, known := f["ratio_to_lifeboat"].(float64); known != (table != tableFar) || known && name == ours && ratio != 1 {
			t.Errorf("%s/%s: ratio %v", table, name, f["ratio_to_lifeboat"])
		}
	}
	slices.Sort(got)
	want := []string{"backup-far/copy-limit", "backup/copy-limit", "backup/lifeboat", "backup/pg_dump-Fd", "backup/pg_dump-zstd-age", "restore/lifeboat", "restore/pg_restore-j2"}
	if !slices.Equal(got, want) {
		t.Errorf("figures of %v, want %v", got, want)
	}
}

func TestFigures(t *testing.T) {
	r := runs{}
	for _, seconds := range []float64{3, 1, 2} {
		r.add(tableBackup, ours, measured{took: time.Duration(seconds * float64(time.Second)), rss: int64(seconds) << 20, bytes: 7})
		r.add(tableBackup, "classic", measured{took: time.Duration(5 * seconds * float64(time.Second))})
	}
	r.add(tableRestore, "classic", measured{took: 2 * time.Second})
	r.add(tableRestore, "classic", measured{took: 3 * time.Second})
	list := r.figures()
	if f := list[0]; f.Median != 2 || f.Min != 1 || f.Max != 3 || f.PeakRSS != 3 || f.Bytes != 7 || f.Runs != 3 || *f.Ratio != 1 {
		t.Errorf("lifeboat: %+v", f)
	}
	if f := list[1]; f.Median != 10 || *f.Ratio != 5 {
		t.Errorf("classic: %+v", f)
	}
	if f := list[2]; f.Median != 2.5 || f.Ratio != nil {
		t.Errorf("restore without lifeboat's: %+v", f)
	}
	for _, g := range goals {
		text, known := g.judge(list)
		if g.by == ours && g.of == "classic" && (!known || text != "reached  "+g.text+": 5.00") {
			t.Errorf("classic's goal: %q, %v", text, known)
		}
		if g.by == "restic" && known {
			t.Errorf("restic was not measured: %q", text)
		}
	}
}

// What a restore lost, added or changed is found.
func TestDiffers(t *testing.T) {
	source := held{"a": "2 rows, sum 5", "b": "0 rows, sum 0"}
	if err := source.differs(held{"a": "2 rows, sum 5", "b": "0 rows, sum 0"}); err != nil {
		t.Errorf("equal: %v", err)
	}
	for _, other := range []held{
		{"a": "2 rows, sum 5"},
		{"a": "2 rows, sum 6", "b": "0 rows, sum 0"},
		{"a": "2 rows, sum 5", "b": "0 rows, sum 0", "c": "0 rows, sum 0"},
	} {
		if source.differs(other) == nil {
			t.Errorf("%v counts as equal", other)
		}
	}
	if (held{}).differs(held{}) == nil {
		t.Error("a source without tables counts as compared")
	}
}

func TestSettings(t *testing.T) {
	read := func(pairs map[string]string) (settings, error) {
		return readSettings(func(name string) string { return pairs[name] })
	}
	s, err := read(nil)
	if err != nil || s.Bytes != 1e9 || s.Runs != 3 || s.Out != "bench.json" || !s.wants(tableFar, "restic") {
		t.Errorf("defaults: %+v, %v", s, err)
	}
	s, err = read(map[string]string{"BENCH_SIZE": "50MB", "BENCH_ONLY": "restore, backup/lifeboat"})
	if err != nil || s.Bytes != 50e6 || !s.wants(tableRestore, "classic") || !s.wants(tableBackup, ours) || s.wants(tableFar, ours) || s.wants(tableBackup, "classic") {
		t.Errorf("a part: %+v, %v", s, err)
	}
	for name, value := range map[string]string{"BENCH_SIZE": "much", "BENCH_RUNS": "0", "BENCH_CONNECTIONS": "x"} {
		if _, err := read(map[string]string{name: value}); err == nil {
			t.Errorf("%s=%s is taken", name, value)
		}
	}
}
