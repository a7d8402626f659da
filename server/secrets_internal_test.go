package server

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"nearside/catalog"
	"nearside/embed"
	"nearside/llm/backend"
	"nearside/llm/backend/backendtest"
	"nearside/llm/ollama"
)

// sesame stands in everything that clients send and models answer, and so must
// stand nowhere in the log, which the tests keep at its most talkative.
const sesame = "Sesame"

// unlogged fails the test if the log has a word of a client's, or no word at all.
func (h *harness) unlogged(t *testing.T) {
	t.Helper()
	log := h.log.String()
	if at := strings.Index(strings.ToLower(log), strings.ToLower(sesame)); at >= 0 {
		t.Errorf("the log has what a client or a model said: …%s", log[max(0, at-300):min(len(log), at+100)])
	}
	if strings.Contains(log, "secret-of-") {
		t.Errorf("the log has a key: %s", log)
	}
	if !strings.Contains(log, "msg=request") {
		t.Error("the log is empty")
	}
}

// TestNoRouteLogsWhatClientsSend calls every route with its names, its query, its
// body and its key full of the word: without a key, with a wrong one and with a right one.
func TestNoRouteLogsWhatClientsSend(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	right := h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Admin, Name: sesame})
	object := `{"id":"Sesame","name":"Sesame","model":"Sesame","prompt":"Sesame","text":"Sesame","input":"Sesame","query":"Sesame","vector":"Sesame","ids":["Sesame"]}`
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	if file, err := parts.CreateFormFile("file", "Sesame.png"); err == nil {
		io.WriteString(file, sesame)
	}
	parts.Close()
	for _, r := range routes {
		path := r.Path
		for _, name := range []string{"index", "model...", "key", "snapshot", "gateway", "log", "provider", "endpoint...", "finetune", "batch", "request"} {
			path = strings.ReplaceAll(path, "{"+name+"}", sesame)
		}
		path = strings.ReplaceAll(path, "{account}", "local") + "?Sesame=Sesame&model=Sesame&cursor=Sesame&search=Sesame"
		for _, secret := range []string{"", sesame, right} {
			headers := []string{"Authorization: Bearer " + secret}
			for _, body := range [][2]string{{typeJSON, object}, {typeJSON, object[:len(object)-3]}, {parts.FormDataContentType(), form.String()}, {"image/png", sesame}} {
				if _, err := h.try(r.Method, path, strings.NewReader(body[1]), append(headers, "Content-Type: "+body[0])...); err != nil {
					t.Errorf("%s %s: %v", r.Method, r.Path, err)
				}
			}
		}
	}
	h.do("POST", "/client/v4/accounts/local/Sesame", strings.NewReader(object), "Authorization: Bearer Sesame")
	h.unlogged(t)
}

// sayingSesame puts the word into everything that a test of charges says.
var sayingSesame = strings.NewReplacer("why is the sky blue", "open Sesame", "a cat", "a cat called Sesame")

// TestNoCallOfAModelIsLogged calls a model in every way: it succeeds, fails with an
// error that quotes the call, fails over, breaks off, and is left by its client.
func TestNoCallOfAModelIsLogged(t *testing.T) {
	everyCharge(t, false, func(t *testing.T, c chargeTest, h *harness, s servers, _ Parts) {
		s.ollama.Answer(backendtest.Answer{Reasoning: []string{sesame}, Pieces: []string{"I am ", sesame, " too"}})
		s.openai.Answer(backendtest.Answer{Pieces: []string{"I am ", sesame, " too"}})
		for _, way := range []func(){
			func() {},
			func() { s.ollama.Lie(backendtest.ErrorFrame) },
			func() { s.ollama.Lie(backendtest.Garbage) },
			func() { s.ollama.Lie(backendtest.CloseMidway) },
			s.ollama.Down, // the other answers
			s.openai.Down, // nobody does
		} {
			way()
			for _, body := range []string{c.body, c.stream} {
				if body != "" { // a stream that breaks off is no whole reply, which is an error here
					_, _ = h.try("POST", c.path, strings.NewReader(sayingSesame.Replace(body)), "Content-Type: application/json")
				}
			}
		}
		h.unlogged(t)
	})
	everyCharge(t, true, func(t *testing.T, c chargeTest, h *harness, s servers, parts Parts) {
		s.ollama.Answer(backendtest.Answer{Pieces: []string{sesame, sesame, sesame}})
		s.ollama.Lie(backendtest.StallMidway)
		body := sayingSesame.Replace(c.stream)
		conn := h.dial()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", c.path, len(body), body)
		if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		until(t, "the call to end, and to be logged", func() bool {
			return parts.Ledger.Reservations() == 0 && h.server.watch.size() == 0 && strings.Contains(h.log.String(), "msg=request")
		})
		h.unlogged(t)
	})
}

// A model server may quote the whole call in its error.
func TestAnErrorThatQuotesTheCallIsNotLogged(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusNotFound, http.StatusTooManyRequests, http.StatusInternalServerError} {
		quoting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				io.WriteString(w, `{"models":[{"name":"llama3.1:latest","model":"llama3.1:latest","digest":"abc"},{"name":"bge-m3:latest","model":"bge-m3:latest","digest":"abc"}]}`)
				return
			}
			w.WriteHeader(status)
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, `{"error":%q}`, "I do not like "+string(body))
		}))
		server, err := ollama.New(ollama.Options{Name: "ollama", URL: quoting.URL})
		if err != nil {
			t.Fatal(err)
		}
		guard := backend.NewGuard(server, backend.Limits{Failures: 1000})
		h := startWith(t, Config{}, domainWith(t, []embed.Embedder{encoder}, guard))
		for _, c := range chargeTests {
			if c.prepare != nil || c.free {
				continue
			}
			for _, body := range []string{c.body, c.stream} {
				if a := h.post(c.path, sayingSesame.Replace(body)); a.status == 200 {
					t.Errorf("%s succeeds", c.path)
				}
			}
		}
		h.unlogged(t)
		if err := guard.Close(); err != nil {
			t.Error(err)
		}
		quoting.Close()
	}
}

// A panic's value may quote anything; its stack says where it was, and no more.
func TestAPanicIsLoggedWithoutWhatTheClientSent(t *testing.T) {
	values := map[string]func(body []byte){
		"/text":    func(body []byte) { panic(string(body)) },
		"/error":   func(body []byte) { panic(errors.New(string(body))) },
		"/runtime": func(body []byte) { _ = body[len(body)] },
	}
	var table []Route
	for path, bang := range values {
		table = append(table,
			Route{Method: "POST", Path: path, BodyLimit: testLimit, Handle: func(_ *Server, c *call) error {
				body, err := c.readBody()
				if err == nil {
					bang(body)
				}
				return err
			}},
			Route{Method: "POST", Path: path + "/stream", BodyLimit: testLimit, Handle: func(_ *Server, c *call) error {
				body, err := c.readBody()
				body = bytes.Clone(body)
				if err != nil {
					return err
				}
				return c.stream(typeSSE, func(*flow) error { bang(body); return nil })
			}})
	}
	h := start(t, Config{}, table...)
	for path := range values {
		h.post(path, `{"prompt":"open Sesame"}`).want(t, 500, 10013)
		if a, err := h.try("POST", path+"/stream", strings.NewReader(sesame)); err == nil {
			t.Errorf("%s: the stream is whole: %s", path, a.body)
		}
	}
	until(t, "the streams to end", func() bool { return h.server.watch.size() == 0 })
	h.unlogged(t)
	for _, want := range []string{"a handler panicked", "a stream panicked", "index out of range", "errorString"} {
		if !strings.Contains(h.log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, h.log.String())
		}
	}
}

// Without what answers calls, every route that reaches a model panics with a call in its hands.
func TestNoRouteLogsACallWhenItPanics(t *testing.T) {
	parts := domain(t, encoder)
	parts.Models, parts.Texts = nil, nil
	h := startWith(t, Config{}, parts)
	for name, c := range chargeTests {
		for _, body := range []string{c.body, c.stream} {
			if a := h.post(c.path, sayingSesame.Replace(body)); body != "" && a.status != 500 {
				t.Errorf("%s: got %d", name, a.status)
			}
		}
	}
	h.unlogged(t)
}
