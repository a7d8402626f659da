package backendtest

import (
	"context"
	"errors"
	"io"
	"testing"

	"nearside/llm/backend"
	"nearside/llm/chat"
)

// Opened returns b, which was opened without an error, and closes it when the test ends.
func Opened[B io.Closer](t testing.TB, b B, err error) B {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Hello is a short question that wants a short answer.
func Hello() *chat.Request {
	return &chat.Request{Messages: []chat.Message{{Role: chat.User, Content: "what colour is it"}}, MaxTokens: 20}
}

// Say asks a backend and collects the answer.
func Say(ctx context.Context, b backend.Chatter, model string, q *chat.Request) (chat.Answer, error) {
	var a chat.Answer
	end, err := b.Chat(ctx, model, q, func(p chat.Piece) error { a.Add(p); return nil })
	a.End = end
	return a, err
}

// KindOf is the kind of a backend's error; "" for others.
func KindOf(err error) backend.Kind {
	var e *backend.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}
