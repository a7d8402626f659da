package backendtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
	"strings"
)

// Lie is a way to misbehave.
type Lie string

// The lies. Those about frames concern streams; the others concern any call of a model.
const (
	Honest            Lie = ""
	SlowHeaders       Lie = "slow headers"        // not even the headers come
	StallFirst        Lie = "stall first"         // the headers come, then nothing
	StallMidway       Lie = "stall midway"        // two frames come, then nothing
	CloseAfterHeaders Lie = "close after headers" // the headers come, then the end of the connection
	CloseMidway       Lie = "close midway"        // two frames come, then the end of the connection
	HalfFrame         Lie = "half frame"          // two and a half frames come, then the end of the connection
	NoLastFrame       Lie = "no last frame"       // a stream ends well, but without the frame that says so
	NoUsage           Lie = "no usage"            // tokens, or seconds of sound, are not counted
	LongLine          Lie = "long line"           // a line of 10 MB comes
	Endless           Lie = "endless"             // the same piece comes for ever
	Garbage           Lie = "garbage"             // what comes is not JSON
	ErrorFrame        Lie = "error frame"         // two frames come, then one that reports an error
	Status400         Lie = "400"                 // the input is refused
	Status429         Lie = "429"                 // too many requests, with Retry-After: 7
	Status500         Lie = "500"
	Status503         Lie = "503"
	NaN               Lie = "NaN"              // embeddings have NaN in them, as far as JSON can say it; Ollama's way is an error
	WrongDimensions   Lie = "wrong dimensions" // the last vector is one number short
	FewVectors        Lie = "few vectors"      // the last vector, or score, is missing
	NoTimes           Lie = "no times"         // speech is written down without segments, words and duration
	Empty             Lie = "empty"            // a sound or a picture has no bytes, a transcript no words
	WrongType         Lie = "wrong type"       // a page for a sound, a sound for a picture, a number for a text
)

// LongLineBytes is the length of the line of LongLine.
const LongLineBytes = 10 << 20

// call is a request under way.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	body   []byte
	server *Server
	gone   chan struct{}
	lie    Lie
	frames int // written
}

// hang waits until the client, or the server, is gone.
func (c *call) hang() {
	c.flush()
	select {
	case <-c.r.Context().Done():
	case <-c.gone:
	}
	panic(http.ErrAbortHandler)
}

func (c *call) flush() {
	if f, ok := c.w.(http.Flusher); ok {
		f.Flush()
	}
}

// cut ends the connection.
func (c *call) cut() {
	c.flush()
	panic(http.ErrAbortHandler)
}

// decode reads the body into q, or refuses it.
func (c *call) decode(q any) bool {
	err := json.Unmarshal(c.body, q)
	if err != nil {
		c.fail(http.StatusBadRequest, err.Error())
	}
	return err == nil
}

// begin reads the body into q and lies, if a lie comes before any answer.
// It reports whether the call is still to be answered.
func (c *call) begin(q any) bool {
	if q != nil && !c.decode(q) {
		return false
	}
	c.lie = c.server.nextLie()
	switch c.lie {
	case SlowHeaders:
		select {
		case <-c.r.Context().Done():
		case <-c.gone:
		}
		panic(http.ErrAbortHandler)
	case Status400, Status429, Status500, Status503:
		if c.lie == Status429 {
			c.w.Header().Set("Retry-After", "7")
		}
		var status int
		fmt.Sscan(string(c.lie), &status)
		c.fail(status, "the test wants it so")
		return false
	}
	return true
}

// missing answers for a model that is not here.
func (c *call) missing(model string) {
	c.fail(http.StatusNotFound, fmt.Sprintf("model '%s' not found", model))
}

// fail answers with an error in the dialect of the path.
func (c *call) fail(status int, message string) {
	var body any = map[string]any{"error": map[string]any{"message": message, "type": "invalid_request_error", "code": status}}
	if strings.HasPrefix(c.r.URL.Path, "/api/") {
		body = map[string]any{"error": message}
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	c.write(encode(body))
}

// reply answers in one piece.
func (c *call) reply(contentType string, body []byte) {
	c.w.Header().Set("Content-Type", contentType)
	c.w.WriteHeader(http.StatusOK)
	switch c.lie {
	case StallFirst, StallMidway:
		c.hang()
	case CloseAfterHeaders:
		c.cut()
	case CloseMidway, HalfFrame:
		c.write(body[:len(body)/2])
		c.cut()
	case Garbage:
		body = []byte("<html>" + strings.Repeat("x", 100))
	case LongLine:
		body = bytes.Repeat([]byte(" "), LongLineBytes)
	case Endless:
		for {
			c.write(bytes.Repeat([]byte(" "), 1<<16))
		}
	}
	c.write(body)
}

// frame writes a frame of a stream.
func (c *call) frame(frame []byte) {
	switch {
	case c.frames == 0 && c.lie == StallFirst, c.frames == 2 && c.lie == StallMidway:
		c.hang()
	case c.frames == 0 && c.lie == CloseAfterHeaders, c.frames == 2 && c.lie == CloseMidway:
		c.cut()
	case c.frames == 2 && c.lie == HalfFrame:
		c.write(frame[:len(frame)/2])
		c.cut()
	case c.frames == 2 && c.lie == LongLine:
		frame = append(bytes.Repeat([]byte("x"), LongLineBytes), frame...)
	case c.frames == 2 && c.lie == Garbage:
		frame = bytes.ReplaceAll(frame, []byte("{"), []byte("<"))
	}
	c.frames++
	c.write(frame)
	c.flush()
}

func (c *call) write(b []byte) {
	if _, err := c.w.Write(b); err != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
}

// vectors are the embeddings of the texts, unless they are lies.
func (c *call) vectors(m Model, texts []string) [][]float32 {
	list := make([][]float32, len(texts))
	for i, text := range texts {
		list[i] = Vector(m, text)
	}
	switch last := len(list) - 1; {
	case last < 0:
	case c.lie == FewVectors:
		list = list[:last]
	case c.lie == WrongDimensions:
		list[last] = list[last][1:]
	}
	return list
}

// Vector is the embedding of a text by a model: of length 1, different for
// different texts and different weights.
func Vector(m Model, text string) []float32 {
	m = m.filled()
	values, square := make([]float32, m.Dimensions), 0.0
	for i := range values {
		h := fnv.New64a()
		fmt.Fprint(h, m.Digest, i, text)
		values[i] = float32(h.Sum64()%2001)/1000 - 1
		square += float64(values[i]) * float64(values[i])
	}
	for i := range values {
		values[i] /= float32(math.Sqrt(square))
	}
	return values
}

// Words counts the tokens of an input.
func Words(texts ...string) int {
	count := 0
	for _, text := range texts {
		count += len(strings.Fields(text))
	}
	return count
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only what the package made itself is encoded
	}
	return b
}
