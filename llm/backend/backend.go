// Package backend says what the router wants of a program that runs models: an
// Ollama server, a server that speaks OpenAI's API, or what is built in.
//
// A Backend says what it has. What it can do it says by the further interfaces
// that it has: Chatter, Embedder, Ranker, Transcriber, Speaker, Painter. The router
// asks for the one that a task needs and passes over backends without it.
//
// A backend reports what went wrong as an *Error, whose Kind decides whether the
// router tries the next backend. It never pulls, creates or deletes a model.
//
// A Guard stands before each backend: it limits how much is asked of it at once and
// how long it is waited for, and leaves it alone while it keeps failing.
package backend

import (
	"context"
	"fmt"
	"time"

	"nearside/llm/chat"
)

// Backend is a program that runs models.
type Backend interface {
	// Name is what models.yaml calls it: ollama, openai, builtin, or a name of the user's.
	Name() string
	// List returns the models that it has now.
	List(ctx context.Context) ([]Found, error)
}

// Found is a model that a backend has.
type Found struct {
	Name    string
	Digest  string // of the weights; "" if the backend does not say
	Context int    // tokens; 0 = not known
	Bytes   int64  // 0 = not known
}

// Chatter generates text.
type Chatter interface {
	// Chat answers a request piece by piece. A piece with nothing in it shows that the
	// backend is at work. An error of yield ends the call and is returned as it is. The
	// End counts what was produced even when the call failed midway.
	Chat(ctx context.Context, model string, q *chat.Request, yield func(chat.Piece) error) (chat.End, error)
}

// Vectors are the embeddings of texts.
type Vectors struct {
	Values      [][]float32 // one a text, in order, all of one length, all finite
	Tokens      int         // of all texts
	Counted     bool        // by the backend; else Tokens is an estimate
	Dropped     []int       // for each text, tokens that were not read; nil: none
	Fingerprint string      // of the weights: backend, model and digest
}

// Embedder makes embeddings.
type Embedder interface {
	Embed(ctx context.Context, model string, texts []string) (Vectors, error)
	// Fingerprint names the weights that would answer now.
	Fingerprint(ctx context.Context, model string) (string, error)
}

// Ranker tells how well texts answer a query.
type Ranker interface {
	// Rank returns a score for each text, in order: the higher the better.
	Rank(ctx context.Context, model, query string, texts []string) (scores []float64, tokens int, err error)
}

// Audio is sound with its content type.
type Audio struct {
	Type  string
	Bytes []byte
}

// Transcript is what was said.
type Transcript struct {
	Text     string
	Language string        // its code, such as en, where the backend tells it in a way that is known
	Duration time.Duration // 0: the backend does not say
	Segments []Segment
	Words    []Word
}

// Segment is a stretch of speech. Times are seconds from the beginning. A figure
// that the backend does not tell is nil.
type Segment struct {
	Start, End  float64
	Text        string
	Temperature *float64
	LogProb     *float64 // of its tokens, on average
	Compression *float64 // how much shorter the text gets by compression: what is repeated gets much shorter
	NoSpeech    *float64 // how probable it is that nobody speaks
}

// Word is a word with its time.
type Word struct {
	Start, End float64
	Word       string
}

// Transcribing asks for the words of a sound.
type Transcribing struct {
	Audio     Audio
	Language  string // of the speech; "": to be detected
	Translate bool   // into English
	Prompt    string // words to expect
}

// Transcriber turns speech into text.
type Transcriber interface {
	Transcribe(ctx context.Context, model string, q Transcribing) (Transcript, error)
}

// Speaking asks for a text to be read aloud.
type Speaking struct {
	Text     string
	Voice    string // "": the backend's
	Language string // "": the model's own
	Format   string // mp3, wav, …; "": mp3
}

// Speaker turns text into speech.
type Speaker interface {
	Speak(ctx context.Context, model string, q Speaking) (Audio, error)
}

// Painting asks for a picture.
type Painting struct {
	Prompt, Negative string
	Width, Height    int // 0: the backend's
	Steps            int // 0: the backend's
	Guidance         *float64
	Seed             *int64
	Images           []chat.Image // to begin from
	Mask             *chat.Image  // which part of the first of them to paint; nil: all of it
	Strength         *float64     // how much of it to change, 0 to 1
}

// Painter makes pictures.
type Painter interface {
	Paint(ctx context.Context, model string, q Painting) (chat.Image, error)
}

// Kind says what went wrong in a backend.
type Kind string

// The kinds of errors.
const (
	Unreachable Kind = "unreachable" // no connection, or it was cut before anything came
	Missing     Kind = "missing"     // the backend does not have the model
	Busy        Kind = "busy"        // it has no room for more calls now
	Slow        Kind = "slow"        // nothing came in time
	Broken      Kind = "broken"      // it answered, but not in a way that makes sense, or with a fault of its own
	Refused     Kind = "refused"     // it does not accept the input: another backend may not either
	Unable      Kind = "unable"      // it cannot do this task, or not with this input
)

// Error is what went wrong in a backend. It holds no prompt and no answer.
type Error struct {
	Backend string
	Model   string
	Kind    Kind
	Message string
	Started bool // something of the answer had been given out: it cannot be asked again
	// RetryAfter is when it is worth asking again, after Busy and Unreachable; 0: not known.
	RetryAfter time.Duration
	Cause      error
}

// Error says who could not do what, and why.
func (e *Error) Error() string {
	return fmt.Sprintf("%s, model %s: %s: %s", e.Backend, e.Model, e.Kind, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Elsewhere reports whether another backend may do better.
func (e *Error) Elsewhere() bool { return !e.Started && e.Kind != Refused }
