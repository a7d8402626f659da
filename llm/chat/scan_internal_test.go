package chat

import (
	"encoding/json"
	"maps"
	"testing"
)

// FuzzScan compares what is taken apart here with encoding/json, level by level.
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		`{}`, ` [ ] `, `{"a":1,"b" : [ 1 , "x\"\\" , null ], "a":{"c":true} }`, `["\\", "\\\"", "\ud83d\ude00\ud800", "{[}]", {}, [[]], -1.5e10]`,
		"{\"\\u0061\": \"\xff\"}", `"a"`, `7`, `[1e400,-1e400,1e-400,0.1]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if json.Valid(body) {
			var value json.RawMessage
			if err := json.Unmarshal(body, &value); err != nil {
				t.Fatal(err)
			}
			compareScan(t, value)
		}
	})
}

func compareScan(t *testing.T, raw json.RawMessage) {
	t.Helper()
	switch TypeOf(raw) {
	case "object":
		var want map[string]json.RawMessage
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		got := members(raw)
		if !maps.EqualFunc(got, want, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
			t.Fatalf("%q: members %q, want %q", raw, got, want)
		}
		for _, value := range got {
			compareScan(t, value)
		}
	case "array":
		var want []json.RawMessage
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		got := elements(raw)
		if len(got) != len(want) {
			t.Fatalf("%q: %d elements, want %d", raw, len(got), len(want))
		}
		for i, value := range got {
			if string(value) != string(want[i]) {
				t.Fatalf("%q: element %d is %q, want %q", raw, i, value, want[i])
			}
			compareScan(t, value)
		}
	case "string":
		var want string
		if err := json.Unmarshal(raw, &want); err != nil || unquote(raw) != want {
			t.Fatalf("%q: %q, want %q, %v", raw, unquote(raw), want, err)
		}
	case "number":
		var want float64
		if json.Unmarshal(raw, &want) == nil && floatOf(raw) != want {
			t.Fatalf("%s: %v, want %v", raw, floatOf(raw), want)
		}
	}
}
