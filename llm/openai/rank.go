package openai

import (
	"context"
	"math"

	"nearside/llm/backend"
	"nearside/llm/backend/wire"
	"nearside/llm/chat"
)

// ranked is the reply of a reranker: Cohere's form, which vLLM, llama.cpp and LocalAI have.
type ranked struct {
	Results []struct {
		Index *int     `json:"index"`
		Score *float64 `json:"relevance_score"`
	} `json:"results"`
	Usage struct {
		Total  int `json:"total_tokens"`
		Prompt int `json:"prompt_tokens"`
	} `json:"usage"`
}

// Rank scores texts by a query. Whether scores lie between 0 and 1 is the server's affair.
func (b *Backend) Rank(ctx context.Context, model, query string, texts []string) (scores []float64, tokens int, err error) {
	m, err := b.find(ctx, model)
	if err != nil {
		return nil, 0, err
	}
	q := map[string]any{"model": m.ID, "query": query, "documents": texts, "top_n": len(texts)}
	var reply ranked
	err = b.client.Post(ctx, model, "rerank", q, &reply)
	if wire.NoPath(err) {
		reply = ranked{}
		err = b.client.Post(ctx, model, "../rerank", q, &reply) // beside /v1
	}
	if err != nil {
		return nil, 0, err
	}
	if scores, err = b.scores(model, reply, len(texts)); err != nil {
		return nil, 0, err
	}
	if tokens = max(reply.Usage.Total, reply.Usage.Prompt); !wire.Believed(tokens) {
		tokens = 0
		for _, text := range texts { // each is read together with the query
			tokens += chat.EstimateText(query) + chat.EstimateText(text)
		}
	}
	return scores, tokens, nil
}

// scores puts the scores of a reply into the order of the texts.
func (b *Backend) scores(model string, reply ranked, texts int) ([]float64, error) {
	scores, seen := make([]float64, texts), make([]bool, texts)
	if len(reply.Results) != texts {
		return nil, b.client.Error(model, backend.Broken, nil, "it returned %d scores for %d texts", len(reply.Results), texts)
	}
	for _, r := range reply.Results {
		if r.Index == nil || r.Score == nil || *r.Index < 0 || *r.Index >= texts || seen[*r.Index] {
			return nil, b.client.Error(model, backend.Broken, nil, "its scores are not one for each of %d texts", texts)
		}
		if math.IsNaN(*r.Score) || math.IsInf(*r.Score, 0) {
			return nil, b.client.Error(model, backend.Broken, nil, "it returned a score that is no number")
		}
		scores[*r.Index], seen[*r.Index] = *r.Score, true
	}
	return scores, nil
}
