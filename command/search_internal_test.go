package command

import (
	"encoding/json"
	"testing"
)

func TestAPassageSaysWhereItStands(t *testing.T) {
	for metadata, want := range map[string]string{
		`{"path":"guide/a.md","line":31,"last_line":40}`: "guide/a.md:31",
		`{"path":"m.pdf","page":4}`:                      "m.pdf page 4",
		`{"path":"a.zip","member":"b/c.md","line":2}`:    "a.zip!b/c.md:2",
		`{"path":"t.csv","key":"row 7","line":9}`:        "t.csv row 7",
		`{"path":"m.docx"}`:                              "m.docx",
		`{"path":7}`:                                     "",
		`{"lang":"en"}`:                                  "",
		``:                                               "",
	} {
		if got := (passage{Metadata: json.RawMessage(metadata)}).place(); got != want {
			t.Errorf("%s: %q, want %q", metadata, got, want)
		}
	}
}
