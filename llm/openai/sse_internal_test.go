package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"nearside/llm/backend"
	"nearside/llm/backend/wire"
	"nearside/llm/chat"
)

// lineList is a lineReader over a text.
type lineList struct{ rest []byte }

func (l *lineList) Next() ([]byte, error) {
	if len(l.rest) == 0 {
		return nil, io.EOF
	}
	line, rest, _ := bytes.Cut(l.rest, []byte("\n"))
	l.rest = rest
	return bytes.TrimSuffix(line, []byte("\r")), nil
}

func testClient(t testing.TB) *wire.Client {
	t.Helper()
	c, err := wire.New("mine", "http://127.0.0.1:1", "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func readEvents(t testing.TB, text string) (list []string, err error) {
	t.Helper()
	e := newEvents(&lineList{[]byte(text)}, testClient(t), "m")
	for {
		data, err := e.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		list = append(list, string(data))
	}
}

func TestEventsAreReadAsTheStandardSays(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                    nil,
		"\n\n\n":                              nil,
		"data: a\n\ndata: b\n\n":              {"a", "b"},
		"data:a\n\n":                          {"a"},
		"data:  a \n\n":                       {" a "},
		"data: a\r\n\r\ndata: b\r\n\r\n":      {"a", "b"},
		"data: a\ndata: b\n\n":                {"a\nb"},
		"data\n\n":                            {""},
		"data\ndata\n\n":                      {"\n"},
		": a comment\n\n:\n\ndata: a\n\n":     {"a"},
		"event: x\nid: 7\nretry: 5\n\n":       nil,
		"event: x\ndata: a\nid: 7\n\n":        {"a"},
		"datax: a\n data: b\n\n":              nil,
		"\ufeffdata: a\n\n":                   {"a"},
		"data: a\n\n\ufeffdata: b\n\n":        {"a"},
		"data: a":                             {"a"},
		"data: {\"a\":\ndata:  1}\n\ndata: b": {"{\"a\":\n 1}", "b"},
	} {
		if got, err := readEvents(t, text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

func TestAnEventThatIsTooLongIsAnError(t *testing.T) {
	line := "data: " + strings.Repeat("x", wire.MaxLine/4) + "\n"
	if _, err := readEvents(t, strings.Repeat(line, 3)+"\n"); err != nil {
		t.Error(err)
	}
	var e *backend.Error
	if _, err := readEvents(t, strings.Repeat(line, 5)+"\n"); !errors.As(err, &e) || e.Kind != backend.Broken {
		t.Errorf("got %v", err)
	}
}

func FuzzEvents(f *testing.F) {
	for _, seed := range []string{"data: a\n\n", "data: a\r\ndata\r\n\r\n: c\n\ndata: b", "\ufeffdata:x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := readEvents(t, text)
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, data := range list {
			total += len(data)
		}
		if total > len(text) {
			t.Errorf("%d bytes of data from %d", total, len(text))
		}
	})
}

// FuzzAnswer proves that no stream of a server makes us panic or end without a reason.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"data: {\"choices\":[{\"delta\":{\"content\":\"c\",\"reasoning\":\"r\"}}]}\n\ndata: [DONE]\n\n",
		"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":-1,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":{}}}]},\"finish_reason\":\"tool_calls\"}]}\n\n",
		"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":3}}\n\n: x\ndata: {\"error\":{}}\n\n",
		"data: null\n\ndata: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n",
	} {
		f.Add(seed)
	}
	client := testClient(f)
	f.Fuzz(func(t *testing.T, stream string) {
		tally := &wire.Tally{Client: client, Yield: func(chat.Piece) error { return nil }}
		a := answer{backend: &Backend{client: client}, model: "m", tally: tally}
		err := a.stream(newEvents(&lineList{[]byte(stream)}, client, "m"))
		var e *backend.Error
		if err != nil && !errors.As(err, &e) || err == nil && a.reason == "" {
			t.Errorf("error %v, reason %q", err, a.reason)
		}
		if err := a.giveCalls(); err != nil {
			t.Error(err)
		}
		if end := a.end(); end.Usage.Prompt < 0 || end.Usage.Completion < 0 || end.Usage.Cached < 0 || end.Usage.Cached > end.Usage.Prompt {
			t.Errorf("counted %+v", end)
		}
	})
}

// part returns a part of a call; an index below 0 is left out.
func part(index int, id, name, arguments string) callDelta {
	d := callDelta{ID: id}
	if index >= 0 {
		d.Index = &index
	}
	d.Function.Name, d.Function.Arguments = name, json.RawMessage(arguments)
	return d
}

func TestPartsOfCallsAreJoinedInEverySpelling(t *testing.T) {
	for name, test := range map[string]struct {
		parts []callDelta
		want  string
	}{
		"by turns":             {[]callDelta{part(0, "a", "f", `""`), part(1, "b", "g", `"{"`), part(0, "", "", `"{}"`), part(1, "", "", `"}"`)}, "[{a f {}} {b g {}}]"},
		"without index":        {[]callDelta{part(-1, "a", "f", `"{"`), part(-1, "", "", `"}"`), part(-1, "b", "g", `"{}"`)}, "[{a f {}} {b g {}}]"},
		"the id repeated":      {[]callDelta{part(-1, "a", "f", `"{"`), part(-1, "a", "f", `"}"`)}, "[{a f {}}]"},
		"all with index 0":     {[]callDelta{part(0, "a", "f", `"{}"`), part(0, "b", "f", `"{}"`)}, "[{a f {}} {b f {}}]"},
		"an object":            {[]callDelta{part(0, "a", "f", `{"x":1}`)}, `[{a f {"x":1}}]`},
		"ends with nulls":      {[]callDelta{part(0, "a", "f", `"{}"`), part(0, "", "", `null`)}, "[{a f {}}]"},
		"no id":                {[]callDelta{part(0, "", "f", `"{"`), part(0, "", "", `"}"`)}, "[{ f {}}]"},
		"another id each time": {[]callDelta{part(0, "a", "f", `"{"`), part(0, "b", "", `"}"`)}, "[{a f {}}]"},
	} {
		var c calls
		for _, p := range test.parts {
			if !c.add(p) {
				t.Errorf("%s: refused", name)
			}
		}
		if got := fmt.Sprintf("%s", c.whole()); got != test.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestCallsHaveLimits(t *testing.T) {
	var c calls
	for i := range maxCalls {
		if !c.add(part(i, "", "f", `"{}"`)) {
			t.Fatalf("call %d was refused", i)
		}
	}
	if c.add(part(maxCalls, "", "f", `"{}"`)) {
		t.Error("one call too many was taken")
	}
	c = calls{}
	half := `"` + strings.Repeat("x", maxArguments/2) + `"`
	if !c.add(part(0, "a", "f", half)) || !c.add(part(0, "", "", half)) || c.add(part(0, "", "", `"x"`)) {
		t.Error("the limit of arguments does not hold")
	}
}

func TestChunksOfEveryServerAreRead(t *testing.T) {
	for name, test := range map[string]struct {
		stream []string
		want   string // content|reasoning|reason|counted
	}{
		"both names of reasoning": {[]string{`{"choices":[{"delta":{"reasoning":"r","reasoning_content":"r","content":null}}]}`, `{"choices":[{"delta":{},"finish_reason":"stop"}]}`}, "|r|stop|false"},
		"the other name":          {[]string{`{"choices":[{"delta":{"reasoning":"r"}}]}`, `{"choices":[{"delta":{},"finish_reason":"length"}]}`}, "|r|length|false"},
		"only [DONE]":             {[]string{`{"choices":[{"delta":{"content":"c"}}]}`, `[DONE]`}, "c||stop|false"},
		"model_length":            {[]string{`{"choices":[{"delta":{"content":"c"},"finish_reason":"model_length"}]}`, `[DONE]`}, "c||length|false"},
		"another choice":          {[]string{`{"choices":[{"index":1,"delta":{"content":"d"}},{"index":0,"delta":{"content":"c"},"finish_reason":"stop"}]}`}, "c||stop|false"},
		"usage beside":            {[]string{`{"choices":[{"delta":{"content":"c"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`}, "c||stop|true"},
		"usage that cannot be":    {[]string{`{"choices":[{"delta":{"content":"c"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9000000000000000000,"completion_tokens":1}}`}, "c||stop|false"},
		"usage of nothing":        {[]string{`{"choices":[{"delta":{"content":"c"},"finish_reason":"stop"}],"usage":{}}`}, "c||stop|false"},
		"error is null":           {[]string{`{"error":null,"choices":[{"delta":{"content":"c"},"finish_reason":"stop"}]}`}, "c||stop|false"},
		"no choices":              {[]string{`{"choices":null}`, `{}`, `{"choices":[{"delta":{},"finish_reason":"stop"}]}`}, "||stop|false"},
	} {
		if got := answered(t, "text/event-stream", "data: "+strings.Join(test.stream, "\n\ndata: ")+"\n\n"); got != test.want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

func TestAReplyInOnePieceIsAnAnswerToo(t *testing.T) {
	body := `{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"c"},"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":3}}`
	if got := answered(t, "application/json", body); got != "c||stop|true" {
		t.Errorf("got %s", got)
	}
}

func TestAnEndlessWaitAfterTheReasonTakesNothingFromTheAnswer(t *testing.T) {
	b := serve(t, "text/event-stream", "data: {\"choices\":[{\"delta\":{\"content\":\"c\"},\"finish_reason\":\"stop\"}]}\n\n", true)
	ctx, cancel := context.WithCancel(t.Context())
	got, err := collect(ctx, b, cancel)
	if err != nil || got != "c||stop|false" {
		t.Errorf("got %s, %v", got, err)
	}
}
