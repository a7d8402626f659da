package rag

import (
	"context"
	"errors"
	"time"

	"nearside/catalog"
	"nearside/fault"
	"nearside/index"
	"nearside/vectorize"
)

const (
	// comparedAtOnce is how many records are looked at together: what is held in memory of both storages.
	comparedAtOnce = 128
	// catchUpEvery is how often changes are looked for during the walk, which may take days: an
	// index forgets what was removed after some ten minutes (index.CursorLife).
	catchUpEvery = time.Minute
	// saveEvery is how often the place of the walk is written. What was done since is compared again after a crash.
	saveEvery = 2 * time.Second
)

// builder makes a twin the same as its index, but for the vectors.
type builder struct {
	service  *Service
	x        *vectorize.Index // the index, as it is opened now
	twin     catalog.Twin
	into     index.Index // the storage of the twin
	work     Work
	leaveOut bool // records without text

	done  Rebuilt
	saved time.Time
}

// run walks all records, catches up with what was written meanwhile, and swaps.
func (b *builder) run(ctx context.Context) error {
	if err := b.metadataIndexes(ctx); err != nil { // first, so that they know all records
		return err
	}
	for {
		err := b.walk(ctx)
		if err == nil {
			err = b.finish(ctx)
		}
		if !b.behind(err) {
			return err
		}
		if err := b.again(ctx); err != nil {
			return err
		}
	}
}

// again has all records compared once more: it is not known what was removed. What is right stays.
func (b *builder) again(ctx context.Context) error {
	x, err := b.service.indexes.Open(ctx, b.twin.Account, b.twin.Name)
	if err != nil {
		return err
	}
	info, err := x.Info(ctx, index.Read{})
	if err != nil {
		return err
	}
	b.x = x
	b.twin.Source, b.twin.Seen, b.twin.Walked, b.twin.Complete = x.Definition.Number, uint64(info.Mutation.Sequence), "", false
	return b.save(ctx)
}

// errReplaced says that the index has another storage than the one that is followed.
var errReplaced = errors.New("the index was restored")

// behind reports whether an error says that all records must be compared again: what was
// removed is forgotten, or the index was restored, and the storage that was followed is gone.
func (b *builder) behind(err error) bool {
	f := fault.As(err)
	switch {
	case errors.Is(err, errReplaced):
		return true
	case f == nil:
		return false
	case f.Kind == fault.Gone || f.Kind == fault.NotFound:
		now, gone := b.service.indexes.Describe(b.twin.Account, b.twin.Name)
		return gone == nil && now.Number != b.twin.Source
	}
	return f.Reason == index.ReasonForgotten
}

// walk compares all records in the order of their ids, from where an earlier run was.
func (b *builder) walk(ctx context.Context) error {
	caught := time.Now()
	for !b.twin.Complete {
		if err := ctx.Err(); err != nil {
			return err
		}
		ids, last, err := b.next(ctx)
		if err != nil {
			return err
		}
		if err := b.compare(ctx, ids); err != nil {
			return err
		}
		b.twin.Complete = last == ""
		b.twin.Walked = last
		if b.twin.Complete || time.Since(b.saved) > saveEvery {
			if err := b.save(ctx); err != nil {
				return err
			}
		}
		if time.Since(caught) > catchUpEvery {
			if _, err := b.catchUp(ctx); err != nil {
				return err
			}
			caught = time.Now()
		}
	}
	return nil
}

// next returns the ids that come next in the walk, those of either storage, and the last of them; "" = there are no more.
func (b *builder) next(ctx context.Context) (ids []index.VectorID, last string, err error) {
	after := index.VectorID(b.twin.Walked)
	ids, more, err := idsAfter(ctx, b.x.Index, b.x.Definition.Number, after, comparedAtOnce)
	if err != nil {
		return nil, "", err
	}
	if more {
		last = string(ids[len(ids)-1])
	}
	for more := true; more; { // what the twin has, and the index no longer
		var surplus []index.VectorID
		if surplus, more, err = idsAfter(ctx, b.into, b.twin.Number, after, comparedAtOnce); err != nil {
			return nil, "", err
		}
		for _, id := range surplus {
			if last != "" && string(id) > last {
				more = false
				break
			}
			ids, after = append(ids, id), id
		}
	}
	return unique(ids), last, nil
}

// idsAfter returns the ids that follow one in the newest state of a storage, at most most.
func idsAfter(ctx context.Context, x index.Index, n catalog.Number, after index.VectorID, most int) (ids []index.VectorID, more bool, err error) {
	cursor := ""
	if after != "" {
		info, err := x.Info(ctx, index.Read{})
		if err != nil {
			return nil, false, err
		}
		cursor = index.Cursor{Sequence: info.Mutation.Sequence, After: after, Expires: time.Now().Add(index.CursorLife)}.Encode(index.Number(n))
	}
	page, err := x.Select(ctx, index.Selection{}, cursor, most, index.Read{})
	return page.IDs, page.Next != "", err
}

// catchUp compares what was written or removed since the last time, and says how many records that were.
func (b *builder) catchUp(ctx context.Context) (int, error) {
	now, err := b.service.indexes.Describe(b.twin.Account, b.twin.Name)
	if err != nil {
		return 0, err
	}
	if now.Number != b.twin.Source {
		return 0, errReplaced
	}
	if err := b.metadataIndexes(ctx); err != nil {
		return 0, err
	}
	ids, upTo, err := b.x.Changed(ctx, index.Sequence(b.twin.Seen))
	if err != nil {
		return 0, err
	}
	for at := 0; at < len(ids); at += comparedAtOnce {
		if err := b.compare(ctx, ids[at:min(len(ids), at+comparedAtOnce)]); err != nil {
			return 0, err
		}
	}
	if index.Sequence(b.twin.Seen) == upTo {
		return 0, nil
	}
	b.twin.Seen = uint64(upTo)
	return len(ids), b.save(ctx)
}

// save writes how far the twin is.
func (b *builder) save(ctx context.Context) error {
	b.saved = time.Now()
	return b.service.indexes.SaveTwin(ctx, b.twin)
}

// metadataIndexes gives the twin those that the index has. They know all of its records,
// also those that are older than they are in the index.
func (b *builder) metadataIndexes(ctx context.Context) error {
	want, err := b.x.MetadataIndexes(ctx, index.Read{})
	if err != nil {
		return err
	}
	have, err := b.into.MetadataIndexes(ctx, index.Read{})
	if err != nil {
		return err
	}
	for _, m := range have {
		if !contains(want, m) {
			if _, err := b.into.DeleteMetadataIndex(ctx, m.Property); err != nil {
				return err
			}
		}
	}
	for _, m := range want {
		if !contains(have, m) {
			if _, err := b.into.CreateMetadataIndex(ctx, m, true); err != nil {
				return err
			}
		}
	}
	return nil
}
