package openai

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"

	"nearside/llm/backend"
	"nearside/llm/backend/wire"
	"nearside/llm/chat"
)

// batch is how many texts are sent at once. Some servers take no more.
const batch = 32

// Embed makes embeddings. A text that is longer than the model's context is refused.
func (b *Backend) Embed(ctx context.Context, model string, texts []string) (backend.Vectors, error) {
	m, err := b.find(ctx, model)
	if err != nil {
		return backend.Vectors{}, err
	}
	v := backend.Vectors{Counted: true, Fingerprint: b.fingerprint(m)}
	for some := range slices.Chunk(texts, batch) {
		if err := b.embed(ctx, model, m.ID, some, &v); err != nil {
			return backend.Vectors{}, err
		}
	}
	if err := wire.CheckVectors(b.client, model, v.Values, len(texts)); err != nil {
		return backend.Vectors{}, err
	}
	return v, nil
}

// embedding is one vector of a reply.
type embedding struct {
	Index  *int            `json:"index"`
	Values json.RawMessage `json:"embedding"` // numbers, or base64 of float32, little-endian
}

// embed adds the vectors of some texts.
func (b *Backend) embed(ctx context.Context, model, id string, texts []string, v *backend.Vectors) error {
	var reply struct {
		Data  []embedding `json:"data"`
		Usage *usage      `json:"usage"`
	}
	q := map[string]any{"model": id, "input": texts, "encoding_format": "float"}
	if err := b.client.Post(ctx, model, "embeddings", q, &reply); err != nil {
		return err
	}
	if len(reply.Data) != len(texts) {
		return b.client.Error(model, backend.Broken, nil, "it returned %d vectors for %d texts", len(reply.Data), len(texts))
	}
	vectors := make([][]float32, len(texts))
	for i, one := range reply.Data {
		at := i
		if one.Index != nil {
			at = *one.Index
		}
		if at < 0 || at >= len(texts) || vectors[at] != nil {
			return b.client.Error(model, backend.Broken, nil, "it returned a vector for text %d of %d twice, or for one that was not sent", at, len(texts))
		}
		var ok bool
		if vectors[at], ok = one.numbers(); !ok {
			return b.client.Error(model, backend.Broken, nil, "its vector %d is neither numbers nor base64 of numbers", at)
		}
	}
	v.Values = append(v.Values, vectors...)
	if reply.Usage != nil && wire.Believed(reply.Usage.Prompt) {
		v.Tokens += reply.Usage.Prompt
		return nil
	}
	v.Counted = false
	for _, text := range texts {
		v.Tokens += chat.EstimateText(text)
	}
	return nil
}

// numbers reads a vector. A null among them, which stands for NaN where a server
// is written in JavaScript, is no number.
func (e embedding) numbers() ([]float32, bool) {
	var values []float32
	if json.Unmarshal(e.Values, &values) == nil {
		return values, len(values) > 0 && !bytes.Contains(e.Values, []byte("null"))
	}
	var text string
	if json.Unmarshal(e.Values, &text) != nil {
		return nil, false
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) == 0 || len(raw)%4 != 0 {
		return nil, false
	}
	values = make([]float32, len(raw)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return values, true
}
