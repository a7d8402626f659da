package wire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nearside/llm/backend"
	"nearside/llm/backend/wire"
	"nearside/llm/chat"
)

// client returns a client for a server that answers by handle.
func client(t *testing.T, handle http.HandlerFunc) *wire.Client {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	c, err := wire.New("mine", server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// offline returns a client that asks nobody.
func offline(t *testing.T) *wire.Client {
	t.Helper()
	c, err := wire.New("mine", "http://127.0.0.1:1", "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestErrorsAreToldByTheirWordsFirstAndThenByTheirStatus(t *testing.T) {
	tests := []struct {
		status int
		body   string
		kind   backend.Kind
	}{
		{404, `{"error":"model 'x' not found"}`, backend.Missing},
		{404, `{"error":"model \"x\" not found, try pulling it first"}`, backend.Missing},
		{404, `{"object":"error","message":"The model x does not exist.","type":"NotFoundError","code":404}`, backend.Missing},
		{404, `{"error":{"message":"no","code":"model_not_found"}}`, backend.Missing},
		{404, `{"detail":"Not Found"}`, backend.Unable},
		{404, "404 page not found\n", backend.Unable},
		{405, ``, backend.Unable},
		{501, ``, backend.Unable},
		{401, `{"error":"unauthorized"}`, backend.Unable},
		{403, ``, backend.Unable},
		{400, `{"error":"the input length exceeds the context length"}`, backend.Refused},
		{400, `{"error":"\"x\" does not support chat"}`, backend.Unable},
		{400, `{"error":"embedding contains NaN or Inf values"}`, backend.Broken},
		{400, `{"error":"do embedding request: Post \"http://127.0.0.1:1/embedding\": EOF"}`, backend.Broken},
		{400, `{"error":"top_k"}`, backend.Refused},
		{413, ``, backend.Refused},
		{422, ``, backend.Refused},
		{429, ``, backend.Busy},
		{503, `{"error":"server busy, please try again.  maximum pending requests exceeded"}`, backend.Busy},
		{503, `{"error":{"message":"Loading model"}}`, backend.Busy},
		{500, `{"error":"model requires more system memory (5 GiB) than is available"}`, backend.Unable},
		{500, `{"error":"failed to encode response: json: unsupported value: NaN"}`, backend.Broken},
		{500, `{"error":"model runner has unexpectedly stopped"}`, backend.Broken},
		{500, ``, backend.Broken},
		{502, ``, backend.Unreachable},
		{504, ``, backend.Slow},
		{408, ``, backend.Slow},
		{307, ``, backend.Broken},
	}
	for _, test := range tests {
		c := client(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(test.status)
			fmt.Fprint(w, test.body)
		})
		err := c.Post(t.Context(), "m", "/x", map[string]string{"prompt": "secret"}, new(any))
		var e *backend.Error
		if !errors.As(err, &e) || e.Kind != test.kind || e.Backend != "mine" || e.Model != "m" || e.Started {
			t.Errorf("%d %s: got %v", test.status, test.body, err)
		}
	}
}

func TestTheWordsOfABackendAreNotPassedOn(t *testing.T) {
	for _, status := range []int{400, 404, 429, 500, 503} {
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"error":"cannot read %x: %s"}`, status, strings.Trim(string(body), `"`))
		})
		if err := c.Post(t.Context(), "m", "/x", "my secret prompt", new(any)); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "x": 0, "999999": time.Hour,
		time.Now().Add(30 * time.Minute).UTC().Format(http.TimeFormat): 30 * time.Minute,
		"Mon, 02 Jan 2006 15:04:05 GMT":                                0,
	} {
		c := client(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(503)
		})
		var e *backend.Error
		if err := c.Get(t.Context(), "/x", new(any)); !errors.As(err, &e) || e.RetryAfter > want || e.RetryAfter < want-5*time.Second {
			t.Errorf("%q: %v", header, err)
		}
	}
}

func TestTextsOfErrorsAreFoundInEveryShape(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":"a"}`: `"a"`, `{"error":{"message":"a"}}`: `{"message":"a"}`, `{"message":"a"}`: `a`, `{"detail":"a"}`: `"a"`,
		`{"error":null,"message":"a"}`: `a`, `{"error":""}`: ``, `{}`: ``, `plain`: `plain`, `[1]`: `[1]`,
	} {
		if got := wire.ErrorText([]byte(body)); got != want {
			t.Errorf("%s: got %s", body, got)
		}
	}
}

func TestRepliesAndLinesHaveLimits(t *testing.T) {
	send := func(mb int, tail string) *wire.Client {
		return client(t, func(w http.ResponseWriter, _ *http.Request) {
			block := []byte(strings.Repeat(" ", 1<<20))
			for range mb {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
			fmt.Fprint(w, tail)
		})
	}
	for tail, ok := range map[string]bool{"": true, "7": false} {
		_, reply, err := send(wire.MaxReply>>20, tail).PostRaw(t.Context(), "m", "/x", 1)
		if ok && (err != nil || len(reply) != wire.MaxReply) || !ok && (err == nil || !strings.Contains(err.Error(), "its reply is longer than 64 MB")) {
			t.Errorf("a reply of the limit and %d: %d bytes, %v", len(tail), len(reply), err)
		}
	}
	for mb, ok := range map[int]bool{0: true, wire.MaxLine>>20 - 1: true, wire.MaxLine >> 20: false, 10: false} {
		lines, err := send(mb, "7\n8").Stream(t.Context(), "m", "/x", 1)
		if err != nil {
			t.Fatal(err)
		}
		line, err := lines.Next()
		if (err == nil) != ok || ok && len(line) != mb<<20+1 {
			t.Errorf("a line of %d MB: %d bytes, %v", mb, len(line), err)
		}
		if last, err := lines.Next(); ok && (err != nil || string(last) != "8") {
			t.Errorf("the last line, which does not end: %q, %v", last, err)
		}
		if _, err := lines.Next(); ok && err != io.EOF {
			t.Errorf("after the last line: %v", err)
		}
		lines.Close()
	}
}

func TestHugeHeadersAreNotRead(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) })
	var e *backend.Error
	if err := c.Get(t.Context(), "/x", new(any)); !errors.As(err, &e) || e.Kind != backend.Broken {
		t.Errorf("got %v", err)
	}
}

func TestManyWhoAskAtOnceAskOnceAndTheAnswerIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		c := wire.NewCached(offline(t), func(context.Context) (int64, error) {
			time.Sleep(time.Second)
			return asked.Add(1), nil
		})
		defer c.Close()
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				if n, err := c.Get(t.Context()); n != 1 || err != nil {
					t.Errorf("got %d, %v", n, err)
				}
			})
		}
		callers.Wait()
		time.Sleep(2 * time.Second)
		if n, _ := c.Get(t.Context()); n != 1 {
			t.Errorf("asked again after two seconds")
		}
		time.Sleep(2 * time.Second)
		if n, _ := c.Get(t.Context()); n != 2 {
			t.Errorf("kept for four seconds")
		}
		c.Forget()
		if n, _ := c.Get(t.Context()); n != 3 {
			t.Errorf("kept after Forget")
		}
	})
}

func TestACallerWhoGoesAwayEndsNobodyElsesQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := wire.NewCached(offline(t), func(ctx context.Context) (int, error) {
			select {
			case <-time.After(2 * time.Second):
				return 7, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		})
		defer c.Close()
		var callers sync.WaitGroup
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := c.Get(ctx); err != context.DeadlineExceeded {
				t.Errorf("the first: %v", err)
			}
		})
		synctest.Wait()
		callers.Go(func() {
			if n, err := c.Get(t.Context()); n != 7 || err != nil {
				t.Errorf("the second: %d, %v", n, err)
			}
		})
		callers.Wait()
	})
}

func TestAQuestionThatIsNotAnsweredIsSlowAndAFailureIsKeptShortly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := wire.NewCached(offline(t), func(ctx context.Context) (int, error) {
			asked++
			<-ctx.Done()
			return 0, ctx.Err()
		})
		defer c.Close()
		for range 2 {
			var e *backend.Error
			if _, err := c.Get(t.Context()); !errors.As(err, &e) || e.Kind != backend.Slow {
				t.Errorf("got %v", err)
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		time.Sleep(2 * time.Second)
		if _, _ = c.Get(t.Context()); asked != 2 {
			t.Errorf("a failure was kept for two seconds")
		}
	})
}

func TestATallyStaysSmallAndEstimatesAll(t *testing.T) {
	given := 0
	tally := wire.Tally{Client: offline(t), Yield: func(chat.Piece) error { given++; return nil }}
	piece := strings.Repeat("word ", 20)
	for range 1000 {
		if err := tally.Add(chat.Piece{Content: piece}); err != nil {
			t.Fatal(err)
		}
	}
	if err := tally.Add(chat.Piece{}); err != nil || given != 1000 {
		t.Errorf("%d pieces were given out, %v", given, err)
	}
	got, want := tally.Estimate(chat.Stopped).Usage.Completion, chat.EstimateText(strings.Repeat(piece, 1000))
	if got < want || got > want+want/100 {
		t.Errorf("estimated %d tokens, and all at once %d", got, want)
	}
}
