package index

import (
	"math"
	"slices"

	"nearside/fault"
	"nearside/index/filter"
)

// MaxMetadataIndexes is how many metadata indexes an index can have. Cloudflare
// allows ten, which is not checked here.
const MaxMetadataIndexes = 100

// ValidateConfig reports why there can be no index of this configuration.
func ValidateConfig(c Config) error {
	if c.Dimensions < 1 || c.Dimensions > MaxDimensions {
		return fault.For(ReasonConfig, "dimensions is %d; it must be between 1 and %d", c.Dimensions, MaxDimensions)
	}
	if !c.Metric.Valid() {
		return fault.For(ReasonConfig, "metric is %q; it must be %q, %q or %q", c.Metric, Cosine, Euclidean, DotProduct)
	}
	return nil
}

// CheckRecords reports the first record whose vector an index of this
// configuration cannot hold. A batch is checked as it came, repeated ids included.
func (c Config) CheckRecords(records []Record) error {
	for i := range records {
		r := &records[i]
		if len(r.Values) != c.Dimensions {
			return fault.For(ReasonDimensions, "invalid vector for id=%q, expected %d dimensions, and got %d dimensions", r.ID, c.Dimensions, len(r.Values))
		}
		if at := notFinite(r.Values); at >= 0 {
			return fault.For(ReasonValue, "invalid vector for id=%q: value %d is %v as a 32-bit float; every value must be finite, at most about 3.4e38", r.ID, at, r.Values[at])
		}
		if c.Metric == Cosine && allZero(r.Values) {
			return fault.For(ReasonValue, "invalid vector for id=%q: all %d values are zero, and such a vector has no direction under the metric cosine", r.ID, c.Dimensions)
		}
	}
	return nil
}

// CheckQuery reports why an index of this configuration cannot answer a query.
func (c Config) CheckQuery(q Query) error {
	if q.TopK < 1 {
		return fault.New(fault.Invalid, "topK is %d; it must be at least 1", q.TopK)
	}
	if !q.Metadata.valid() {
		return fault.New(fault.Invalid, "there is no metadata level %d", q.Metadata)
	}
	if q.Vector == nil && q.ID != "" {
		return nil
	}
	if len(q.Vector) != c.Dimensions {
		return fault.For(ReasonQueryVector, "invalid query vector, expected %d dimensions, and got %d dimensions", c.Dimensions, len(q.Vector))
	}
	if at := notFinite(q.Vector); at >= 0 {
		return fault.For(ReasonValue, "invalid query vector: value %d is %v as a 32-bit float; every value must be finite, at most about 3.4e38", at, q.Vector[at])
	}
	if c.Metric == Cosine && allZero(q.Vector) {
		return fault.For(ReasonValue, "invalid query vector: all %d values are zero, and such a vector has no direction under the metric cosine", c.Dimensions)
	}
	return nil
}

func (l MetadataLevel) valid() bool { return l <= AllMetadata }

// CheckMetadataIndex reports why m cannot join the metadata indexes that exist.
func CheckMetadataIndex(existing []MetadataIndex, m MetadataIndex) error {
	if err := filter.CheckProperty(m.Property); err != nil {
		return err
	}
	if !m.Type.Valid() {
		return fault.New(fault.Invalid, "metadata index type is %q; it must be %q, %q or %q", m.Type, filter.String, filter.Number, filter.Boolean)
	}
	if at := slices.IndexFunc(existing, func(e MetadataIndex) bool { return e.Property == m.Property }); at >= 0 {
		return &fault.Error{Kind: fault.Conflict, Reason: ReasonMetadataIndex, Message: "there is a metadata index on " + filter.Quote(m.Property) +
			" already, of type " + string(existing[at].Type) + "; delete it before creating another"}
	}
	if len(existing) >= MaxMetadataIndexes {
		return fault.For(ReasonTooManyMeta, "the index has %d metadata indexes, which is the most it can have; delete one before creating one on %q", len(existing), m.Property)
	}
	return nil
}

// NoMetadataIndex is the fault of a property that has no metadata index to delete.
func NoMetadataIndex(property string) error {
	return &fault.Error{Kind: fault.NotFound, Reason: ReasonNoMetadata, Message: "there is no metadata index on " + filter.Quote(property) + "; list the metadata indexes to see those there are"}
}

// CheckPage reports why a page of a listing cannot have count ids.
func CheckPage(count int) error {
	if count < 1 {
		return fault.New(fault.Invalid, "count is %d; it must be at least 1", count)
	}
	return nil
}

// notFinite returns the place of the first NaN or infinity, or -1.
func notFinite(values []float32) int {
	const exponent = 0x7f800000 // all of its bits are set in those, and in no others
	return slices.IndexFunc(values, func(v float32) bool { return math.Float32bits(v)&exponent == exponent })
}

func allZero(values []float32) bool {
	return !slices.ContainsFunc(values, func(v float32) bool { return v != 0 })
}

// FirstOfEach returns the first record of each id, in the order they came.
func FirstOfEach(records []Record) []Record {
	seen := make(map[VectorID]bool, len(records))
	first := make([]Record, 0, len(records))
	for _, r := range records {
		if !seen[r.ID] {
			seen[r.ID] = true
			first = append(first, r)
		}
	}
	return first
}

// LastOfEach returns the last record of each id, in the order they came.
func LastOfEach(records []Record) []Record {
	last := make(map[VectorID]int, len(records))
	for i := range records {
		last[records[i].ID] = i
	}
	kept := make([]Record, 0, len(last))
	for i := range records {
		if last[records[i].ID] == i {
			kept = append(kept, records[i])
		}
	}
	return kept
}
