package chat_test

import (
	"strings"
	"testing"

	"nearside/llm/chat"
)

// BenchmarkPiece is what a token costs between the backend and the client: the
// sieve, with everything that it can look for, and a frame.
func BenchmarkPiece(b *testing.B) {
	for _, dialect := range []string{"native", "completion", "responses"} {
		b.Run(dialect, func(b *testing.B) {
			s, w := chat.NewSieve(weather, requestID, true), writers[dialect](weather)
			buffer := w.Start(nil)
			b.ReportAllocs()
			for b.Loop() {
				p, err := s.Piece(chat.Piece{Content: " token"})
				if err != nil {
					b.Fatal(err)
				}
				buffer = w.Piece(buffer[:0], p)
			}
		})
	}
}

// BenchmarkParse reads a request of 20 messages, 10 KB together.
func BenchmarkParse(b *testing.B) {
	turn := `{"role":"user","content":"` + strings.Repeat("word ", 100) + `"}`
	body := []byte(`{"messages":[` + strings.Repeat(turn+",", 19) + turn + `],"max_tokens":256,"temperature":0.5,"stream":true}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := chat.ParseNative(body); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEstimate estimates 10 KB of English.
func BenchmarkEstimate(b *testing.B) {
	text := strings.Repeat("The quick brown fox. ", 500)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		chat.EstimateText(text)
	}
}
