package backendtest_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"nearside/llm/backend/backendtest"
)

// post sends a body and returns the status and what came before the end, or the error.
func post(t *testing.T, url, body string) (status int, reply string, err error) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return r.StatusCode, string(b), err
}

const question = `{"model":"chat","stream":true,"messages":[{"role":"user","content":"one two"}]}`

func TestAnswersHaveTheShapesOfTheRealServers(t *testing.T) {
	s := backendtest.New(t)
	s.Answer(backendtest.Answer{Pieces: []string{"a", "b"}})
	_, reply, err := post(t, s.URL+"/api/chat", question)
	if lines := strings.Split(strings.TrimSpace(reply), "\n"); err != nil || len(lines) != 3 || !strings.Contains(lines[2], `"done":true`) || !strings.Contains(lines[2], `"prompt_eval_count":2`) {
		t.Errorf("ollama: %v %s", err, reply)
	}
	_, reply, err = post(t, s.URL+"/v1/chat/completions", question)
	if frames := strings.Split(strings.TrimSpace(reply), "\n\n"); err != nil || len(frames) != 4 || frames[3] != "data: [DONE]" || strings.Contains(reply, "prompt_tokens") {
		t.Errorf("openai: %v %s", err, reply)
	}
	status, reply, _ := post(t, s.URL+"/api/chat", `{"model":"absent"}`)
	if status != 404 || reply != `{"error":"model 'absent' not found"}` {
		t.Errorf("absent: %d %s", status, reply)
	}
}

func TestLiesAreTold(t *testing.T) {
	s := backendtest.New(t)
	for lie, want := range map[backendtest.Lie]struct {
		status int
		lines  int // whole ones
		cut    bool
	}{
		backendtest.Honest:            {200, 6, false},
		backendtest.CloseAfterHeaders: {200, 0, true},
		backendtest.CloseMidway:       {200, 2, true},
		backendtest.HalfFrame:         {200, 2, true},
		backendtest.NoLastFrame:       {200, 5, false},
		backendtest.ErrorFrame:        {200, 3, false},
		backendtest.LongLine:          {200, 6, false},
		backendtest.Status429:         {429, 0, false},
		backendtest.Status500:         {500, 0, false},
	} {
		s.LieTimes(lie, 1)
		status, reply, err := post(t, s.URL+"/api/chat", question)
		if status != want.status || strings.Count(reply, "\n") != want.lines || (err != nil) != want.cut {
			t.Errorf("%q: %d, %d lines, %v", lie, status, strings.Count(reply, "\n"), err)
		}
		if _, reply, err := post(t, s.URL+"/api/chat", question); err != nil || strings.Count(reply, "\n") != 6 {
			t.Errorf("%q goes on", lie)
		}
	}
}

func TestAServerComesBackAtItsAddress(t *testing.T) {
	s := backendtest.New(t)
	s.Down()
	s.Down()
	if _, _, err := post(t, s.URL+"/api/chat", question); err == nil {
		t.Error("it answers while it is down")
	}
	s.Up()
	if status, _, err := post(t, s.URL+"/api/chat", question); err != nil || status != 200 {
		t.Errorf("up again: %d, %v", status, err)
	}
	if asked := s.Asked("/api/chat"); len(asked) != 1 || !bytes.Equal(asked[0], []byte(question)) {
		t.Errorf("asked: %s", asked)
	}
}
