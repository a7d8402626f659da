package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/jpeg"
	_ "image/png" // what is painted is PNG as a rule
	"slices"

	"nearside/llm"
	"nearside/llm/backend"
	"nearside/llm/chat"
	"nearside/llm/neuron"
)

// runPainting makes a picture, and answers in the form of the model: with its
// bytes, or with base64 in JSON.
func runPainting(ctx context.Context, s *Server, r run) (outcome, error) {
	q, err := r.painting()
	if err != nil {
		return outcome{}, err
	}
	made, how, err := s.parts.Models.Paint(ctx, r.call, q)
	if err != nil {
		return failed(how, err)
	}
	switch r.model.Input {
	case llm.Flux1Shape, llm.Flux2Shape, llm.LucidShape:
		return asJSON(how, struct {
			Image string `json:"image"`
		}{base64.StdEncoding.EncodeToString(made.Bytes)})
	case llm.PhoenixShape:
		made = asJPEG(made)
	}
	return outcome{made: how, kind: made.Type, result: made.Bytes}, nil
}

// canvas is what a model does when it is not told.
type canvas struct{ side, steps int }

// canvases are those of the models by their input. Where it has no side, the
// backend's own holds; flux-1 takes none from callers. The steps of flux-2 are those
// of klein, which was made for four; dev, which is paid by them, takes devSteps.
var canvases = map[llm.Shape]canvas{
	llm.DiffusionShape: {0, 20},
	llm.Flux1Shape:     {1024, 4},
	llm.Flux2Shape:     {1024, 4},
	llm.LucidShape:     {1120, 20},
	llm.PhoenixShape:   {1024, 25},
}

// devSteps are the steps of flux-2-dev in Cloudflare's example
// (developers.cloudflare.com/workers-ai/models/flux-2-dev).
const devSteps = 25

// paidBySteps reports whether each step of a picture has a price of its own.
func paidBySteps(m *llm.Model) bool {
	return slices.ContainsFunc(m.Prices, func(p neuron.Price) bool { return p.Unit == neuron.OutputTileSteps })
}

// painting reads what is to be painted.
func (r run) painting() (q backend.Painting, err error) {
	if r.model.Input == llm.Flux2Shape {
		q, err = r.paintingForm()
	} else {
		q, err = r.paintingJSON()
	}
	usual := canvases[r.model.Input]
	if paidBySteps(r.model) {
		usual.steps = devSteps
	}
	if q.Width > 0 || q.Height > 0 {
		usual.side = cmp.Or(usual.side, 1024)
	}
	q.Width, q.Height, q.Steps = cmp.Or(q.Width, usual.side), cmp.Or(q.Height, usual.side), cmp.Or(q.Steps, usual.steps)
	return q, err
}

// paintingJSON reads the JSON input of all models but flux-2.
func (r run) paintingJSON() (backend.Painting, error) {
	var input struct {
		Prompt   string          `json:"prompt"`
		Negative string          `json:"negative_prompt"`
		Width    int             `json:"width"`
		Height   int             `json:"height"`
		Steps    int             `json:"steps"`
		NumSteps int             `json:"num_steps"`
		Guidance *float64        `json:"guidance"`
		Strength *float64        `json:"strength"`
		Seed     *int64          `json:"seed"`
		Image    json.RawMessage `json:"image"`
		Base64   json.RawMessage `json:"image_b64"`
		Mask     json.RawMessage `json:"mask"`
	}
	if err := r.input(&input); err != nil {
		return backend.Painting{}, err
	}
	q := backend.Painting{
		Prompt: input.Prompt, Negative: input.Negative, Width: input.Width, Height: input.Height,
		Steps: cmp.Or(input.Steps, input.NumSteps), Guidance: input.Guidance, Seed: input.Seed,
	}
	from, err := pictures(option{"image", input.Image}, option{"image_b64", input.Base64})
	if err != nil || len(from) == 0 {
		return q, err // a mask and a strength say nothing without a picture
	}
	q.Images, q.Strength = from[:1], input.Strength
	mask, err := pictures(option{"mask", input.Mask})
	if len(mask) > 0 {
		q.Mask = &mask[0]
	}
	return q, err
}

// pictures reads those of the inputs that are there.
func pictures(inputs ...option) ([]chat.Image, error) {
	var list []chat.Image
	for _, in := range inputs {
		if in.value == nil || string(in.value) == "null" {
			continue
		}
		picture, err := llm.Picture("/"+in.name, in.value)
		if err != nil {
			return nil, err
		}
		list = append(list, picture)
	}
	return list, nil
}

// mostPixels is the largest picture that is written anew: 64 MB in memory.
const mostPixels = 16 << 20

// asJPEG writes a picture as JPEG. One that cannot be read stays what it is.
func asJPEG(picture chat.Image) chat.Image {
	head, format, err := image.DecodeConfig(bytes.NewReader(picture.Bytes))
	if err != nil || format == "jpeg" || head.Width*head.Height > mostPixels {
		return picture
	}
	pixels, _, err := image.Decode(bytes.NewReader(picture.Bytes))
	if err != nil {
		return picture
	}
	const quality = 90 // of 100
	var out bytes.Buffer
	if err := jpeg.Encode(&out, pixels, &jpeg.Options{Quality: quality}); err != nil {
		return picture
	}
	return chat.Image{Type: "image/jpeg", Bytes: out.Bytes()}
}
