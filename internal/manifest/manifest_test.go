package manifest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

const id = "20261123T020000Z-k3v7qa"

// sound is a backup of two chunks and a schema, as it should be.
func sound() (manifest.Envelope, manifest.Contents) {
	digest := strings.Repeat("ab", 32)
	part := func(chunk string, n int, offset, bytes int64) manifest.Part {
		return manifest.Part{Object: manifest.Object{Key: manifest.PartKey("database", id, "s1", chunk, n), Size: 10, SHA256: digest}, Offset: offset, Bytes: bytes, PlainSHA256: digest}
	}
	c := manifest.Contents{
		Format: manifest.Format, Backup: id, Catalog: manifest.Catalog{Tables: []manifest.Table{{Schema: "public", Name: "claims"}}},
		Schema: manifest.Chunk{ID: "schema", Kind: "schema", Table: -1, Bytes: 7, Parts: []manifest.Part{part("schema", 0, 0, 7)}},
		Chunks: []manifest.Chunk{
			{ID: "c00000", Kind: "table", Range: manifest.Range{To: 5}, Fingerprint: digest[:32], Rows: 3, Bytes: 30, Parts: []manifest.Part{part("c00000", 0, 0, 20), part("c00000", 1, 20, 10)}},
			{ID: "c00001", Kind: "table", Range: manifest.Range{From: 5}, Fingerprint: digest[:32], Rows: 1, Bytes: 5, Parts: []manifest.Part{part("c00001", 0, 0, 5)}},
		},
	}
	e := manifest.Envelope{
		Format: manifest.Format, Application: "medlink", Component: "database", Backup: id, Snapshot: "s1",
		Point: manifest.Point{Time: time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)}, Recipients: []string{"age1x"},
		Contents: []manifest.Object{{Key: manifest.PartKey("database", id, "s1", "contents", 0), Size: 10, SHA256: digest}},
		Totals:   manifest.Totals{Tables: 1, Chunks: 2, Rows: 4, PlainBytes: 42, StoredBytes: 50},
	}
	for _, chunk := range append(append([]manifest.Chunk{}, c.Chunks...), c.Schema) {
		for _, p := range chunk.Parts {
			e.Objects = append(e.Objects, p.Object)
		}
	}
	return e, c
}

func TestValidateFindsEveryContradiction(t *testing.T) {
	for name, damage := range map[string]func(*manifest.Envelope, *manifest.Contents){
		"":               func(*manifest.Envelope, *manifest.Contents) {},
		"another format": func(e *manifest.Envelope, _ *manifest.Contents) { e.Format = 2 },
		"no recipients":  func(e *manifest.Envelope, _ *manifest.Contents) { e.Recipients = nil },
		"no point":       func(e *manifest.Envelope, _ *manifest.Contents) { e.Point.Time = time.Time{} },
		"an object of another backup": func(e *manifest.Envelope, _ *manifest.Contents) {
			e.Objects[0].Key = strings.Replace(e.Objects[0].Key, id, "20261123T020001Z-k3v7qa", 1)
		},
		"an object outside the snapshot": func(e *manifest.Envelope, _ *manifest.Contents) {
			e.Contents[0].Key = manifest.ManifestKey("database", id)
		},
		"an object twice": func(e *manifest.Envelope, _ *manifest.Contents) { e.Objects[1] = e.Objects[0] },
		"objects out of order": func(e *manifest.Envelope, _ *manifest.Contents) {
			e.Objects[0], e.Objects[1] = e.Objects[1], e.Objects[0]
		},
		"a digest that is none":      func(e *manifest.Envelope, _ *manifest.Contents) { e.Objects[0].SHA256 = "AB" },
		"contents of another backup": func(_ *manifest.Envelope, c *manifest.Contents) { c.Backup = "20261123T020001Z-k3v7qa" },
		"a chunk twice":              func(_ *manifest.Envelope, c *manifest.Contents) { c.Chunks[1] = c.Chunks[0] },
		"a chunk too few":            func(_ *manifest.Envelope, c *manifest.Contents) { c.Chunks = c.Chunks[:1] },
		"a part too few":             func(_ *manifest.Envelope, c *manifest.Contents) { c.Chunks[0].Parts = c.Chunks[0].Parts[:1] },
		"parts swapped":              func(_ *manifest.Envelope, c *manifest.Contents) { p := c.Chunks[0].Parts; p[0], p[1] = p[1], p[0] },
		"a gap between parts":        func(_ *manifest.Envelope, c *manifest.Contents) { c.Chunks[0].Parts[1].Offset++ },
		"a part with another digest": func(_ *manifest.Envelope, c *manifest.Contents) {
			c.Chunks[0].Parts[0].SHA256 = strings.Repeat("cd", 32)
		},
		"rows that do not add up":       func(_ *manifest.Envelope, c *manifest.Contents) { c.Chunks[0].Rows++ },
		"a table that is not there":     func(_ *manifest.Envelope, c *manifest.Contents) { c.Chunks[0].Table = 1 },
		"a table chunk without a table": func(_ *manifest.Envelope, c *manifest.Contents) { c.Chunks[0].Table = -1 },
		"blocks twice":                  func(_ *manifest.Envelope, c *manifest.Contents) { c.Chunks[1].Range.From = 4 },
		"blocks missing":                func(_ *manifest.Envelope, c *manifest.Contents) { c.Chunks[1].Range.From = 6 },
		"the beginning missing":         func(_ *manifest.Envelope, c *manifest.Contents) { c.Chunks[0].Range.From = 1 },
		"the end missing":               func(_ *manifest.Envelope, c *manifest.Contents) { c.Chunks[1].Range.To = 9 },
		"the whole table twice": func(_ *manifest.Envelope, c *manifest.Contents) {
			c.Chunks[0].Range, c.Chunks[1].Range = manifest.Range{}, manifest.Range{}
		},
		"a table without a chunk": func(e *manifest.Envelope, c *manifest.Contents) {
			c.Catalog.Tables = append(c.Catalog.Tables, manifest.Table{Schema: "public", Name: "patients"})
			e.Totals.Tables++
		},
		"large objects without a chunk": func(_ *manifest.Envelope, c *manifest.Contents) {
			c.Catalog.LargeObjects = []manifest.LargeObject{{OID: 1}}
		},
		"an unknown kind":          func(_ *manifest.Envelope, c *manifest.Contents) { c.Chunks[0].Kind, c.Chunks[0].Table = "view", -1 },
		"a schema that is none":    func(_ *manifest.Envelope, c *manifest.Contents) { c.Schema.Kind = "largeobjects" },
		"no fingerprint":           func(_ *manifest.Envelope, c *manifest.Contents) { c.Chunks[0].Fingerprint = "" },
		"more is not covered":      func(e *manifest.Envelope, _ *manifest.Contents) { e.Totals.NotCovered++ },
		"stored bytes that do not": func(e *manifest.Envelope, _ *manifest.Contents) { e.Totals.StoredBytes++ },
		"contents among the data":  func(e *manifest.Envelope, _ *manifest.Contents) { e.Contents[0] = e.Objects[0] },
		"an end before the start":  func(e *manifest.Envelope, _ *manifest.Contents) { e.Started = e.Finished.Add(1) },
		"an object that belongs to no one": func(e *manifest.Envelope, _ *manifest.Contents) {
			o := e.Objects[len(e.Objects)-1]
			o.Key += "9"
			e.Objects = append(e.Objects, o)
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, c := sound()
			damage(&e, &c)
			err := e.Validate()
			if err == nil {
				err = c.Validate(e)
			}
			if (err == nil) != (name == "") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDocumentsAreReadStrictly(t *testing.T) {
	d := manifest.Document{Signed: `{"a":"<&>"}`, Signature: "-----BEGIN SSH SIGNATURE-----\n"}
	data, err := d.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := manifest.ParseDocument(data); err != nil || back != d {
		t.Errorf("%+v %v", back, err)
	}
	doc := func(inner string) string { return "{\n  " + inner + "\n}\n" }
	if back, err := manifest.ParseDocument([]byte(doc("\"signed\": \"x\",\n  \"signature\": \"y\""))); err != nil || back.Signed != "x" || back.Signature != "y" {
		t.Errorf("%+v %v", back, err)
	}
	for _, bad := range []string{
		"", "{}", `{"signed":"x"}`, `{"signed":"x","signature":"y"}`, string(data) + "{}", "null", "[]", string(data[:len(data)-1]), string(data) + "\n",
		doc("\"signed\": \"x\""), doc("\"signed\": \"\",\n  \"signature\": \"y\""), doc("\"signature\": \"x\",\n  \"signed\": \"y\""),
		doc("\"signed\": \"x\",\n  \"signature\": \"y\",\n  \"more\": \"z\""), doc("\"signed\": \"x\",\n  \"signed\": \"z\",\n  \"signature\": \"y\""),
		doc("\"signed\": \"x\", \"Signed\": \"z\",\n  \"signature\": \"y\""), doc("\"Signed\": \"x\",\n  \"signature\": \"y\""),
		doc("\"signed\": \"x\",\n  \"signature\": \"y\xff\""), strings.ReplaceAll(string(data), "\n  ", "\n\t"),
	} {
		if _, err := manifest.ParseDocument([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// TestFieldsAreWrittenOneWay: what follows a value is a name again, at every depth and behind every kind of value.
func TestFieldsAreWrittenOneWay(t *testing.T) {
	good := `{"format":1,"component":"database","backup":"b","kind":"backup","started":"2026-11-23T02:00:00Z","finished":"2026-11-23T02:00:00Z","error_type":"E","message":"","writer":"w"}`
	var a manifest.Attempt
	if err := manifest.Decode([]byte(good), &a); err != nil {
		t.Fatal(err)
	}
	deep := `{"key":"k","size":1,"sha256":"s"}`
	var e manifest.Envelope
	for _, bad := range []string{
		`{"format":1,"format":2}`, `{"format":1,"Format":2}`, `{"source":{"kind":"neon","kind":"postgres"}}`,
		`{"contents":[` + deep + `],"contents":[]}`, `{"contents":[{"key":"k","key":"l"}]}`, `{"contents":[` + deep + `,{"size":1,"Size":2}]}`,
		`{"recipients":["a","a"],"recipients":null}`, `{"totals":{},"totals":{}}`, `{"point":null,"point":null}`,
	} {
		if err := manifest.Decode([]byte(bad), &e); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
	var free struct {
		Inputs map[string]any      `json:"inputs"`
		Many   []map[string]string `json:"many"`
		Raw    json.RawMessage     `json:"raw"`
	}
	if err := manifest.Decode([]byte(`{"inputs":{"Region":1,"region":{"A":1,"a":[{"b":1}]}},"many":[{"K":"1"}],"raw":{"X":1,"x":2}}`), &free); err != nil {
		t.Errorf("names that are data: %v", err)
	}
	for _, bad := range []string{`{"inputs":{"a":1,"a":2}}`, `{"inputs":{"a":{"b":[{"c":1,"c":2}]}}}`, `{"many":[{"k":"1","k":"2"}]}`, `{"raw":{"x":1,"x":2}}`, `{"Raw":{}}`} {
		if err := manifest.Decode([]byte(bad), &free); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
	for _, fine := range []string{`{"recipients":["format","format"],"format":1}`, `{"contents":[` + deep + `,` + deep + `],"totals":{"rows":1},"writer":"rows"}`} {
		if err := manifest.Decode([]byte(fine), &e); err != nil {
			t.Errorf("%s: %v", fine, err)
		}
	}
}

func TestIDs(t *testing.T) {
	at := time.Date(2026, 11, 23, 2, 0, 0, 0, time.FixedZone("EST", -5*3600))
	made := manifest.NewBackupID(at, "k3v7qa")
	if back, err := manifest.BackupTime(made); made != "20261123T070000Z-k3v7qa" || err != nil || !back.Equal(at) {
		t.Errorf("%s %s %v", made, back, err)
	}
	for _, bad := range []string{"", "latest", id + "/x", "../" + id, strings.ToUpper(id), "20261123T020000Z-k3v7q1"} {
		if manifest.ValidBackupID(bad) {
			t.Errorf("%q is no id", bad)
		}
	}
	for _, bad := range []string{"", "A", "a/b", "..", "1a", strings.Repeat("a", 41)} {
		if manifest.ValidComponent(bad) {
			t.Errorf("%q is no name", bad)
		}
	}
}

// FuzzParseManifest: whatever lies in a vault, reading it ends in a value that is valid or in an error.
func FuzzParseManifest(f *testing.F) {
	e, _ := sound()
	text, _ := json.Marshal(e)
	data, _ := manifest.Document{Signed: string(text), Signature: "s"}.Bytes()
	f.Add(data)
	f.Add([]byte("{\n  \"signed\": \"{}\",\n  \"signature\": \"s\"\n}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := manifest.ParseDocument(data)
		if err != nil {
			return
		}
		var envelope manifest.Envelope
		if manifest.Decode([]byte(d.Signed), &envelope) != nil || envelope.Validate() != nil {
			return
		}
		for _, o := range envelope.Objects {
			if !strings.HasPrefix(o.Key, manifest.BackupPrefix(envelope.Component, envelope.Backup)) || strings.Contains(o.Key, "..") {
				t.Errorf("a valid envelope lists %q", o.Key)
			}
		}
		_ = fmt.Sprint(envelope)
	})
}
