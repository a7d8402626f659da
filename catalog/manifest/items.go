package manifest

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"nearside/disk"
	"nearside/fault"
)

// State is how far an item has come.
type State string

// The states of an item.
const (
	Loading State = "loading" // records are on their way: the ids are those before and those to come
	Loaded  State = "loaded"  // all of its records are in the index, and no others
	Failed  State = "failed"  // it could not be loaded; Reason says why. Records are those from before
)

// Item is a file of a source.
type Item struct {
	Path     string // within the source; UTF-8, the loader escapes what is not
	State    State
	Size     int64     // bytes
	Modified time.Time // as the source says; zero = it does not
	Digest   string    // of the content, as the loader makes it
	Recipe   string    // what the records depend on beside the content: how it was parsed and cut
	Records  []string  // ids of its records, in order
	Count    int       // of them, where the ids were not asked for
	Reason   string    // why it failed
	Changed  time.Time // when it was put
}

// Look says which items of a source are wanted, in the order of their paths' bytes.
type Look struct {
	After   string // paths after this one
	From    string // and not before this one
	Until   string // and before this one; "" = to the last
	State   State  // "" = any
	Limit   int    // 1 to MaxPut
	Records bool   // with the ids
}

// Put puts items and removes others, as one change: what is put replaces what was known under its path.
func (s *Store) Put(ctx context.Context, c *Claim, items []Item, remove []string) error {
	if n := len(items) + len(remove); n > MaxPut {
		return fault.For(ReasonItem, "the change has %d items; one can have %d", n, MaxPut)
	}
	items = slices.Clone(items) // check shortens reasons
	for i := range items {
		if err := items[i].check(); err != nil {
			return err
		}
	}
	return s.changing(ctx, c, func(tx *disk.Tx, now time.Time) error {
		for _, path := range remove {
			if err := tx.Exec(`DELETE FROM items WHERE source = ? AND path = ?`, c.Source, path); err != nil {
				return err
			}
		}
		for _, item := range items {
			if err := item.write(tx, c.Source, now); err != nil {
				return err
			}
		}
		return nil
	})
}

func (i *Item) write(tx *disk.Tx, source int64, now time.Time) error {
	return tx.Exec(`INSERT OR REPLACE INTO items (source, path, state, size, modified, digest, recipe, records, count, reason, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		source, i.Path, string(i.State), i.Size, stamp(i.Modified), i.Digest, i.Recipe, joinIDs(i.Records), len(i.Records), i.Reason, stamp(now))
}

// shown is how much of a path or an id an error quotes, in bytes.
const shown = 100

// check refuses what cannot be kept, and cuts a reason that is too long.
func (i *Item) check() error {
	switch {
	case i.Path == "" || len(i.Path) > MaxPath:
		return fault.For(ReasonItem, "an item's path has %d bytes; it can have 1 to %d", len(i.Path), MaxPath)
	case !utf8.ValidString(i.Path):
		return fault.For(ReasonItem, "the path %q is not UTF-8; escape it", shortened(i.Path, shown))
	case i.State != Loading && i.State != Loaded && i.State != Failed:
		return fault.For(ReasonItem, "the item %q has the state %q; there are %s, %s and %s", shortened(i.Path, shown), shortened(string(i.State), shown), Loading, Loaded, Failed)
	case i.Size < 0:
		return fault.For(ReasonItem, "the item %q has %d bytes; 0 is the least", shortened(i.Path, shown), i.Size)
	case len(i.Digest) > maxDigest || len(i.Recipe) > maxDigest:
		return fault.For(ReasonItem, "the item %q has a digest of %d bytes and a recipe of %d; each can have %d", shortened(i.Path, shown), len(i.Digest), len(i.Recipe), maxDigest)
	case len(i.Records) > MaxRecords:
		return fault.For(ReasonItem, "the item %q has %d records; one can have %d", shortened(i.Path, shown), len(i.Records), MaxRecords)
	}
	for _, id := range i.Records {
		if id == "" || len(id) > maxRecordID || strings.ContainsRune(id, '\n') {
			return fault.For(ReasonItem, "the item %q has the record %q; ids have 1 to %d bytes, and no line break", shortened(i.Path, shown), shortened(id, shown), maxRecordID)
		}
	}
	i.Reason = shortened(i.Reason, MaxReason)
	return nil
}

// shortened cuts a text to at most n bytes, between characters.
func shortened(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// Items returns items of a source.
func (s *Store) Items(ctx context.Context, ix Index, source int64, l Look) (items []Item, err error) {
	if l.Limit < 1 || l.Limit > MaxPut {
		return nil, fault.For(ReasonItem, "the limit is %d; it can be 1 to %d", l.Limit, MaxPut)
	}
	err = s.db.View(ctx, func(tx *disk.Tx) error {
		if _, err := s.claimOf(tx, ix, source); err != nil {
			return err
		}
		columns := `path, state, size, modified, digest, recipe, reason, changed, count`
		if l.Records {
			columns += `, records`
		}
		return tx.Each(`SELECT `+columns+` FROM items WHERE source = ? AND path > ? AND path >= ? AND (? = '' OR path < ?) AND (? = '' OR state = ?) ORDER BY path LIMIT ?`, func(r *disk.Row) error {
			i := Item{
				Path: r.Text(0), State: State(r.Text(1)), Size: r.Int(2), Modified: moment(r.Int(3)), Digest: r.Text(4),
				Recipe: r.Text(5), Reason: r.Text(6), Changed: moment(r.Int(7)),
			}
			if l.Records {
				i.Records = splitIDs(r.Text(9))
			} else {
				i.Count = int(r.Int(8))
			}
			items = append(items, i)
			return nil
		}, source, l.After, l.From, l.Until, l.Until, string(l.State), string(l.State), l.Limit)
	})
	return items, err
}

// Ids are kept as lines.

func joinIDs(ids []string) string { return strings.Join(ids, "\n") }

func splitIDs(text string) []string {
	if text == "" {
		return nil
	}
	return slices.Collect(strings.SplitSeq(text, "\n"))
}
