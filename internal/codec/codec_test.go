package codec_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/lifeboat-dr/lifeboat/internal/codec"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

func keys(t *testing.T, fills ...byte) workrecord.Keys {
	t.Helper()
	var texts []secret.String
	for _, f := range fills {
		texts = append(texts, secret.New(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{f}, 32))))
	}
	k, err := workrecord.ParseKeys(texts)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestPayloadsAreSealedAndRotated(t *testing.T) {
	data, err := codec.DataConverter(keys(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := data.ToPayload("a patient's name")
	if err != nil {
		t.Fatal(err)
	}
	if raw, _ := proto.Marshal(payload); bytes.Contains(raw, []byte("patient")) {
		t.Fatal("the payload can be read")
	}
	var got string
	rotated, _ := codec.DataConverter(keys(t, 2, 1))
	if err := rotated.FromPayload(payload, &got); err != nil || got != "a patient's name" {
		t.Errorf("after a rotation: %q %v", got, err)
	}
	stranger, _ := codec.DataConverter(keys(t, 3))
	if err := stranger.FromPayload(payload, &got); err == nil {
		t.Error("another fleet opened it")
	}
	payload.Data[len(payload.Data)-1] ^= 1
	if err := data.FromPayload(payload, &got); err == nil {
		t.Error("a changed payload was opened")
	}
	clear, _ := converter.GetDefaultDataConverter().ToPayload("pause")
	if err := data.FromPayload(clear, &got); err != nil || got != "pause" {
		t.Errorf("a plain payload: %q %v", got, err)
	}
}

func TestFailuresAreSealed(t *testing.T) {
	failures, err := codec.FailureConverter(keys(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	failure := failures.ErrorToFailure(errors.New("row of a patient"))
	if text := protojson.Format(failure); strings.Contains(text, "patient") {
		t.Fatalf("the failure can be read: %s", text)
	}
	if back := failures.FailureToError(failure); !strings.Contains(back.Error(), "row of a patient") {
		t.Errorf("it comes back as %v", back)
	}
}

func TestTheUIMayAskWithTheToken(t *testing.T) {
	k := keys(t, 1)
	handler, err := codec.Handler(k, secret.New("tok3n"), []string{"http://127.0.0.1:8233"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	data, _ := codec.DataConverter(k)
	payload, _ := data.ToPayload("summary")
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: []*commonpb.Payload{payload}})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(path, origin, bearer string) (int, string) {
		t.Helper()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, bytes.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		if bearer != "" {
			req.Header.Set("Authorization", "Bearer "+bearer)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var b bytes.Buffer
		_, _ = b.ReadFrom(resp.Body)
		return resp.StatusCode, b.String()
	}
	want := base64.StdEncoding.EncodeToString([]byte(`"summary"`))
	for _, tc := range []struct {
		path, origin, bearer string
		status               int
	}{
		{"/tok3n/decode", "http://127.0.0.1:8233", "", http.StatusOK},
		{"/decode", "", "tok3n", http.StatusOK},
		{"/decode", "", "", http.StatusUnauthorized},
		{"/wrong/decode", "", "", http.StatusUnauthorized},
		{"/decode", "", "wrong", http.StatusUnauthorized},
		{"/tok3n/decode", "http://evil.example", "", http.StatusForbidden},
	} {
		status, text := ask(tc.path, tc.origin, tc.bearer)
		if status != tc.status || (status == http.StatusOK) != strings.Contains(text, want) {
			t.Errorf("%+v: %d %s", tc, status, text)
		}
	}
}

func TestWithoutATokenNothingIsServed(t *testing.T) {
	if _, err := codec.Handler(keys(t, 1), secret.New(""), nil); err == nil {
		t.Fatal("POST //decode presents an empty token, and would be answered")
	}
}
