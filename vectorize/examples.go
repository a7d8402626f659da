package vectorize

import (
	"context"
	"math"
	"slices"

	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
)

// MaxExamples is how many examples, positive and negative, a search may have.
const MaxExamples = 100

func checkExamples(positive, negative []index.VectorID) error {
	if len(positive) == 0 {
		return fault.For(ReasonQuery, "the query has %d negative examples and no positive one; name at least one record that is like what is wanted", len(negative))
	}
	if n := len(positive) + len(negative); n > MaxExamples {
		return fault.For(ReasonQuery, "the query has %d examples, positive and negative; at most %d are allowed", n, MaxExamples)
	}
	for _, id := range slices.Concat(positive, negative) {
		if err := checkID(id); err != nil {
			return err
		}
		if slices.Contains(positive, id) && slices.Contains(negative, id) {
			return fault.For(ReasonQuery, "the record %s is a positive and a negative example; name it once", filter.Quote(string(id)))
		}
	}
	return nil
}

// resembling returns the vector to search with for what is like some records and
// unlike others: the mean of the positive examples and, if there are negative
// ones, the way from their mean to it once more. It is the average_vector
// strategy of Qdrant's recommendations and Rocchio's formula with equal weights.
// Under cosine each example counts by its direction, whatever its length.
func (x *Index) resembling(ctx context.Context, positive, negative []index.VectorID, r index.Read) ([]float32, error) {
	liked, err := x.mean(ctx, positive, "positive", r)
	if err != nil {
		return nil, err
	}
	if len(negative) > 0 {
		disliked, err := x.mean(ctx, negative, "negative", r)
		if err != nil {
			return nil, err
		}
		for i := range liked {
			liked[i] += liked[i] - disliked[i]
		}
	}
	vector := make([]float32, len(liked))
	zero := true
	for i, v := range liked {
		vector[i] = float32(v)
		zero = zero && vector[i] == 0
	}
	if zero && index.Metric(x.Definition.Metric) == index.Cosine {
		return nil, fault.For(ReasonQuery, "the examples cancel each other out: their mean has no direction; name other ones")
	}
	return vector, nil
}

// mean returns the mean of the vectors of some records that the caller may see.
func (x *Index) mean(ctx context.Context, ids []index.VectorID, role string, r index.Read) ([]float64, error) {
	records, err := x.Index.Get(ctx, ids, r)
	if err != nil {
		return nil, err
	}
	if len(records) < len(ids) {
		return nil, fault.For(ReasonQuery, "the %s example %s is not in the index; name records that are", role, filter.Quote(string(firstMissing(ids, records))))
	}
	sum := make([]float64, x.Definition.Dimensions)
	for _, record := range records {
		weight := 1 / float64(len(records))
		if index.Metric(x.Definition.Metric) == index.Cosine {
			weight /= norm(record.Values)
		}
		for i, v := range record.Values {
			sum[i] += weight * float64(v)
		}
	}
	return sum, nil
}

// firstMissing returns the first id without a record; both come in the same order.
func firstMissing(ids []index.VectorID, records []index.Record) index.VectorID {
	for i, id := range ids {
		if i == len(records) || records[i].ID != id {
			return id
		}
	}
	return ""
}

// norm is the Euclidean length of a vector.
func norm(values []float32) float64 {
	sum := 0.0
	for _, v := range values {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}
