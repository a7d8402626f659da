package router

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"nearside/fault"
)

// Target is something that speaks OpenAI's API.
type Target struct {
	URL   string // with the /v1
	Model string
}

// caller asks targets over connections that are kept.
type caller struct{ http http.Client }

// newCaller returns a caller for so many calls at once.
func newCaller(concurrency int) *caller {
	return &caller{http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: concurrency, DisableCompression: true}}}
}

func (c *caller) close() { c.http.CloseIdleConnections() }

// times are those of one call, from before it was sent.
type times struct {
	whole time.Duration
	first time.Duration   // of a stream: until its first piece
	gaps  []time.Duration // of a stream: between its pieces
}

// ask makes one call and reads its reply whole.
func (c *caller) ask(ctx context.Context, t Target, stream bool) (times, error) {
	body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"Say ten words."}],"max_tokens":256,"stream":%t,"stream_options":{"include_usage":true}}`, t.Model, stream)
	if !stream {
		body = fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"Say ten words."}],"max_tokens":256}`, t.Model)
	}
	began := time.Now()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL+"/chat/completions", bytes.NewReader([]byte(body)))
	if err != nil {
		return times{}, err
	}
	q.Header.Set("Content-Type", "application/json")
	r, err := c.http.Do(q)
	if err != nil {
		return times{}, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(r.Body, 1000)) // what can be had of it
		return times{}, fault.New(fault.Unavailable, "%s answered %d: %s", t.URL, r.StatusCode, said)
	}
	if stream {
		return frames(r.Body, began)
	}
	_, err = io.Copy(io.Discard, r.Body)
	return times{whole: time.Since(began)}, err
}

// frames reads a stream to its end.
func frames(body io.Reader, began time.Time) (t times, err error) {
	var last time.Time
	done := false
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		line := lines.Bytes()
		switch {
		case bytes.Equal(line, []byte("data: [DONE]")):
			done = true
		case !bytes.Contains(line, []byte(`"content":"`)) || bytes.Contains(line, []byte(`"content":""`)):
		case last.IsZero():
			last = time.Now()
			t.first = last.Sub(began)
		default:
			now := time.Now()
			t.gaps = append(t.gaps, now.Sub(last))
			last = now
		}
	}
	t.whole = time.Since(began)
	if lines.Err() == nil && (!done || t.first == 0) {
		return t, fault.New(fault.Unavailable, "a stream ended before its end")
	}
	return t, lines.Err()
}
