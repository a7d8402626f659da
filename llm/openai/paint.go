package openai

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"nearside/llm/backend"
	"nearside/llm/chat"
)

// painting is a body for /images/generations. OpenAI itself knows the first five;
// the rest is understood by stable-diffusion servers, in one spelling or the other.
type painting struct {
	Model    string   `json:"model"`
	Prompt   string   `json:"prompt"`
	N        int      `json:"n"`
	Size     string   `json:"size,omitempty"`
	Format   string   `json:"response_format"`
	Negative string   `json:"negative_prompt,omitempty"`
	Steps    int      `json:"steps,omitempty"`
	Step     int      `json:"step,omitempty"` // LocalAI
	Guidance *float64 `json:"guidance_scale,omitempty"`
	Scale    *float64 `json:"cfg_scale,omitempty"`
	Seed     *int64   `json:"seed,omitempty"`
}

// Paint makes a picture. Beginning from another picture is not done: the API has no
// common form for it.
func (b *Backend) Paint(ctx context.Context, model string, q backend.Painting) (chat.Image, error) {
	m, err := b.find(ctx, model)
	if err != nil {
		return chat.Image{}, err
	}
	if len(q.Images) > 0 {
		return chat.Image{}, b.client.Error(model, backend.Unable, nil, "it is not asked to begin from a picture, because its API has no form for that")
	}
	body := painting{
		Model: m.ID, Prompt: q.Prompt, N: 1, Format: "b64_json", Negative: q.Negative,
		Steps: q.Steps, Step: q.Steps, Guidance: q.Guidance, Scale: q.Guidance, Seed: q.Seed,
	}
	if q.Width > 0 && q.Height > 0 {
		body.Size = fmt.Sprintf("%dx%d", q.Width, q.Height)
	}
	var reply struct {
		Data []struct {
			Base64 string `json:"b64_json"`
		} `json:"data"`
	}
	if err := b.client.Post(ctx, model, "images/generations", body, &reply); err != nil {
		return chat.Image{}, err
	}
	if len(reply.Data) == 0 || reply.Data[0].Base64 == "" {
		return chat.Image{}, b.client.Error(model, backend.Broken, nil, "its reply has no picture in base64")
	}
	picture, err := base64.StdEncoding.DecodeString(reply.Data[0].Base64)
	kind := http.DetectContentType(picture)
	if err != nil || !strings.HasPrefix(kind, "image/") {
		return chat.Image{}, b.client.Error(model, backend.Broken, nil, "its reply of %d bytes is no picture", len(reply.Data[0].Base64))
	}
	return chat.Image{Type: kind, Bytes: picture}, nil
}
