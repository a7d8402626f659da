package bert

import (
	"context"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"nearside/embed"
)

// Tokens of one forward pass. More amortize the reading of weights better;
// fewer keep a single text's wait short and spread small calls over the workers.
const (
	fullPass  = 256
	leastPass = 64
)

// Embed returns one embedding a text, in order. Texts are computed longest
// first, several in a pass, by workers that all calls share. When ctx ends the
// call returns its error after at most a layer of the pass at work.
func (e *Encoder) Embed(ctx context.Context, texts []string) ([]embed.Embedding, error) {
	read := make([]tokens, len(texts))
	err := e.share(ctx, len(texts), func(ctx context.Context, _ *workspace, i int) (err error) {
		read[i], err = e.tokenizer.encode(ctx, texts[i], e.window)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]embed.Embedding, len(texts))
	passes := e.passes(read)
	err = e.share(ctx, len(passes), func(ctx context.Context, w *workspace, i int) error {
		ids := make([][]int32, len(passes[i]))
		for j, text := range passes[i] {
			ids[j] = read[text].ids
		}
		vectors, err := e.model.forward(ctx, e.kernels, w, ids)
		for j, v := range vectors {
			t := read[passes[i][j]]
			out[passes[i][j]] = embed.Embedding{Values: v, Tokens: len(t.ids), Dropped: t.total - len(t.ids)}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// passes divides the texts, longest first, into forward passes.
func (e *Encoder) passes(read []tokens) (passes [][]int) {
	order := make([]int, len(read))
	total := 0
	for i, t := range read {
		order[i] = i
		total += len(t.ids)
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(read[b].ids) - len(read[a].ids) })
	room := min(max(total/cap(e.workers), leastPass), e.passTokens())
	first, filled := 0, 0
	for i, text := range order {
		if filled+len(read[text].ids) > room && i > first {
			passes = append(passes, order[first:i])
			first, filled = i, 0
		}
		filled += len(read[text].ids)
	}
	if first < len(order) {
		passes = append(passes, order[first:])
	}
	return passes
}

// passTokens is the most tokens of a pass.
func (e *Encoder) passTokens() int { return max(fullPass, e.window) }

// share runs do for 0 to n-1 on the encoder's workers, and returns the first
// error. A worker is held for one number at a time, so that a small call beside a large
// one waits for no more than a pass.
func (e *Encoder) share(ctx context.Context, n int, do func(ctx context.Context, w *workspace, i int) error) error {
	if n == 1 {
		return e.work(ctx, do, 0)
	}
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(n, cap(e.workers)) {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := e.work(ctx, do, i); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// work waits for a worker and has it do one piece.
func (e *Encoder) work(ctx context.Context, do func(ctx context.Context, w *workspace, i int) error, i int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case w := <-e.workers:
		if w == nil {
			w = newWorkspace(e.model.config, e.precision, e.passTokens(), e.window)
		}
		defer func() { e.workers <- w }()
		return do(ctx, w, i)
	}
}
