package backend

import (
	"context"

	"nearside/llm/chat"
)

// List is the backend's.
func (g *Guard) List(ctx context.Context) (found []Found, err error) {
	err = g.ask(ctx, "", func(ctx context.Context) (err error) {
		found, err = g.backend.List(ctx)
		return err
	})
	return found, err
}

// Chat is the backend's, if it is a Chatter. Pieces with nothing in them are not given out.
func (g *Guard) Chat(ctx context.Context, model string, q *chat.Request, yield func(chat.Piece) error) (end chat.End, err error) {
	c, err := able[Chatter](g, model, "generate text")
	if err != nil {
		return end, err
	}
	err = g.call(ctx, model, func(ctx context.Context, w *watch) (err error) {
		end, err = c.Chat(ctx, model, q, func(p chat.Piece) error { return w.pass(p, yield) })
		return err
	})
	return end, err
}

// Embed is the backend's, if it is an Embedder.
func (g *Guard) Embed(ctx context.Context, model string, texts []string) (v Vectors, err error) {
	e, err := able[Embedder](g, model, "make embeddings")
	if err != nil {
		return v, err
	}
	err = g.call(ctx, model, func(ctx context.Context, _ *watch) (err error) {
		v, err = e.Embed(ctx, model, texts)
		return err
	})
	return v, err
}

// Fingerprint is the backend's, if it is an Embedder.
func (g *Guard) Fingerprint(ctx context.Context, model string) (fingerprint string, err error) {
	e, err := able[Embedder](g, model, "make embeddings")
	if err != nil {
		return "", err
	}
	err = g.ask(ctx, model, func(ctx context.Context) (err error) {
		fingerprint, err = e.Fingerprint(ctx, model)
		return err
	})
	return fingerprint, err
}

// Rank is the backend's, if it is a Ranker.
func (g *Guard) Rank(ctx context.Context, model, query string, texts []string) (scores []float64, tokens int, err error) {
	r, err := able[Ranker](g, model, "rank texts")
	if err != nil {
		return nil, 0, err
	}
	err = g.call(ctx, model, func(ctx context.Context, _ *watch) (err error) {
		scores, tokens, err = r.Rank(ctx, model, query, texts)
		return err
	})
	return scores, tokens, err
}

// Transcribe is the backend's, if it is a Transcriber.
func (g *Guard) Transcribe(ctx context.Context, model string, q Transcribing) (t Transcript, err error) {
	r, err := able[Transcriber](g, model, "write down speech")
	if err != nil {
		return t, err
	}
	err = g.call(ctx, model, func(ctx context.Context, _ *watch) (err error) {
		t, err = r.Transcribe(ctx, model, q)
		return err
	})
	return t, err
}

// Speak is the backend's, if it is a Speaker.
func (g *Guard) Speak(ctx context.Context, model string, q Speaking) (a Audio, err error) {
	s, err := able[Speaker](g, model, "speak")
	if err != nil {
		return a, err
	}
	err = g.call(ctx, model, func(ctx context.Context, _ *watch) (err error) {
		a, err = s.Speak(ctx, model, q)
		return err
	})
	return a, err
}

// Paint is the backend's, if it is a Painter.
func (g *Guard) Paint(ctx context.Context, model string, q Painting) (i chat.Image, err error) {
	p, err := able[Painter](g, model, "make pictures")
	if err != nil {
		return i, err
	}
	err = g.call(ctx, model, func(ctx context.Context, _ *watch) (err error) {
		i, err = p.Paint(ctx, model, q)
		return err
	})
	return i, err
}

// able returns the guarded backend as a T, or says that it cannot do that.
func able[T any](g *Guard, model, what string) (T, error) {
	t, can := As[T](g.backend)
	if !can {
		return t, g.fails(model, Unable, nil, "a backend of this kind does not %s", what)
	}
	return t, nil
}
