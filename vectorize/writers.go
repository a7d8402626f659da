package vectorize

import (
	"context"

	"nearside/fault"
	"nearside/index"
)

// write runs a mutation on the storage that is the index's while it runs: the one that was
// opened, or the twin that has taken its place since.
func (x *Index) write(ctx context.Context, mutate func(into *Index) (index.Mutation, error)) (index.Mutation, error) {
	for {
		if err := x.room.door.Acquire(ctx, 1); err != nil {
			return index.Mutation{}, fault.New(fault.Canceled, "the caller has gone").Because(err)
		}
		if !x.succeeded() {
			defer x.room.door.Release(1)
			return mutate(x)
		}
		x.room.door.Release(1)
		var err error
		if x, err = x.service.Open(ctx, x.Definition.Account, x.Definition.Name); err != nil {
			return index.Mutation{}, err
		}
	}
}

// succeeded reports whether a twin has taken the storage's place. One that was
// deleted, or replaced by a restore, says so by itself.
func (x *Index) succeeded() bool {
	now, err := x.service.catalog.Index(x.Definition.Account, x.Definition.Name)
	return err == nil && now.Number != x.Definition.Number && now.Origin == x.Definition.Origin
}

// takesVectorsOf refuses vectors that were made for an earlier storage of the index, by other weights.
func (x *Index) takesVectorsOf(opened *Index) error {
	now, then := x.Definition, opened.Definition
	if now.Number == then.Number || now.Fingerprint == then.Fingerprint && now.Dimensions == then.Dimensions {
		return nil
	}
	return &fault.Error{Kind: fault.Conflict, Reason: ReasonReembedded, Message: "index \"" + now.Name + "\" was re-embedded while the call waited: its vectors are of " +
		now.Model + " now, and those of the call were made for " + then.Model + "; nothing was written. Make them anew and send the call again"}
}

// HoldWriters waits for the writes under way on the storage that x opened, and holds back
// those that come, until release is called: they then go to the storage that is the index's.
func (s *Service) HoldWriters(ctx context.Context, x *Index) (release func(), err error) {
	if err := x.room.door.Acquire(ctx, everybody); err != nil {
		return nil, err
	}
	return func() { x.room.door.Release(everybody) }, nil
}
