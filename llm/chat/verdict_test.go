package chat_test

import (
	"testing"

	"nearside/llm/chat"
)

func TestAVerdictIsReadFromTheWordsOfItsModel(t *testing.T) {
	for words, want := range map[string]string{
		"safe":               `{"safe":true,"categories":[]}`,
		"\n\nsafe\n":         `{"safe":true,"categories":[]}`,
		"unsafe\nS1":         `{"safe":false,"categories":["S1"]}`,
		"\nunsafe\nS1,S2\n":  `{"safe":false,"categories":["S1","S2"]}`,
		"unsafe\nS1, S14":    `{"safe":false,"categories":["S1","S14"]}`,
		"unsafe\nO3":         `{"safe":false,"categories":["O3"]}`, // the first llama-guard's names
		"unsafe":             `{"safe":false,"categories":[]}`,
		"":                   "",
		"It is safe.":        "",
		"safe\nS1":           "",
		"unsafe\nbecause S1": "",
		"{\"safe\":true}":    "",
	} {
		got, err := chat.Verdict(words)
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %s, %v; want %s", words, got, err, want)
		}
	}
}
