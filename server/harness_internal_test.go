package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/catalog"
	"nearside/fault"
	"nearside/workers/traffic"
)

// patience bounds what a test waits for; nothing is expected to take a noticeable part of it.
const patience = 30 * time.Second

// harness is a running server with routes of the test's own.
type harness struct {
	t       *testing.T
	server  *Server
	log     *safeBuffer
	keys    *keyring
	stop    context.CancelFunc
	stopped chan error
	roots   *x509.CertPool // nil = plain HTTP
}

// start runs a server with the given routes until the test ends. An empty table means the real one.
func start(t *testing.T, config Config, table ...Route) *harness {
	t.Helper()
	return startWith(t, config, Parts{}, table...)
}

// startWith is start for a domain; the keys are the harness's own.
func startWith(t *testing.T, config Config, parts Parts, table ...Route) *harness {
	t.Helper()
	if config.Addr == "" {
		config.Addr = "127.0.0.1:0"
	}
	if config.Grace == 0 {
		config.Grace = patience
	}
	if table == nil {
		table = routes
	}
	h := &harness{t: t, log: &safeBuffer{}, keys: &keyring{}, stopped: make(chan error, 1)}
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	parts.Keys = h.keys
	if k, ok := parts.Projects.(traffic.Keeper); ok {
		parts.Traffic = traffic.New(k, traffic.Options{Log: log})
		t.Cleanup(func() {
			if err := parts.Traffic.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	s, err := listen(config, parts, log, table)
	if err != nil {
		t.Fatal(err)
	}
	h.server = s
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	var running sync.WaitGroup
	running.Go(func() { h.stopped <- s.Run(ctx) })
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		stop()
		running.Wait()
	})
	return h
}

func (h *harness) addr() string { return h.server.Addr().String() }

func (h *harness) url() string {
	if h.roots != nil {
		return "https://" + h.addr()
	}
	return "http://" + h.addr()
}

// dial opens a connection to write raw HTTP on.
func (h *harness) dial() net.Conn {
	h.t.Helper()
	c, err := net.Dial("tcp", h.addr())
	if err != nil {
		h.t.Fatal(err)
	}
	if h.roots != nil {
		c = tls.Client(c, &tls.Config{RootCAs: h.roots, ServerName: "127.0.0.1"})
	}
	h.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		h.t.Fatal(err)
	}
	return c
}

// answer is a response read whole.
type answer struct {
	status int
	header http.Header
	body   string
	closes bool // the connection is closed behind it
}

// do sends a request with headers given as "Name: value".
func (h *harness) do(method, path string, body io.Reader, headers ...string) answer {
	h.t.Helper()
	a, err := h.try(method, path, body, headers...)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (h *harness) try(method, path string, body io.Reader, headers ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, h.url()+path, body)
	if err != nil {
		return answer{}, err
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: h.roots}}}
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	return readAnswer(res)
}

func readAnswer(res *http.Response) (answer, error) {
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(raw), res.Close}, err
}

// next reads the next response of a raw connection.
func (h *harness) next(r *bufio.Reader) answer {
	h.t.Helper()
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	a, err := readAnswer(res)
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

// code returns the first error code of an envelope; 0 if there is none.
func (a answer) code() int {
	var e struct{ Errors []remark }
	if json.Unmarshal([]byte(a.body), &e) != nil || len(e.Errors) == 0 {
		return 0
	}
	return e.Errors[0].Code
}

// want checks status, code and that the body holds each fragment.
func (a answer) want(t *testing.T, status, code int, fragments ...string) {
	t.Helper()
	if a.status != status || a.code() != code {
		t.Errorf("got %d with code %d, want %d with code %d: %.300s", a.status, a.code(), status, code, a.body)
	}
	for _, f := range fragments {
		if !strings.Contains(a.body, f) {
			t.Errorf("the reply lacks %q: %.300s", f, a.body)
		}
	}
}

// await waits for a channel.
func await[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %s for %s", patience, what)
	}
	panic("unreachable")
}

// keyring is Keys in memory.
type keyring struct {
	mu   sync.Mutex
	keys map[string]catalog.Key // by secret
}

func (k *keyring) HasKeys() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.keys) > 0
}

func (k *keyring) Authenticate(secret string) (catalog.Key, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.keys[secret]
	return key, ok
}

func (k *keyring) CreateKey(_ context.Context, key catalog.Key) (catalog.Key, string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !key.Permission.Valid() {
		return catalog.Key{}, "", fault.For(catalog.ReasonKey, "the scope %q does not exist; use read, write or admin", key.Permission)
	}
	if k.keys == nil {
		k.keys = map[string]catalog.Key{}
	}
	key.ID = fmt.Sprintf("key-%d", len(k.keys)+1)
	key.Created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	secret := "secret-of-" + key.ID
	key.Prefix = secret[:10]
	k.keys[secret] = key
	return key, secret, nil
}

func (k *keyring) Keys(account string) []catalog.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []catalog.Key
	for _, key := range k.keys {
		if key.Account == account {
			list = append(list, key)
		}
	}
	return list
}

func (k *keyring) RevokeKey(_ context.Context, account, id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for secret, key := range k.keys {
		if key.ID == id && key.Account == account {
			delete(k.keys, secret)
			return nil
		}
	}
	return &fault.Error{Kind: fault.NotFound, Reason: catalog.ReasonNoKey, Message: "no key of the account has the id " + id}
}

// add makes a key and returns its secret.
func (k *keyring) add(t *testing.T, key catalog.Key) string {
	t.Helper()
	_, secret, err := k.CreateKey(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// safeBuffer is a bytes.Buffer for several goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// background runs f beside the test, which does not end before it.
func background(t *testing.T, f func()) {
	var running sync.WaitGroup
	running.Go(f)
	t.Cleanup(running.Wait)
}
