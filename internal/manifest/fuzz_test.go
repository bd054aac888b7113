package manifest_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// FuzzParseContents: whatever was sealed, reading it ends in an error or in contents whose chunks can be
// worked with blindly, and that say the same when they are written again.
func FuzzParseContents(f *testing.F) {
	envelope, contents := sound()
	text, err := json.Marshal(contents)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format":1,"schema":{},"chunks":[{"table":-1},{"table":9}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c manifest.Contents
		if manifest.Decode(data, &c) != nil {
			return
		}
		err := c.Validate(envelope)
		if err == nil {
			held := map[string]bool{}
			for _, chunk := range append(c.Chunks, c.Schema) {
				if chunk.Table >= len(c.Catalog.Tables) || len(chunk.Parts) == 0 {
					t.Errorf("a valid chunk of table %d of %d with %d parts", chunk.Table, len(c.Catalog.Tables), len(chunk.Parts))
				}
				for _, p := range chunk.Parts {
					if held[p.Key] {
						t.Errorf("%s is used twice", p.Key)
					}
					held[p.Key] = true
				}
			}
			if len(held) != len(envelope.Objects) {
				t.Errorf("%d of %d objects are used", len(held), len(envelope.Objects))
			}
		}
		again(t, c, err)
	})
}

// FuzzParseRecords: verifications and attempts are told apart, and from manifests, which are signed for the
// same use: no text is two of them.
func FuzzParseRecords(f *testing.F) {
	f.Add([]byte(`{"format":1,"component":"database","backup":"b","manifest":"m","dropped":true,"checks":[{"name":"tables","ok":true}]}`))
	f.Add([]byte(`{"format":1,"component":"database","backup":"b","kind":"verify","error_type":"Corrupt"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v manifest.Verified
		var a manifest.Attempt
		var e manifest.Envelope
		isVerified := manifest.Decode(data, &v) == nil && v.Manifest != ""
		isAttempt := manifest.Decode(data, &a) == nil && a.Kind != ""
		isEnvelope := manifest.Decode(data, &e) == nil && e.Validate() == nil
		if isVerified && isAttempt || isVerified && isEnvelope || isAttempt && isEnvelope {
			t.Errorf("verified %t, attempt %t, envelope %t", isVerified, isAttempt, isEnvelope)
		}
	})
}

// again writes contents and reads them back: nothing of them changes, also not what Validate says.
func again(t *testing.T, c manifest.Contents, verdict error) {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back manifest.Contents
	if err := manifest.Decode(text, &back); err != nil {
		t.Fatalf("what was written is not read: %v", err)
	}
	envelope, _ := sound()
	if second := back.Validate(envelope); (second == nil) != (verdict == nil) {
		t.Errorf("valid: %v, written and read: %v", verdict, second)
	}
	twice, _ := json.Marshal(back)
	if diff := cmp.Diff(string(text), string(twice)); diff != "" {
		t.Errorf("it changes each time it is written:\n%s", diff)
	}
}
