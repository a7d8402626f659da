package vectorize

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"nearside/fault"
	"nearside/index"
)

// CheckBatch checks the number of records in a batch.
func (l Limits) CheckBatch(records int) error {
	if records == 0 {
		return fault.For(ReasonBatch, "the batch is empty; send at least one vector")
	}
	if l.Batch > 0 && records > l.Batch {
		return fault.For(ReasonBatch, "too many vectors in payload; max batch size is %d, got %d; send them in several requests", l.Batch, records)
	}
	return nil
}

// checkRecords checks a batch before anything of it is stored. That values are
// finite, and not all zero under cosine, is checked by the index.
func checkRecords(records []index.Record, dimensions int, l Limits) error {
	if err := l.CheckBatch(len(records)); err != nil {
		return err
	}
	for i := range records {
		if err := checkRecord(&records[i], dimensions, l); err != nil {
			return err
		}
	}
	return nil
}

func checkRecord(r *index.Record, dimensions int, l Limits) error {
	if err := checkID(r.ID); err != nil {
		return err
	}
	if len(r.Values) != dimensions {
		return fault.For(index.ReasonDimensions, `invalid vector for id="%s", expected %d dimensions, and got %d dimensions`, r.ID, dimensions, len(r.Values))
	}
	if err := checkNamespace(r.Namespace); err != nil {
		return err
	}
	return checkMetadata(r.ID, r.Metadata, l)
}

// checkMetadata checks the metadata that a record is to have.
func checkMetadata(id index.VectorID, metadata json.RawMessage, l Limits) error {
	if l.MetadataBytes > 0 && len(metadata) > l.MetadataBytes {
		return fault.For(ReasonMetadata, `oversized metadata for vector id="%s"; the compact JSON representation of the metadata must not exceed %d bytes, got %d bytes`, id, l.MetadataBytes, len(metadata))
	}
	if what := metadataFault(metadata); what != "" {
		return fault.For(ReasonMetadataKey, `invalid metadata for vector id="%s": %s`, id, what)
	}
	return nil
}

// checkSet checks the metadata that an update sets, whatever the records.
func checkSet(metadata json.RawMessage) error {
	if what := metadataFault(metadata); what != "" {
		return fault.For(ReasonMetadataKey, "invalid metadata to set: %s", what)
	}
	return nil
}

// metadataFault says what is wrong with the keys or numbers of metadata, or "".
func metadataFault(metadata json.RawMessage) string {
	if key, why := badKey(metadata); why != "" {
		return fmt.Sprintf("the key %q %s", key, why)
	}
	if number := endlessNumber(metadata); number != "" {
		return fmt.Sprintf("the number %.40s does not fit a 64-bit float, whose largest is about 1.8e308", number)
	}
	return ""
}

func checkID(id index.VectorID) error {
	switch {
	case id == "":
		return fault.For(ReasonID, "id is empty; it must have 1 to %d bytes", MaxID)
	case len(id) > MaxID:
		return fault.For(ReasonID, "id too long; max is %d bytes, got %d bytes", MaxID, len(id))
	}
	return nil
}

// CheckDelete checks the ids of a delete.
func (l Limits) CheckDelete(ids []index.VectorID) error { return checkIDs(ids, l.DeleteIDs) }

func checkIDs(ids []index.VectorID, most int) error {
	if most > 0 && len(ids) > most {
		return fault.For(ReasonIDs, "too many ids in payload; max id count is %d, got %d", most, len(ids))
	}
	for _, id := range ids {
		if err := checkID(id); err != nil {
			return err
		}
	}
	return nil
}

func checkNamespace(namespace string) error {
	if len(namespace) > MaxNamespace {
		return fault.For(ReasonNamespace, "namespace too long; max is %d bytes, got %d bytes", MaxNamespace, len(namespace))
	}
	return nil
}

func checkQuery(q index.Query, dimensions int, l Limits) error {
	switch {
	case q.ID != "" && q.Vector != nil:
		return fault.For(ReasonQuery, "the query has both vector and vectorId; give one of them")
	case q.ID != "":
		if err := checkID(q.ID); err != nil {
			return err
		}
	case len(q.Vector) != dimensions:
		return fault.For(index.ReasonQueryVector, "invalid query vector, expected %d dimensions, and got %d dimensions", dimensions, len(q.Vector))
	}
	if err := checkTopK(q, l); err != nil {
		return err
	}
	return checkNamespace(q.Namespace)
}

func checkTopK(q index.Query, l Limits) error {
	full := q.Values || q.Metadata == index.AllMetadata
	switch {
	case full && l.TopKFull > 0 && q.TopK > l.TopKFull:
		return fault.For(ReasonTopKFull, "with returnValues=true or returnMetadata=all, max top K is %d, but got %d; ask for fewer matches, or for returnMetadata=indexed without values, which allows %d", l.TopKFull, q.TopK, l.TopK)
	case q.TopK < 1 || l.TopK > 0 && q.TopK > l.TopK:
		return fault.For(ReasonTopK, "topK is %d; it must be between 1 and %d", q.TopK, l.TopK)
	}
	return nil
}

func checkPage(count int, l Limits) error {
	if count < 1 || l.ListPage > 0 && count > l.ListPage {
		return fault.For(ReasonPage, "count is %d; it must be between 1 and %d", count, l.ListPage)
	}
	return nil
}

// keyFault says what is wrong with a metadata key, or "".
// (developers.cloudflare.com/vectorize/best-practices/insert-vectors)
func keyFault(key string) string {
	switch {
	case key == "":
		return "is empty"
	case strings.HasPrefix(key, "$"):
		return "starts with $"
	case strings.Contains(key, "."):
		return "contains a dot, which separates levels in a filter"
	case strings.Contains(key, `"`):
		return `contains a "`
	}
	return ""
}

// badKey returns the first key of a valid JSON object, at any depth, that is
// against the rules, and why. It reads bytes rather than a decoded map because
// it runs over every record written.
func badKey(metadata json.RawMessage) (key, why string) {
	var objects []bool // the open brackets: true for {
	expectKey := false
	for i := 0; i < len(metadata); i++ {
		switch metadata[i] {
		case '{':
			objects = append(objects, true)
			expectKey = true
		case '[':
			objects = append(objects, false)
			expectKey = false
		case '}', ']':
			objects = objects[:max(0, len(objects)-1)]
			expectKey = false
		case ',':
			expectKey = len(objects) > 0 && objects[len(objects)-1]
		case '"':
			end := stringEnd(metadata, i)
			if expectKey {
				expectKey = false
				key := unquote(metadata[i:end])
				if why := keyFault(key); why != "" {
					return key, why
				}
			}
			i = end - 1
		}
	}
	return "", ""
}

// endlessNumber returns the first number of valid JSON that is infinite as a
// 64-bit float, or "". Many a client could not read a reply that holds it.
func endlessNumber(metadata json.RawMessage) string {
	for i := 0; i < len(metadata); i++ {
		switch b := metadata[i]; {
		case b == '"':
			i = stringEnd(metadata, i) - 1
		case b == '-' || b >= '0' && b <= '9':
			end := i + 1
			for end < len(metadata) && strings.IndexByte("0123456789.eE+-", metadata[end]) >= 0 {
				end++
			}
			number := string(metadata[i:end])
			// Without an exponent it takes more than 308 digits.
			if len(number) > 308 || strings.ContainsAny(number, "eE") {
				if f, _ := strconv.ParseFloat(number, 64); math.IsInf(f, 0) {
					return number
				}
			}
			i = end - 1
		}
	}
	return ""
}

// stringEnd returns the position after the JSON string that begins at start.
func stringEnd(raw []byte, start int) int {
	for i := start + 1; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(raw)
}

func unquote(raw []byte) string {
	if len(raw) >= 2 && !strings.Contains(string(raw), `\`) {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "" // not JSON: no key
	}
	return s
}
