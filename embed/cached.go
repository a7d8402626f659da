package embed

import (
	"context"
	"crypto/sha256"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"nearside/fault"
)

// Cache remembers embeddings by the fingerprint of the weights and the SHA-256
// of the text, so that it holds no text and never mixes weights. It is bounded
// in bytes; what was used longest ago makes room. One Cache may serve many
// embedders, from any goroutine. Nothing of it outlives the process.
type Cache struct {
	limit        int64
	hits, misses atomic.Int64

	mu      sync.Mutex // guards the fields below; only map and list work happens under it
	entries *simplelru.LRU[cacheKey, Embedding]
	bytes   int64
	flights map[cacheKey]*flight
}

type cacheKey struct {
	fingerprint Fingerprint
	text        [sha256.Size]byte
}

// flight is a text being embedded. done is closed when it has landed; then
// result holds if ok does.
type flight struct {
	done   chan struct{}
	result Embedding
	ok     bool
}

// CacheStats are the counters of a Cache.
type CacheStats struct {
	Hits    int64 // texts answered from memory, or by a call that was computing them already
	Misses  int64 // texts computed
	Entries int
	Bytes   int64 // estimated, with what an entry costs beside its numbers
	Limit   int64 // that Bytes never exceeds
}

// entryOverhead is what an entry costs beside its numbers: key, list
// element, map slot and Embedding, by measurement on amd64.
const entryOverhead = 256

// NewCache returns an empty cache of at most limit bytes. A limit of 0 remembers nothing.
func NewCache(limit int64) (*Cache, error) {
	if limit < 0 {
		return nil, fault.New(fault.Invalid, "an embedding cache of %d bytes; 0 turns it off", limit)
	}
	c := &Cache{limit: limit, flights: map[cacheKey]*flight{}}
	// The number of entries is bounded by the bytes, not by the list.
	entries, err := simplelru.NewLRU(int(limit/entryOverhead)+1, func(_ cacheKey, e Embedding) { c.bytes -= cost(e) })
	c.entries = entries
	return c, err
}

func cost(e Embedding) int64 { return entryOverhead + 4*int64(len(e.Values)) }

// Stats returns the counters.
func (c *Cache) Stats() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return CacheStats{Hits: c.hits.Load(), Misses: c.misses.Load(), Entries: c.entries.Len(), Bytes: c.bytes, Limit: c.limit}
}

// Cached returns an embedder that asks e only for what c does not remember. A
// text that occurs several times in a call, or in calls at the same time, is
// computed once while there is room for it. The vectors it returns are shared: nobody may change them.
func Cached(e Embedder, c *Cache) Embedder { return &cached{e, c} }

type cached struct {
	Embedder
	cache *Cache
}

// portion is how many texts are computed between two landings: a call for one of
// them by somebody else waits no longer than that.
const portion = 512

// Embed answers from the cache, from calls in flight, and for the rest from the embedder.
func (c *cached) Embed(ctx context.Context, texts []string) ([]Embedding, error) {
	out := make([]Embedding, len(texts))
	keys := make([]cacheKey, len(texts))
	open := make([]int, len(texts)) // texts not answered yet
	for i, text := range texts {
		keys[i] = cacheKey{c.Fingerprint(), sha256.Sum256([]byte(text))}
		open[i] = i
	}
	for len(open) > 0 {
		now := open[:min(len(open), portion)]
		mine, others := c.cache.claim(keys, now, out)
		if err := c.compute(ctx, texts, keys, mine, out); err != nil {
			return nil, err
		}
		failed, err := c.cache.await(ctx, others, out)
		if err != nil {
			return nil, err
		}
		open = append(open[len(now):], failed...)
	}
	return out, nil
}

// waiting is a text that somebody computes already.
type waiting struct {
	text   int
	flight *flight
}

// claim answers what is remembered and divides the rest into texts that the
// caller now has to compute and texts that are being computed.
func (c *Cache) claim(keys []cacheKey, open []int, out []Embedding) (mine []int, others []waiting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range open {
		if e, ok := c.entries.Get(keys[i]); ok {
			c.hits.Add(1)
			out[i] = e
		} else if f := c.flights[keys[i]]; f != nil {
			others = append(others, waiting{i, f})
		} else {
			c.flights[keys[i]] = &flight{done: make(chan struct{})}
			mine = append(mine, i)
		}
	}
	return mine, others
}

// compute embeds the texts that were claimed and lands them, also when that fails.
func (c *cached) compute(ctx context.Context, texts []string, keys []cacheKey, mine []int, out []Embedding) (err error) {
	if len(mine) == 0 {
		return nil
	}
	var fresh []Embedding
	defer func() { c.cache.land(keys, mine, fresh) }()
	missing := make([]string, len(mine))
	for j, i := range mine {
		missing[j] = texts[i]
	}
	got, err := c.Embedder.Embed(ctx, missing)
	if err != nil {
		return err
	}
	if len(got) != len(missing) {
		return fault.New(fault.Internal, "%s returned %d embeddings of %d texts", c.Model(), len(got), len(missing))
	}
	fresh = got
	for j, i := range mine {
		out[i] = fresh[j]
	}
	return nil
}

// land ends the flights of the claimed texts; without embeddings they have failed.
func (c *Cache) land(keys []cacheKey, mine []int, fresh []Embedding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for j, i := range mine {
		f := c.flights[keys[i]]
		delete(c.flights, keys[i])
		if fresh != nil {
			c.misses.Add(1)
			f.result, f.ok = fresh[j], true
			c.rememberLocked(keys[i], fresh[j])
		}
		close(f.done)
	}
}

// rememberLocked stores an embedding and makes room for it.
func (c *Cache) rememberLocked(key cacheKey, e Embedding) {
	if cost(e) > c.limit {
		return
	}
	for c.bytes+cost(e) > c.limit {
		c.entries.RemoveOldest()
	}
	c.entries.Add(key, e)
	c.bytes += cost(e)
}

// await takes what others computed. It returns the texts whose computation
// failed elsewhere (perhaps only because that caller hung up): they are to be tried again.
func (c *Cache) await(ctx context.Context, others []waiting, out []Embedding) (failed []int, err error) {
	for _, w := range others {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-w.flight.done:
		}
		if !w.flight.ok {
			failed = append(failed, w.text)
			continue
		}
		c.hits.Add(1)
		out[w.text] = w.flight.result
	}
	return failed, nil
}
