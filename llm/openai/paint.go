package openai

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"nearside/llm/backend"
	"nearside/llm/backend/wire"
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

// Paint makes a picture, from other pictures if there are any.
func (b *Backend) Paint(ctx context.Context, model string, q backend.Painting) (chat.Image, error) {
	m, err := b.find(ctx, model)
	if err != nil {
		return chat.Image{}, err
	}
	size := ""
	if q.Width > 0 && q.Height > 0 {
		size = fmt.Sprintf("%dx%d", q.Width, q.Height)
	}
	path := "images/generations"
	body, err := wire.JSON(painting{
		Model: m.ID, Prompt: q.Prompt, N: 1, Size: size, Format: "b64_json", Negative: q.Negative,
		Steps: q.Steps, Step: q.Steps, Guidance: q.Guidance, Scale: q.Guidance, Seed: q.Seed,
	})
	if len(q.Images) > 0 {
		path = "images/edits"
		body, err = editing(m.ID, size, q)
	}
	if err != nil {
		return chat.Image{}, b.client.Error(model, backend.Unable, err, "the request cannot be written")
	}
	var reply struct {
		Data []struct {
			Base64 string `json:"b64_json"`
		} `json:"data"`
	}
	if err := b.client.PostBody(ctx, model, path, body, &reply); err != nil {
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

// editing is the multipart body of /images/edits. OpenAI calls one picture image
// and several image[].
func editing(id, size string, q backend.Painting) (wire.Body, error) {
	var buffer bytes.Buffer
	w := multipart.NewWriter(&buffer)
	for _, f := range editingFields(id, size, q) {
		if f[1] == "" {
			continue
		}
		if err := w.WriteField(f[0], f[1]); err != nil {
			return wire.Body{}, err
		}
	}
	name := "image"
	if len(q.Images) > 1 {
		name = "image[]"
	}
	for _, image := range q.Images {
		if err := attach(w, name, image); err != nil {
			return wire.Body{}, err
		}
	}
	if q.Mask != nil {
		if err := attach(w, "mask", *q.Mask); err != nil {
			return wire.Body{}, err
		}
	}
	err := w.Close() // writes the end
	return wire.Body{Type: w.FormDataContentType(), Bytes: buffer.Bytes()}, err
}

// editingFields are the parts of the form that are no files. Those that OpenAI does
// not know are called as in painting.
func editingFields(id, size string, q backend.Painting) [][2]string {
	fields := [][2]string{{"model", id}, {"prompt", q.Prompt}, {"n", "1"}, {"size", size}, {"response_format", "b64_json"}, {"negative_prompt", q.Negative}}
	if q.Steps > 0 {
		fields = append(fields, [2]string{"steps", strconv.Itoa(q.Steps)})
	}
	if q.Seed != nil {
		fields = append(fields, [2]string{"seed", strconv.FormatInt(*q.Seed, 10)})
	}
	number := func(name string, value *float64) {
		if value != nil {
			fields = append(fields, [2]string{name, strconv.FormatFloat(*value, 'g', -1, 64)})
		}
	}
	number("guidance_scale", q.Guidance)
	number("strength", q.Strength)
	return fields
}

// attach writes a picture as a part of a form, with its type, which servers ask for.
func attach(w *multipart.Writer, name string, image chat.Image) error {
	head := textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name="%s"; filename="image.%s"`, name, strings.TrimPrefix(image.Type, "image/"))},
		"Content-Type":        {image.Type},
	}
	part, err := w.CreatePart(head)
	if err != nil {
		return err
	}
	_, err = part.Write(image.Bytes)
	return err
}
