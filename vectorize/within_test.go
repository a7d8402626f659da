package vectorize_test

import (
	"strings"
	"testing"

	"nearside/catalog"
	"nearside/fault"
	"nearside/vectorize"
)

// TestAKeyIsLimitedOnlyByFiltersThatHoldForEveryRecord: a record older than the
// metadata index has no value for a filter and would slip through $ne.
func TestAKeyIsLimitedOnlyByFiltersThatHoldForEveryRecord(t *testing.T) {
	for _, sound := range []string{`{"tenant":"a"}`, `{"tenant":{"$in":["a","b"]}}`, `{"level":{"$lte":3}}`} {
		if _, err := vectorize.Within(catalog.Limits{Filter: []byte(sound)}); err != nil {
			t.Errorf("%s: %v", sound, err)
		}
	}
	for _, open := range []string{`{"tenant":{"$ne":"b"}}`, `{"tenant":null}`, `{"tenant":"a","secret":{"$ne":true}}`} {
		_, err := vectorize.Within(catalog.Limits{Filter: []byte(open)})
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "$eq, $in or a range") {
			t.Errorf("%s: %v", open, err)
		}
	}
}
