package local

import (
	"context"
	"time"

	"nearside/index"
	"nearside/index/local/quant"
)

// Upkeep is what the builder does when nothing waits: it repairs the graph around
// nodes that were killed, asks queries of late again, and watches whether the codec
// still fits. It does so in small steps, and rests after each for as long as keeps it
// within GraphOptions.Share of a core.

const (
	// repairFrom is the number of killed nodes, and repairShare the part of all, from which a repair pays.
	repairFrom, repairShare = 64, 20
	// urgentShare is the part of killed nodes from which a repair does not rest: walks
	// pass through as many nodes again as they look for.
	urgentShare = 3
	// repairSharply is the part of a core that repairs may take otherwise: they save what they cost.
	repairSharply = .25
	// repairStep is how many nodes one step links anew: some milliseconds' work.
	repairStep = 16
	// restless is how long an idle builder rests if there is nothing to be done: until it is woken.
	restless = time.Hour
)

// idle does a step of upkeep, and returns for how long to rest.
func (b *builder) idle(ctx context.Context) time.Duration {
	c := b.current.Load()
	if c == nil {
		return restless
	}
	if left := time.Until(b.rested); left > 0 {
		return left
	}
	began, budget := time.Now(), b.store.options.Graph.Share
	done := b.repair(c)
	switch {
	case done && b.urgent(c):
		return 0
	case done:
		budget = max(budget, repairSharply)
	default:
		var err error
		if done, err = b.audit(ctx, c); err != nil && ctx.Err() == nil {
			b.store.noteDamage(err)
		}
	}
	if !done {
		return restless
	}
	took := time.Since(began)
	b.rested = began.Add(time.Duration(float64(took) / budget))
	return time.Until(b.rested)
}

// urgent reports whether repairs must not rest: because half of what walks see is dead,
// or because somebody waits for them.
func (b *builder) urgent(c *cover) bool {
	return c.graph.Dead() > c.graph.Nodes()/urgentShare || b.settling.Load() > 0
}

// due reports whether the graph is being repaired, or should be.
func (b *builder) due(c *cover) bool {
	return b.mending != nil || c.graph.Dead() >= max(repairFrom, c.graph.Nodes()/repairShare)
}

// repair does a step of a repair, if one is due.
func (b *builder) repair(c *cover) bool {
	if !b.due(c) {
		return false
	}
	if b.mending == nil {
		b.mending = c.graph.Repair()
	}
	if b.mending.Step(&b.workers()[0].Inserter, repairStep) {
		b.store.options.Log.Debug("a graph was repaired", "index", b.store.number, "counts", b.mending.Counts())
		b.mending = nil
	}
	return true
}

// The codec is looked at each time the graph has doubled, or as many slots were
// inserted again, and the graph is built anew with another one if vectors have come to
// lose twice as much as those that it was trained on, or as they would have to.
const (
	gaugedOn   = 1024
	worstLoss  = 2
	worstWaste = 2
)

// gauge begins to build the graph anew if the codec does not fit any more.
func (b *builder) gauge(ctx context.Context, c *cover) error {
	if b.next != nil {
		return nil
	}
	s := b.store
	v := s.views.pinNewest()
	defer v.unpin()
	if v.count == 0 {
		return nil
	}
	codec := c.graph.Codec()
	fit, err := s.fit(ctx, v, &codec)
	if err != nil || fit.Loss < worstLoss && fit.Waste < worstWaste {
		return err
	}
	s.options.Log.Info("the vectors of an index have changed; its graph is built anew beside the one in use", "index", s.number, "loss", fit.Loss, "waste", fit.Waste)
	b.next, err = b.begin(ctx, v)
	return err
}

// fit says how well a codec fits the vectors that a view shows.
func (s *store) fit(ctx context.Context, v *view, codec *quant.Codec) (quant.Fit, error) {
	var seen quant.Gauge
	code := make([]byte, codec.Stride())
	var vector []float32
	n := min(v.count, gaugedOn)
	for i := range n {
		at, err := v.alive.Select(uint32(i * v.count / n))
		if err != nil {
			break
		}
		if vector, err = s.vector(ctx, at, vector); err != nil {
			return quant.Fit{}, err
		}
		_, loss := codec.Encode(vector, code)
		seen.Add(codec, code, loss)
	}
	return seen.Fit(codec), nil
}

// promote has queries use the graph that was built anew.
func (b *builder) promote(old *cover) {
	b.retired = append(b.retired, old)
	b.current.Store(b.next)
	b.next, b.mending = nil, nil
}

// graph describes the graph for whoever asks, as of a view.
func (s *store) graph(v *view) (g index.Graph) {
	if s.builder == nil {
		return g
	}
	c := s.builder.pin()
	if c == nil {
		g.Building = v.count >= s.options.Graph.From
		if g.Building {
			g.Tail = v.count
		}
		return g
	}
	defer c.unpin()
	g = index.Graph{Covered: c.graph.Living(), Tail: c.tail(v), Bytes: c.graph.SizeBytes()}
	g.Building = g.Tail > buildBatch
	if found := s.builder.recall.state.Load(); found != nil {
		g.Recall = *found
	} else {
		g.Recall.EF = s.builder.recall.ef()
	}
	return g
}
