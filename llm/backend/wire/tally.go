package wire

import (
	"errors"
	"strings"

	"nearside/llm/backend"
	"nearside/llm/chat"
)

// Tally gives out the pieces of an answer and estimates their tokens as they go by,
// for the case that the backend does not live to count them.
type Tally struct {
	Client    *Client
	Model     string
	Prompt    int // tokens of the input, estimated by chat.EstimateTokens
	MaxTokens int // of the answer; 0: no limit
	Yield     func(chat.Piece) error

	Started bool // a piece was given out
	Called  bool // a tool was called
	pieces  int
	tokens  int
	text    strings.Builder // what is not in tokens yet
}

// estimateBytes is how much text is estimated at a time, so that Tally stays small
// however long an answer becomes.
const estimateBytes = 4096

// tooMany reports whether there are more pieces than MaxTokens can make. A piece is
// one token or more; a model that thinks and then answers in JSON may be run twice.
func (t *Tally) tooMany() bool { return t.MaxTokens > 0 && t.pieces > 3*t.MaxTokens+64 }

// Add gives out a piece, unless nothing is in it. Its error is yield's, or says that
// the backend does not stop.
func (t *Tally) Add(p chat.Piece) error {
	if p.Content == "" && p.Reasoning == "" && len(p.ToolCalls) == 0 {
		return nil
	}
	if t.pieces++; t.tooMany() {
		return t.Client.Error(t.Model, backend.Broken, nil, "its answer goes on after %d tokens, and %d were the limit", t.pieces, t.MaxTokens)
	}
	t.Started = true
	t.Called = t.Called || len(p.ToolCalls) > 0
	t.text.WriteString(p.Reasoning)
	t.text.WriteString(p.Content)
	for _, call := range p.ToolCalls {
		t.tokens += chat.EstimateText(call.Name) + chat.EstimateText(string(call.Arguments))
	}
	if t.text.Len() >= estimateBytes {
		t.settle()
	}
	return t.Yield(p)
}

// Alive shows that the backend is at work on a piece that is not whole yet.
func (t *Tally) Alive() error { return t.Yield(chat.Piece{}) }

func (t *Tally) settle() {
	t.tokens += chat.EstimateText(t.text.String())
	t.text.Reset()
}

// maxTokens is the most that a backend can count and be believed. No context is near it.
const maxTokens = 100_000_000

// Believed reports whether a backend's count of tokens of some input can be true.
func Believed(tokens int) bool { return tokens > 0 && tokens <= maxTokens }

// Counted is the end of an answer whose tokens the backend counted. A count that
// cannot be is not taken, nor one of nothing: then the end is an estimate.
func (t *Tally) Counted(r chat.Reason, u chat.Usage) chat.End {
	if u.Prompt < 0 || u.Prompt > maxTokens || u.Completion < 0 || u.Completion > maxTokens || u.Prompt+u.Completion == 0 {
		return t.Estimate(r)
	}
	u.Cached = min(max(u.Cached, 0), u.Prompt)
	return chat.End{Reason: r, Usage: u, Counted: true}
}

// Estimate is the end of an answer that nobody counted.
func (t *Tally) Estimate(r chat.Reason) chat.End {
	t.settle()
	return chat.End{Reason: r, Usage: chat.Usage{Prompt: t.Prompt, Completion: t.tokens}}
}

// Fail is the end of an answer that failed: what was given out counts, and an error
// after it says that it was. Where nothing was given out nothing is counted.
func (t *Tally) Fail(err error) (chat.End, error) {
	var e *backend.Error
	if !errors.As(err, &e) || !t.Started {
		if !t.Started {
			return chat.End{}, err
		}
		return t.Estimate(""), err
	}
	told := *e
	told.Started = true
	if told.Kind == backend.Unreachable {
		told.Kind = backend.Broken // it was reached
	}
	return t.Estimate(""), &told
}
