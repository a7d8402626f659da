package local

import (
	"context"

	"nearside/disk"
	"nearside/index"
)

// Walking returns options with which queries walk wherever a walk is possible.
func Walking(o GraphOptions) GraphOptions {
	o.prefer = byWalk
	return o
}

// Coding returns options with which queries scan codes wherever that is possible.
func Coding(o GraphOptions) GraphOptions {
	o.prefer = byCodes
	return o
}

// AuditAll asks the sampled queries of an index again, as an idle builder does one by one.
func AuditAll(ctx context.Context, x index.Index) {
	for {
		s, _ := call(ctx, x.(*handle), func(s *store) (*store, error) { return s, nil })
		c := s.builder.current.Load()
		if _, _, waiting := s.builder.recall.next(c); !waiting {
			return
		}
		rung := s.builder.progress.next()
		s.builder.note()
		<-rung
	}
}

// Nodes returns how many nodes the graph of an index has, and how many of them are dead.
func Nodes(ctx context.Context, x index.Index) (nodes, dead int) {
	s, _ := call(ctx, x.(*handle), func(s *store) (*store, error) { return s, nil })
	g := s.builder.current.Load().graph
	return g.Nodes() - g.Free(), g.Dead()
}

// Scale returns the scale of the codes of an index.
func Scale(ctx context.Context, x index.Index) float32 {
	s, _ := call(ctx, x.(*handle), func(s *store) (*store, error) { return s, nil })
	return s.builder.current.Load().graph.Codec().Scale
}

// HoldBuilders lets no builder of an engine work until resume is called.
func HoldBuilders(e *Engine) (resume func()) {
	release, err := e.buildTurn(context.Background())
	if err != nil {
		panic(err)
	}
	return release
}

// Purge does at once what the background does every half minute.
func Purge(ctx context.Context, x index.Index) error {
	_, err := call(ctx, x.(*handle), func(s *store) (struct{}, error) { return struct{}{}, s.purge(ctx) })
	return err
}

// Stored returns how many versions of records the index has on disk.
func Stored(ctx context.Context, x index.Index) (versions int, err error) {
	return call(ctx, x.(*handle), func(s *store) (n int, err error) {
		err = s.db.View(ctx, func(tx *disk.Tx) error {
			return tx.Each(`SELECT count(*) FROM records JOIN vectors USING (slot)`, func(r *disk.Row) error {
				n = int(r.Int(0))
				return nil
			})
		})
		return n, err
	})
}
