package server

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"nearside/fault"
	"nearside/index"
	"nearside/vectorize"
)

// Limits of a batch of queries.
const (
	maxBatchQueries = 100
	maxBatchMatches = 10_000 // that its queries ask for together
	maxBatchFull    = 1_000  // of them, with values, texts or all metadata
)

// batchQuery is one query of a batch: as it arrived, and what became of it.
type batchQuery struct {
	raw   []byte
	query nearsideQuery
	found vectorize.Found
	err   error
}

// queryBatch answers POST …/nearside/indexes/{index}/query-batch: an array of
// query objects, each answered as if it had come alone, in the order of the array.
// A query that fails has an error in its place and harms no other. As many run at
// once as the machine has processors; the batch holds one slot of the gate.
func queryBatch(s *Server, c *call) error {
	x, read, err := s.reading(c)
	if err != nil {
		return err
	}
	var batch []batchQuery
	err = c.lendBody(func(data []byte) error {
		if batch, err = splitBatch(data); err != nil {
			return err
		}
		return c.each(batch, func(b *batchQuery) error { return b.parse(x.Definition.Dimensions) })
	})
	if err != nil {
		return err
	}
	if err := checkBatchTotals(batch); err != nil {
		return err
	}
	err = c.each(batch, func(b *batchQuery) (err error) {
		if b.found, err = x.Search(c, b.query.Search, read); err == nil {
			c.queried(x.Definition)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.replyBatch(batch)
}

// splitBatch cuts a body into the texts of its queries, by their brackets.
func splitBatch(data []byte) (batch []batchQuery, err error) {
	err = readWhole(data, func(s *scanner) error {
		return s.array(func() error {
			s.space()
			start := s.at
			if err := s.pass(); err != nil {
				return err
			}
			batch = append(batch, batchQuery{raw: data[start:s.at]})
			return nil
		})
	})
	switch {
	case err != nil:
		return nil, err
	case len(batch) == 0:
		return nil, fault.For(vectorize.ReasonBatch, "the batch is empty; send at least one query")
	case len(batch) > maxBatchQueries:
		return nil, fault.For(vectorize.ReasonBatch, "the batch has %d queries; at most %d are allowed. Send them in several requests", len(batch), maxBatchQueries)
	}
	return batch, nil
}

// parse decodes the query. Nothing of its text is kept.
func (b *batchQuery) parse(dimensions int) error {
	err := readWhole(b.raw, func(s *scanner) (err error) {
		b.query, err = s.nearsideQuery(dimensions)
		return err
	})
	b.raw = nil
	return err
}

// checkBatchTotals bounds what a batch can make the server hold at once.
func checkBatchTotals(batch []batchQuery) error {
	matches, full := 0, 0
	for i := range batch {
		q := &batch[i].query
		if batch[i].err != nil || q.TopK < 1 {
			continue
		}
		asked := min(q.TopK, maxBatchMatches+1)
		if q.Grouping != nil {
			asked *= min(max(q.Grouping.Size, 1), maxBatchMatches+1)
		}
		matches += asked
		if q.Values || q.Text || q.Metadata == index.AllMetadata {
			full += asked
		}
	}
	switch {
	case matches > maxBatchMatches:
		return fault.For(vectorize.ReasonTopK, "the queries of the batch ask for %d matches together; at most %d are allowed. Send them in several requests", matches, maxBatchMatches)
	case full > maxBatchFull:
		return fault.For(vectorize.ReasonTopKFull, "the queries of the batch ask for %d matches with values, texts or all metadata together; at most %d are allowed. Send them in several requests", full, maxBatchFull)
	}
	return nil
}

// each runs work for each query that has not failed, some at once, and notes what
// fails. It fails itself only if the call's context ends.
func (c *call) each(batch []batchQuery, work func(b *batchQuery) error) error {
	var next atomic.Int64
	var working sync.WaitGroup
	for range min(len(batch), runtime.GOMAXPROCS(0)) {
		working.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(batch)) && c.Err() == nil; i = next.Add(1) - 1 {
				if b := &batch[i]; b.err == nil {
					b.err = c.unharmed(func() error { return work(b) })
				}
			}
		})
	}
	working.Wait()
	return context.Cause(c)
}

// unharmed runs work outside the handler's goroutine, where a panic would end the server.
func (c *call) unharmed(work func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.panicked("a query of a batch", r)
			err = fault.New(fault.Internal, "panic")
		}
	}()
	return work()
}

// replyBatch writes the answers in the order of the queries.
func (c *call) replyBatch(batch []batchQuery) error {
	size, failed := objectGuess, 0
	unindexed := map[string]bool{}
	for i := range batch {
		size += foundGuess(batch[i].found)
		if batch[i].err != nil {
			failed++
		}
		for _, property := range batch[i].found.Unindexed {
			unindexed[property] = true
		}
	}
	c.warnUnindexed(slices.Sorted(maps.Keys(unindexed)))
	return c.replyAppended(size, func(to []byte) []byte {
		to = append(to, `{"count":`...)
		to = strconv.AppendInt(to, int64(len(batch)), 10)
		to = append(to, `,"failed":`...)
		to = strconv.AppendInt(to, int64(failed), 10)
		to = append(to, `,"results":[`...)
		for i := range batch {
			if i > 0 {
				to = append(to, ',')
			}
			if b := &batch[i]; b.err == nil {
				to = appendFound(to, b.found, b.query.explain)
			} else {
				to = c.appendFailure(to, b.err)
			}
		}
		return append(to, "]}"...)
	})
}

// appendFailure appends what the failure of one query of a batch is, in the words of a failed call.
func (c *call) appendFailure(to []byte, err error) []byte {
	_, _, code, message := c.judge(err)
	to = append(to, `{"error":`...)
	to = appendJSON(to, remark{Code: code, Message: message})
	return append(to, '}')
}
