package command_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"nearside/llm/backend/backendtest"
)

func TestChatAnswersOneQuestionOrAConversation(t *testing.T) {
	server := backendtest.New(t)
	server.Add(backendtest.Model{Name: "llama3.2"})
	api := start(t, t.TempDir(), "--ollama", server.URL).ready()
	out, code := nearsideCode(t, t.Context(), "chat", "why", "is", "the", "sky", "blue", "--system", "be short", "--url", api.URL)
	if code != 0 || !strings.HasPrefix(out, "The sky is blue.\n") || !strings.Contains(out, "(llama3.2 by ollama, first; ") || !strings.Contains(out, "@nearside/auto picked") {
		t.Errorf("one question: %d, %q", code, out)
	}
	var said struct{ Answer, Backend string }
	if err := json.Unmarshal([]byte(nearside(t, t.Context(), "chat", "hello", "--json", "--url", api.URL)), &said); err != nil || said.Answer != "The sky is blue." || said.Backend != "ollama" {
		t.Errorf("as JSON: %+v, %v", said, err)
	}

	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "chat", "--url", api.URL)
	cmd.Stdin = strings.NewReader("first\n\nsecond\n")
	if answers, err := cmd.Output(); err != nil || string(answers) != "The sky is blue.\nThe sky is blue.\n" {
		t.Errorf("a conversation: %q, %v", answers, err)
	}
	asked := server.Asked("/api/chat")
	if last := string(asked[len(asked)-1]); !strings.Contains(last, "first") || !strings.Contains(last, "The sky is blue.") || !strings.Contains(last, "second") {
		t.Errorf("the second turn was sent without the first: %s", last)
	}

	server.Lie(backendtest.CloseMidway)
	if out, code := nearsideCode(t, t.Context(), "chat", "hello", "--url", api.URL); code != 1 || !strings.Contains(out, "broke off") {
		t.Errorf("an answer that breaks off: %d, %q", code, out)
	}
}
