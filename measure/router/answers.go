package router

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Pace is how a model of Serve speaks.
type Pace struct {
	First   time.Duration // until the first piece
	Between time.Duration // until each of the others
	Pieces  int
}

// Model is the name of the one model of Serve.
const Model = "parrot"

// piece is what the model says, again and again.
const piece = " word"

// Serve answers calls of OpenAI's API on the listener until ctx ends.
func Serve(ctx context.Context, listener net.Listener, pace Pace) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"object": "list", "data": []any{map[string]any{"id": Model, "object": "model"}}})
	})
	mux.HandleFunc("POST /v1/chat/completions", pace.complete)
	return serve(ctx, listener, mux)
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	// NOTE: a client that has gone is told nothing.
	_ = json.NewEncoder(w).Encode(body)
}

// usage is what an answer took.
type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

// complete answers a chat completion, whole or as a stream.
func (p Pace) complete(w http.ResponseWriter, r *http.Request) {
	var q struct{ Stream bool }
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, `{"error":{"message":"the body is not JSON"}}`, http.StatusBadRequest)
		return
	}
	due := time.Now().Add(p.First) // each piece has a time of its own: a timer that is late delays no other
	used := usage{Prompt: 10, Completion: p.Pieces, Total: 10 + p.Pieces}
	if !q.Stream {
		if pause(r.Context(), time.Until(due.Add(time.Duration(p.Pieces-1)*p.Between))) {
			answer(w, map[string]any{"id": "c1", "object": "chat.completion", "model": Model, "usage": used, "choices": []any{map[string]any{
				"index": 0, "finish_reason": "stop", "message": map[string]any{"role": "assistant", "content": strings.Repeat(piece, p.Pieces)}}}})
		}
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	frame := func(format string, args ...any) {
		fmt.Fprintf(w, "data: "+format+"\n\n", args...)
		w.(http.Flusher).Flush()
	}
	const chunk = `{"id":"c1","object":"chat.completion.chunk","model":"` + Model + `","choices":[{"index":0,"delta":{%s},"finish_reason":%s}]}`
	for range p.Pieces {
		if !pause(r.Context(), time.Until(due)) {
			return
		}
		frame(chunk, `"content":"`+piece+`"`, "null")
		due = due.Add(p.Between)
	}
	frame(chunk, "", `"stop"`)
	frame(`{"id":"c1","object":"chat.completion.chunk","model":%q,"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}`, Model, used.Prompt, used.Completion, used.Total)
	frame("[DONE]")
}

// pause waits, and reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
