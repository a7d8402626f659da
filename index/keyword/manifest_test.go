package keyword_test

import (
	"os"
	"regexp"
	"testing"

	"nearside/index/keyword"
)

// The manifest is read by later versions: what this one writes stands here.
func TestTheManifestIsWrittenAsItAlwaysWas(t *testing.T) {
	w := newWorld(t, keyword.Options{Owner: "12"})
	w.texts("one text")
	w.reopen()
	got, err := os.ReadFile(w.dir.Path("manifest"))
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^nearside keyword 1 [0-9a-f]{8}\n` +
		`\{"analysis":\{"language":"en","tokenizer":"words"\},"version":1,"owner":"12","covered":1,"next":2,"segments":\[\{"file":"1.zap","size":\d+,"crc32c":\d+\}\]\}\n$`)
	if !want.Match(got) {
		t.Errorf("%s", got)
	}
}
