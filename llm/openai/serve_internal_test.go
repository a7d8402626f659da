package openai

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"nearside/llm/chat"
)

// serve returns a backend whose server answers every chat with the body, and then
// hangs if that is wanted.
func serve(t *testing.T, contentType, body string, hang bool) *Backend {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", contentType)
		fmt.Fprint(w, body)
		if hang {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	}))
	t.Cleanup(server.Close)
	b, err := New(Options{Name: "mine", URL: server.URL})
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

// collect puts an answer into one line. After its first piece it calls seen.
func collect(ctx context.Context, b *Backend, seen func()) (string, error) {
	var a chat.Answer
	end, err := b.Chat(ctx, "m", &chat.Request{Prompt: "p"}, func(p chat.Piece) error {
		a.Add(p)
		defer seen()
		return nil
	})
	return fmt.Sprintf("%s|%s|%s|%v", a.Content, a.Reasoning, end.Reason, end.Counted), err
}

func answered(t *testing.T, contentType, body string) string {
	t.Helper()
	got, err := collect(t.Context(), serve(t, contentType, body, false), func() {})
	if err != nil {
		t.Error(err)
	}
	return got
}
