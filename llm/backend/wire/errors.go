package wire

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"nearside/llm/backend"
)

// phrase is a piece of a server's error by which we know what is wrong.
type phrase struct {
	has     string // in lower case
	kind    backend.Kind
	message string
}

// phrases are looked for in order. They come from the sources of Ollama 0.17,
// llama.cpp, vLLM and LocalAI, whose status codes alone do not tell: Ollama reports
// NaN and a dead runner as 400, as it does an input that is too long.
var phrases = []phrase{
	{"context length", backend.Refused, tooLong},
	{"context size", backend.Refused, tooLong},
	{"context window", backend.Refused, tooLong},
	{"maximum model length", backend.Refused, tooLong},
	{"too large to process", backend.Refused, tooLong},
	{"does not support", backend.Unable, "the model cannot do that"},
	{"not supported", backend.Unable, "the model, or the server, cannot do that"},
	{"missing data required for image input", backend.Unable, "the model reads no pictures"},
	{"image input is not", backend.Unable, "the model reads no pictures"},
	{"nan or inf", backend.Broken, "the model computed numbers that are none (NaN)"},
	{"unsupported value: nan", backend.Broken, "the model computed numbers that are none (NaN)"},
	{"unsupported value: +inf", backend.Broken, "the model computed numbers that are none (Inf)"},
	{"system memory", backend.Unable, "the model does not fit into its memory"},
	{"out of memory", backend.Unable, "the model does not fit into its memory"},
	{"maximum pending requests", backend.Busy, "its queue is full"},
	{"server busy", backend.Busy, "it has too much to do"},
	{"loading model", backend.Busy, "it is still loading the model"},
	{"unexpectedly stopped", backend.Broken, "the process that runs the model died; the server's log says why"},
	{"do embedding request", backend.Broken, "the process that runs the model died; the server's log says why"},
	{"error was encountered while running the model", backend.Broken, "the process that runs the model died; the server's log says why"},
	{"runner process has terminated", backend.Broken, "the process that runs the model died; the server's log says why"},
	{"try pulling it", backend.Missing, absent},
	{"does not exist", backend.Missing, absent},
	{"model_not_found", backend.Missing, absent},
	{"no such model", backend.Missing, absent},
	{"failed to load model", backend.Unable, "it cannot load the model; the server's log says why"},
	{"could not load model", backend.Unable, "it cannot load the model; the server's log says why"},
}

const (
	tooLong = "the input is longer than the model's context"
	absent  = "the server does not have the model"
)

// TooLong reports whether an error says that an input does not fit into the model's context.
func TooLong(err *backend.Error) bool { return err.Kind == backend.Refused && err.Message == tooLong }

// errNoPath is the cause of the error of a path that the server does not have.
var errNoPath = errors.New("no such path")

// NoPath reports whether an error says that the server lacks the path, and with it the task.
func NoPath(err error) bool { return errors.Is(err, errNoPath) }

// Reported returns the error that a server reported in the given words.
// The status is 0 if it came in the middle of a stream.
func (c *Client) Reported(model string, status int, words string) *backend.Error {
	words = strings.ToLower(words)
	for _, p := range phrases {
		if strings.Contains(words, p.has) {
			return c.Error(model, p.kind, nil, "%s", p.message)
		}
	}
	if status == http.StatusNotFound && strings.Contains(words, "model") {
		return c.Error(model, backend.Missing, nil, "%s", absent)
	}
	return c.byStatus(model, status)
}

func (c *Client) byStatus(model string, status int) *backend.Error {
	switch {
	case status == 0:
		return c.Error(model, backend.Broken, nil, "it reported an error in the middle of its answer; the server's log says which")
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusNotImplemented:
		return c.Error(model, backend.Unable, errNoPath, "%s has nothing at the path for this task (status %d)", c.Host(), status)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return c.Error(model, backend.Unable, nil, "%s wants another key than it was given (status %d); key_env of the backend in models.yaml names the variable that holds it", c.Host(), status)
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return c.Error(model, backend.Busy, nil, "it has too much to do (status %d)", status)
	case status == http.StatusRequestTimeout, status == http.StatusGatewayTimeout:
		return c.Error(model, backend.Slow, nil, "it gave up by itself (status %d)", status)
	case status == http.StatusBadGateway:
		return c.Error(model, backend.Unreachable, nil, "what stands before it does not reach it (status 502)")
	case status/100 == 4:
		return c.Error(model, backend.Refused, nil, "it does not accept the input (status %d); the server's log says why", status)
	case status/100 == 3:
		return c.Error(model, backend.Broken, nil, "it redirects (status %d), which is not followed; give the URL that it leads to", status)
	}
	return c.Error(model, backend.Broken, nil, "it failed (status %d); the server's log says why", status)
}

// refused is the error of a reply whose status is not good.
func (c *Client) refused(ctx context.Context, model string, reply *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(reply.Body, maxError))
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	e := c.Reported(model, reply.StatusCode, ErrorText(body))
	if e.Kind == backend.Busy {
		e.RetryAfter = retryAfter(reply.Header.Get("Retry-After"))
	}
	return e
}

// ErrorText finds the words of an error in its JSON, in any of the shapes that
// servers use: {"error": "…"}, {"error": {"message": "…"}}, {"message": "…"},
// {"detail": "…"}. A body of another form is its own text. "" means that the JSON
// reports no error.
func ErrorText(body []byte) string {
	var shape struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(body, &shape) != nil {
		return string(body)
	}
	for _, raw := range []json.RawMessage{shape.Error, shape.Detail} {
		if len(raw) > 0 && string(raw) != "null" && string(raw) != `""` {
			return string(raw)
		}
	}
	return shape.Message
}

// retryAfter reads seconds, or a date; 0 for what is neither, and at most an hour.
func retryAfter(header string) time.Duration {
	var after time.Duration
	if seconds, err := strconv.ParseInt(header, 10, 32); err == nil {
		after = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		after = time.Until(at)
	}
	return min(max(after, 0), time.Hour)
}
