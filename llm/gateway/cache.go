package gateway

import (
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"sync"
	"time"
)

// The most that a cache holds.
const (
	maxCached      = 10_000   // answers
	maxCachedBytes = 64 << 20 // of all answers
	maxAnswerBytes = 8 << 20  // of one: a few pictures
	overheadBytes  = 512      // what an answer takes beside its bytes
)

// Input is what an answer is the answer to.
type Input struct {
	Account, Gateway string
	Endpoint         string // which API it was asked through: the form of the answer depends on it
	Model            string
	Type             string // the media type of Body
	Body             []byte // JSON, or anything else
	Beside           string // what else is part of the input
	Custom           string // what the caller has stand for the body; "": nothing
}

// Key identifies an input. Two inputs with one key have the same answer.
type Key [sha256.Size]byte

// Key returns the key of an input. Of a body that is JSON the white space, the order of
// keys and the gateway's own options do not count. JSON must be UTF-8 without halves
// of characters, which could not be told apart.
func (in Input) Key() Key {
	body, beside, kind := in.Body, in.Beside, "body"
	if in.Custom != "" {
		body, beside, kind = []byte(in.Custom), "", "key"
	} else if value, err := decode(body); err == nil {
		body = encode(withoutOptions(value))
	}
	hash := sha256.New()
	for _, part := range [][]byte{[]byte(in.Account), []byte(in.Gateway), []byte(in.Endpoint), []byte(in.Model), []byte(in.Type), []byte(kind), []byte(beside), body} {
		var size [8]byte
		binary.LittleEndian.PutUint64(size[:], uint64(len(part)))
		hash.Write(size[:])
		hash.Write(part)
	}
	return Key(hash.Sum(nil))
}

// withoutOptions is a body without what says how it is answered, not what.
func withoutOptions(body any) any {
	object, _ := body.(map[string]any)
	said, ok := object["options"].(map[string]any)
	if !ok {
		return body
	}
	said = maps.Clone(said)
	delete(said, "gateway")
	delete(said, "rejectIfBusy")
	object = maps.Clone(object)
	object["options"] = said
	if len(said) == 0 {
		delete(object, "options")
	}
	return object
}

// Cache keeps answers for a while, the latest used of them if there are too many.
// It may be used from any goroutine. Calls with the same input at the same time are
// all answered by the model.
type Cache[Answer any] struct {
	clock func() time.Time

	mu      sync.Mutex // guards the fields below; nothing waits under it
	entries map[Key]*list.Element
	used    *list.List // of *entry, the latest used first
	bytes   int
	era     uint64 // how often everything was forgotten
}

type entry[Answer any] struct {
	key     Key
	answer  Answer
	bytes   int
	expires time.Time
}

// NewCache returns an empty cache. A nil clock is the system's.
func NewCache[Answer any](clock func() time.Time) *Cache[Answer] {
	if clock == nil {
		clock = time.Now
	}
	return &Cache[Answer]{clock: clock, entries: map[Key]*list.Element{}, used: list.New()}
}

// Place is where the answer to one input belongs.
type Place[Answer any] struct {
	cache *Cache[Answer]
	key   Key
	era   uint64
}

// At returns the place of an input. An answer that is kept at a place must have been
// made after the place was asked for.
func (c *Cache[Answer]) At(k Key) Place[Answer] {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Place[Answer]{c, k, c.era}
}

// Get returns the answer that is kept at the place, unless it is too old.
func (p Place[Answer]) Get() (answer Answer, found bool) {
	c := p.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.entries[p.key]
	if at == nil {
		return answer, false
	}
	e := at.Value.(*entry[Answer])
	if !c.clock().Before(e.expires) {
		c.dropLocked(at)
		return answer, false
	}
	c.used.MoveToFront(at)
	return e.answer, true
}

// Keep keeps an answer of so many bytes at the place, in place of the one there is.
// An answer that is too large, or was made before everything was forgotten, is not kept.
func (p Place[Answer]) Keep(answer Answer, bytes int, ttl time.Duration) {
	c := p.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if ttl <= 0 || bytes > maxAnswerBytes || p.era != c.era {
		return
	}
	if at := c.entries[p.key]; at != nil {
		c.dropLocked(at)
	}
	e := &entry[Answer]{p.key, answer, bytes + overheadBytes, c.clock().Add(ttl)}
	c.entries[p.key] = c.used.PushFront(e)
	c.bytes += e.bytes
	for c.bytes > maxCachedBytes || len(c.entries) > maxCached {
		c.dropLocked(c.used.Back())
	}
}

// Forget drops every answer, and those of calls that have begun.
func (c *Cache[Answer]) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.era++
	c.bytes = 0
	clear(c.entries)
	c.used.Init()
}

// Size returns how many answers are kept, and their bytes.
func (c *Cache[Answer]) Size() (answers, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries), c.bytes
}

func (c *Cache[Answer]) dropLocked(at *list.Element) {
	e := c.used.Remove(at).(*entry[Answer])
	delete(c.entries, e.key)
	c.bytes -= e.bytes
}
