package llm

import (
	"bytes"
	"context"
	"image"
	_ "image/gif"  // so that sizes can be read
	_ "image/jpeg" // so that sizes can be read
	_ "image/png"  // so that sizes can be read

	"nearside/llm/backend"
	"nearside/llm/chat"
	"nearside/llm/neuron"
)

// Sizes of pictures that nobody says, for their price.
const (
	usualSide = 1024 // of a picture that is made
	inputSide = 512  // of one that it begins from; what is larger is made smaller by such models
	mostSide  = 4096 // more than any model makes
)

// Paint makes a picture. It is paid by the size of what was made, and never for a
// larger one than was asked for.
func (r *Router) Paint(ctx context.Context, call Call, q backend.Painting) (made chat.Image, out Generated, err error) {
	f := r.fleet.Load()
	m, err := f.model(call.Model, TextToImage)
	if err != nil {
		return made, out, err
	}
	asked := neuron.Size{Width: q.Width, Height: q.Height}
	if q.Width <= 0 || q.Height <= 0 {
		asked = neuron.Size{Width: usualSide, Height: usualSide}
	}
	from := make([]neuron.Size, len(q.Images))
	for i, picture := range q.Images {
		from[i] = sizeOf(picture, neuron.Size{Width: inputSide, Height: inputSide})
	}
	out, err = perform(ctx, r, f, m, call, m.Tariff.Picture(asked, q.Steps, from...), func(ctx context.Context, can backend.Painter, by By) (neuron.Usage, error) {
		var err error
		if made, err = can.Paint(ctx, by.Served, q); err != nil {
			return nil, err
		}
		size := sizeOf(made, asked)
		if q.Width > 0 && q.Height > 0 && size.Width*size.Height > asked.Width*asked.Height {
			size = asked
		}
		return m.Tariff.Picture(size, q.Steps, from...), nil
	})
	return made, out, err
}

// sizeOf reads how large a picture is from its head; otherwise if that is not known.
func sizeOf(picture chat.Image, otherwise neuron.Size) neuron.Size {
	head, _, err := image.DecodeConfig(bytes.NewReader(picture.Bytes))
	if err != nil || head.Width <= 0 || head.Height <= 0 {
		return otherwise
	}
	return neuron.Size{Width: min(head.Width, mostSide), Height: min(head.Height, mostSide)}
}
