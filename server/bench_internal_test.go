package server

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkCall is what the server itself costs a call: one connection, a body
// of the size of a 768-dimensional query, a reply of one number.
func BenchmarkCall(b *testing.B) {
	s, err := listen(Config{Addr: "127.0.0.1:0", Grace: time.Second}, Parts{Keys: &keyring{}}, slog.New(slog.DiscardHandler), []Route{
		{Method: "POST", Path: "/client/v4/accounts/{account}/vectorize/v2/indexes/{index}/query", BodyLimit: testLimit, ContentTypes: jsonOnly, Handle: takeAll}})
	if err != nil {
		b.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(b.Context()); err != nil {
			b.Error(err)
		}
	})
	defer running.Wait()
	defer s.Close()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	body := strings.Repeat("0.12345678,", 768)
	request := fmt.Sprintf("POST /client/v4/accounts/local/vectorize/v2/indexes/films/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	r := bufio.NewReader(c)
	b.ReportAllocs()
	for b.Loop() {
		io.WriteString(c, request)
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
	}
}
