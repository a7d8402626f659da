package llm

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"nearside/embed"
	"nearside/fault"
	"nearside/llm/backend"
	"nearside/llm/chat"
	"nearside/llm/neuron"
)

// Bounds of a ranking by a model that chats: beyond them it takes too long, or
// loses count.
const (
	maxListwise      = 30   // texts
	listwiseTokens   = 6000 // of all texts
	listwisePatience = 20 * time.Second
)

// Rank says how well each text answers a query, in order: the higher the better.
// A backend that ranks does it; else, for a few texts, a model that chats is asked
// to; else the built-in encoder's similarity of query and text is the score. What
// did it is named, and scores of one kind do not compare with those of another.
// Whatever fails on the way, the next one is tried: a ranking is better than none.
func (r *Router) Rank(ctx context.Context, call Call, query string, texts []string) ([]float64, Generated, error) {
	f := r.fleet.Load()
	m, err := f.model(call.Model, Classification)
	if err != nil {
		return nil, Generated{}, err
	}
	before := neuron.Micro(0) // of attempts that came to nothing
	for _, way := range []func(context.Context, *fleet, *Model, Call, string, []string) ([]float64, Generated, error){r.rankByRanker, r.rankInWords, r.rankBySimilarity} {
		scores, out, failure := way(call.context(ctx), f, m, call, query, texts)
		before += out.Neurons
		out.Neurons = before
		if failure == nil {
			return scores, out, nil
		}
		if err = failure; ctx.Err() != nil || call.DryRun || fault.Is(err, fault.Quota) {
			return nil, out, err
		}
	}
	return nil, Generated{Neurons: before}, err
}

// rankByRanker has a backend rank that was made for it.
func (r *Router) rankByRanker(ctx context.Context, f *fleet, m *Model, call Call, query string, texts []string) (scores []float64, out Generated, err error) {
	out.Neurons, err = r.charged(ctx, call, m, rankEstimate(query, texts), func() (neuron.Usage, error) {
		by, err := ask(ctx, f, m, func(can backend.Ranker, by By) (err error) {
			var tokens int
			scores, tokens, err = can.Rank(ctx, by.Served, query, texts)
			if err == nil && len(scores) != len(texts) {
				err = &backend.Error{Backend: string(by.Backend), Model: by.Served, Kind: backend.Broken, Message: fmt.Sprintf("it returned %d scores for %d texts", len(scores), len(texts))}
			}
			out.Usage.Prompt = tokens
			return err
		})
		out.By = by
		if err != nil {
			return nil, err
		}
		return neuron.Tokens(out.Usage.Prompt, 0, 0), nil
	})
	return scores, out, err
}

// rankEstimate is what a ranker reads: the query with each text.
func rankEstimate(query string, texts []string) neuron.Usage {
	return neuron.Tokens(chat.EstimateTexts(texts)+len(texts)*(chat.TextTokens+chat.EstimateText(query)), 0, 0)
}

// rankInWords asks a model that chats for a score of each text.
func (r *Router) rankInWords(ctx context.Context, _ *fleet, m *Model, call Call, query string, texts []string) ([]float64, Generated, error) {
	if len(texts) > maxListwise || chat.EstimateTexts(texts) > listwiseTokens {
		return nil, Generated{}, fault.New(fault.Unavailable, "%d texts are too many to be ranked by a model that chats", len(texts))
	}
	ctx, cancel := context.WithTimeout(ctx, listwisePatience)
	defer cancel()
	var list strings.Builder
	fmt.Fprintf(&list, "Query: %s\n", query)
	for i, text := range texts {
		fmt.Fprintf(&list, "\nText %d:\n%s\n", i, text)
	}
	q := instructed(fmt.Sprintf(`Say how well each of %d texts answers the query. Answer with a JSON object {"scores": [...]} that has one number for each text, in their order, from 0 (has nothing to do with it) to 1 (answers it fully).`, len(texts)), list.String())
	q.Format = &chat.Format{Schema: json.RawMessage(fmt.Sprintf(
		`{"type":"object","required":["scores"],"properties":{"scores":{"type":"array","minItems":%d,"maxItems":%d,"items":{"type":"number","minimum":0,"maximum":1}}}}`, len(texts), len(texts)))}
	q.MaxTokens = chat.DefaultMaxTokens
	answers, out, err := r.inWords(ctx, m, call, q)
	if err != nil {
		return nil, out, err
	}
	var said struct{ Scores []float64 }
	if err := json.Unmarshal([]byte(answers[0]), &said); err != nil {
		return nil, out, chat.Unmet(err)
	}
	return said.Scores, out, nil
}

// rankBySimilarity scores texts by how near their vectors are to the query's.
func (r *Router) rankBySimilarity(ctx context.Context, f *fleet, m *Model, call Call, query string, texts []string) (scores []float64, out Generated, err error) {
	encoder := f.bestEncoder()
	if encoder == nil {
		return nil, out, nothingHere(m, nil)
	}
	out.By = By{Model: m.ID, Served: encoder.Model(), Backend: Builtin, Route: Substitute}
	out.Warning = fmt.Sprintf("no reranker is here: the scores are how near the vectors of %s are", encoder.Model())
	all := append([]string{query}, texts...)
	out.Neurons, err = r.charged(ctx, call, m, neuron.Tokens(chat.EstimateTexts(all), 0, 0), func() (neuron.Usage, error) {
		vectors, err := encoder.Embed(ctx, all)
		if err != nil {
			return nil, fmt.Errorf("rank %d texts by %s: %w", len(texts), encoder.Model(), err)
		}
		for _, v := range vectors {
			out.Usage.Prompt += v.Tokens
		}
		for _, v := range vectors[1:] {
			scores = append(scores, Cosine(vectors[0].Values, v.Values))
		}
		return neuron.Tokens(out.Usage.Prompt, 0, 0), nil
	})
	return scores, out, err
}

// bestEncoder is the built-in encoder that knows most of meaning; nil if there is none.
func (f *fleet) bestEncoder() embed.Embedder {
	var best embed.Embedder
	for model, e := range f.builtin {
		if best == nil || model != embed.LexicalModel {
			best = e
		}
	}
	return best
}

// Cosine is the cosine of the angle between two vectors of one length; 0 if one is zero.
func Cosine(x, y []float32) float64 {
	dot, xx, yy := 0.0, 0.0, 0.0
	for i := range x {
		dot += float64(x[i]) * float64(y[i])
		xx += float64(x[i]) * float64(x[i])
		yy += float64(y[i]) * float64(y[i])
	}
	if xx == 0 || yy == 0 {
		return 0
	}
	return dot / math.Sqrt(xx*yy)
}
