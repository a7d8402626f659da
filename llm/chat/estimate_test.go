package chat_test

import (
	"strings"
	"testing"

	"nearside/llm/chat"
)

func TestEstimatesAreRatherTooHigh(t *testing.T) {
	// The counts are those of the vocabulary of GPT-4 (cl100k_base), as OpenAI's cookbook
	// and its documentation of tokens print them.
	for _, test := range []struct {
		text  string
		least int
	}{
		{"", 0},
		{"antidisestablishmentarianism", 6},
		{"2 + 2 = 4", 7},
		{"tiktoken is great!", 6},
		{"お誕生日おめでとう", 9},
	} {
		got := chat.EstimateText(test.text)
		if got < test.least || got > 3*test.least {
			t.Errorf("%q: %d tokens, want %d to %d", test.text, got, test.least, 3*test.least)
		}
	}
}

func TestEstimatesCountEverythingThatTheModelReads(t *testing.T) {
	base := &chat.Request{Messages: []chat.Message{{Role: chat.User, Content: "Hello"}}}
	least := chat.EstimateTokens(base)
	for name, q := range map[string]*chat.Request{
		"a message": {Messages: []chat.Message{base.Messages[0], {Role: chat.User}}},
		"a picture": {Messages: []chat.Message{{Role: chat.User, Content: "Hello", Images: make([]chat.Image, 1)}}},
		"a call":    {Messages: []chat.Message{{Role: chat.User, Content: "Hello", ToolCalls: make([]chat.ToolCall, 1)}}},
		"a tool":    {Messages: base.Messages, Tools: make([]chat.Tool, 1)},
		"a schema":  {Messages: base.Messages, Format: &chat.Format{Schema: []byte(`{"type":"object"}`)}},
	} {
		if got := chat.EstimateTokens(q); got <= least {
			t.Errorf("%s adds nothing: %d, without it %d", name, got, least)
		}
	}
	if got := chat.EstimateTokens(&chat.Request{Prompt: strings.Repeat("word ", 1000)}); got < 1000 {
		t.Errorf("a thousand words: %d tokens", got)
	}
	a := &chat.Answer{Content: "Hello", Reasoning: "Hm.", ToolCalls: []chat.ToolCall{{Name: "f"}}}
	if got := chat.EstimateAnswer(a); got <= chat.EstimateText("HelloHm.f") {
		t.Errorf("an answer: %d", got)
	}
}

func TestNoCharacterIsFreeAndNoneCostsMoreThanItsBytes(t *testing.T) {
	for _, r := range "a Zé\n7.Жאع漢かㅎ한हกა😀\u200d\u0000\U0010ffff\ufffd" {
		one, many := chat.EstimateText(string(r)), chat.EstimateText(strings.Repeat(string(r), 12))
		if one < 1 || many < 3 || many > 12*len(string(r)) {
			t.Errorf("%q: %d, twelve of them %d", r, one, many)
		}
	}
}
