// Package backendtest has a server for tests that speaks OpenAI's API (below /v1)
// and the parts of Ollama's API (below /api) that nearside uses, and that lies
// where a test wants it to.
//
//	s := backendtest.New(t)                        // has the models "chat" and "embed"
//	s.Answer(backendtest.Answer{Pieces: []string{"Hel", "lo"}})
//	s.Lie(backendtest.StallMidway)                 // from now on, wherever a model runs
//	s.Down(); s.Up()                               // gone, and back at the same address
//	s.Requests(), s.Conns()                        // what was asked, and open connections
//
// Every model answers every kind of call. What is said is fixed, so that a test
// can compare it: chats get the Answer, embeddings are a function of the text,
// and a text scores the number of words that it shares with the query. A token is
// a word of the input and a piece of the output.
//
// The package promises nothing about how real servers behave beyond the shapes of
// their requests, replies and errors.
package backendtest

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"

	"nearside/llm/chat"
)

// Model is a model that a Server has.
type Model struct {
	Name         string
	Digest       string   // of the weights; "": made from the name
	Context      int      // tokens; 0: 4096
	Dimensions   int      // of its embeddings; 0: 8
	Capabilities []string // in Ollama's words; nil: all that there are
}

// Answer is what a chat is answered with.
type Answer struct {
	Reasoning []string
	Pieces    []string
	Tools     []chat.ToolCall
	Reason    chat.Reason // "": stop, or tool_calls where there are Tools
	Cached    int         // tokens of the prompt that were seen before
}

// Request is a request that came.
type Request struct {
	Method string
	Path   string
	Header http.Header
	Body   []byte
}

// Server is a server on a port of its own of 127.0.0.1. Its methods may be called
// from any goroutine.
type Server struct {
	URL string // without a slash at the end; OpenAI's API is at URL + "/v1"

	t       testing.TB
	address string
	serving sync.WaitGroup

	mu       sync.Mutex // guards what follows
	http     *http.Server
	gone     chan struct{} // closed when the server goes down
	models   []Model
	answers  []Answer
	lie      Lie
	lies     int             // calls that are still lied to; negative: all
	lacking  map[string]bool // paths
	requests []Request
	conns    map[net.Conn]bool
	opened   int
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		t: t, address: "127.0.0.1:0", conns: map[net.Conn]bool{}, lacking: map[string]bool{},
		models:  []Model{{Name: "chat"}, {Name: "embed"}},
		answers: []Answer{{Pieces: []string{"The", " sky", " is", " blue", "."}}},
	}
	s.Up()
	s.URL = "http://" + s.address
	t.Cleanup(s.Down)
	return s
}

// Up starts a server that is down, at the address that it had.
func (s *Server) Up() {
	s.t.Helper()
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Fatalf("listen on %s: %v", s.address, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.address = listener.Addr().String()
	s.gone = make(chan struct{})
	s.http = &http.Server{Handler: s.routes(), ConnState: s.connState}
	running := s.http
	s.serving.Go(func() { _ = running.Serve(listener) }) // ends with ErrServerClosed, always
}

// Down cuts every connection and accepts no more.
func (s *Server) Down() {
	s.mu.Lock()
	running := s.http
	s.http = nil
	if running != nil {
		close(s.gone)
	}
	s.mu.Unlock()
	if running != nil {
		_ = running.Close() // what it could complain of is what is wanted
		s.serving.Wait()
	}
}

// Add adds models, or replaces those of the same name.
func (s *Server) Add(models ...Model) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range models {
		s.models = append(slices.DeleteFunc(s.models, func(old Model) bool { return old.Name == m.Name }), m)
	}
}

// Remove removes the model.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.models = slices.DeleteFunc(s.models, func(m Model) bool { return m.Name == name })
}

// Lack has the server answer 404 at the paths, such as /v1/rerank.
func (s *Server) Lack(paths ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, path := range paths {
		s.lacking[path] = true
	}
}

// Answer sets what the next chats are answered with, one after the other; the last stays.
func (s *Server) Answer(answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = slices.Clone(answers)
}

// Lie has every call of a model lied to from now on.
func (s *Server) Lie(l Lie) { s.LieTimes(l, -1) }

// LieTimes has the next calls of a model lied to, and those after told the truth.
func (s *Server) LieTimes(l Lie, calls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lie, s.lies = l, calls
}

// Requests returns what was asked so far, in order, lists of models included.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Asked returns the bodies of the requests for a path, in order.
func (s *Server) Asked(path string) [][]byte {
	var bodies [][]byte
	for _, r := range s.Requests() {
		if r.Path == path {
			bodies = append(bodies, r.Body)
		}
	}
	return bodies
}

// Conns returns the number of connections that are open.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Opened returns the number of connections that were ever open.
func (s *Server) Opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

func (s *Server) connState(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.conns[c] = true
		s.opened++
	case http.StateClosed, http.StateHijacked:
		delete(s.conns, c)
	}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range map[string]func(*call){
		"GET /api/version":              ollamaVersion,
		"GET /api/tags":                 ollamaTags,
		"POST /api/show":                ollamaShow,
		"POST /api/chat":                ollamaChat,
		"POST /api/generate":            ollamaChat,
		"POST /api/embed":               ollamaEmbed,
		"GET /v1/models":                openaiModels,
		"POST /v1/chat/completions":     openaiChat,
		"POST /v1/completions":          openaiChat,
		"POST /v1/embeddings":           openaiEmbed,
		"POST /v1/rerank":               openaiRerank,
		"POST /rerank":                  openaiRerank,
		"POST /v1/audio/transcriptions": openaiTranscribe,
		"POST /v1/audio/translations":   openaiTranscribe,
		"POST /v1/audio/speech":         openaiSpeak,
		"POST /v1/images/generations":   openaiPaint,
		"POST /v1/images/edits":         openaiPaint,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			c := s.receive(w, r)
			if s.lacks(r.URL.Path) {
				http.NotFound(w, r)
				return
			}
			handle(c)
		})
	}
	return mux
}

// receive reads a request and keeps it.
func (s *Server) receive(w http.ResponseWriter, r *http.Request) *call {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{r.Method, r.URL.Path, r.Header.Clone(), body})
	return &call{w: w, r: r, body: body, server: s, gone: s.gone}
}

func (s *Server) lacks(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lacking[path]
}

// model returns the model with the name, with or without Ollama's ":latest".
func (s *Server) model(name string) (Model, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.models {
		if m.Name == name || m.Name+":latest" == name {
			return m.filled(), true
		}
	}
	return Model{}, false
}

func (s *Server) allModels() []Model {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Model
	for _, m := range s.models {
		all = append(all, m.filled())
	}
	return all
}

func (m Model) filled() Model {
	if m.Digest == "" {
		sum := sha256.Sum256([]byte(m.Name))
		m.Digest = hex.EncodeToString(sum[:])
	}
	if m.Context == 0 {
		m.Context = 4096
	}
	if m.Dimensions == 0 {
		m.Dimensions = 8
	}
	if m.Capabilities == nil {
		m.Capabilities = []string{"completion", "tools", "thinking", "vision", "embedding"}
	}
	return m
}

// nextAnswer returns the answer whose turn it is.
func (s *Server) nextAnswer() Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.answers) == 0 {
		return Answer{}
	}
	a := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	if a.Reason == "" {
		a.Reason = chat.Stopped
		if len(a.Tools) > 0 {
			a.Reason = chat.CalledTools
		}
	}
	return a
}

// nextLie returns how this call is lied to.
func (s *Server) nextLie() Lie {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lies == 0 {
		return Honest
	}
	s.lies--
	return s.lie
}
