package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/bulk"
	"nearside/catalog"
	"nearside/disk"
	"nearside/fault"
	"nearside/index"
	"nearside/vectorize"
)

const benchDimensions = 768

// BenchmarkCall is what the server itself costs a call: one connection, a body
// of the size of a 768-dimensional query, a reply of one number.
func BenchmarkCall(b *testing.B) {
	w := dialServer(b, Parts{}, Route{Method: "POST", Path: "/client/v4/accounts/{account}/vectorize/v2/indexes/{index}/query", BodyLimit: testLimit, ContentTypes: jsonOnly, Handle: takeAll})
	w.repeat(b, httpRequest("POST", v2+"/films/query", typeJSON, strings.Repeat("0.12345678,", benchDimensions)))
}

// BenchmarkQueryOverHTTP is what a query costs beside the search: the index answers at once.
func BenchmarkQueryOverHTTP(b *testing.B) {
	w := dialServer(b, Parts{Vectorize: instantService(b)})
	for name, options := range map[string]string{"plain": `,"topK":10`, "values": `,"topK":10,"returnValues":true`, "metadata": `,"topK":10,"returnMetadata":"all"`} {
		b.Run(name, func(b *testing.B) {
			w.repeat(b, httpRequest("POST", v2+"/films/query", typeJSON, `{"vector":`+floatsOf(1)+options+`}`))
		})
	}
}

// BenchmarkUploadOverHTTP is what a batch of 1,000 vectors costs beside the storing of it.
func BenchmarkUploadOverHTTP(b *testing.B) {
	w := dialServer(b, Parts{Vectorize: instantService(b)})
	var lines strings.Builder
	rows := make([]bulk.Row, 1000)
	for i := range rows {
		r := bulk.Row{ID: fmt.Sprintf("record-%07d", i), Metadata: []byte(`{"genre":"noir","year":1944}`)}
		values := floatsOf(uint64(i))
		if err := json.Unmarshal([]byte(values), &r.Values); err != nil {
			b.Fatal(err)
		}
		fmt.Fprintf(&lines, `{"id":%q,"values":%s,"metadata":%s}`+"\n", r.ID, values, r.Metadata)
		rows[i] = r
	}
	batch, err := bulk.Append(nil, benchDimensions, rows)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("lines", func(b *testing.B) { w.repeat(b, httpRequest("POST", v2+"/films/upsert", typeNDJSON, lines.String())) })
	b.Run("rows", func(b *testing.B) {
		w.repeat(b, httpRequest("POST", v2+"/films/upsert", bulk.ContentType, string(batch)))
	})
}

// floatsOf is an array of numbers as a client writes float32.
func floatsOf(seed uint64) string {
	random := rand.New(rand.NewPCG(seed, 1))
	values := make([]float32, benchDimensions)
	for d := range values {
		values[d] = float32(random.NormFloat64()) / 28
	}
	text, _ := json.Marshal(values) // plain numbers
	return string(text)
}

// instantService is Vectorize with an index called films that answers at once.
func instantService(b *testing.B) *vectorize.Service {
	b.Helper()
	dir, err := disk.OpenDir(b.TempDir(), disk.Options{})
	if err != nil {
		b.Fatal(err)
	}
	entries, err := catalog.Open(dir, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if entries.Close() != nil || dir.Close() != nil {
			b.Error("the catalogue did not close")
		}
	})
	limits := vectorize.Cloudflare()
	limits.Vectors, limits.Namespaces = 0, 0 // nothing to count
	service, err := vectorize.Open(b.Context(), entries, instantEngine{index.NewMemory(time.Now)}, vectorize.Options{Limits: limits, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		_, err = service.Create(b.Context(), "local", vectorize.Definition{Name: "films", Dimensions: benchDimensions, Metric: index.Cosine})
	}
	if err != nil {
		b.Fatal(err)
	}
	return service
}

// instantEngine opens indexes that answer at once.
type instantEngine struct{ index.Engine }

func (e instantEngine) Open(ctx context.Context, n index.Number) (index.Index, error) {
	x, err := e.Engine.Open(ctx, n)
	return instantIndex{x}, err
}

type instantIndex struct{ index.Index }

var instantMatches = func() (matches []index.Match) {
	var values []float32
	if json.Unmarshal([]byte(floatsOf(9)), &values) != nil {
		panic("not JSON")
	}
	for i := range 10 {
		record := index.Record{ID: index.VectorID(fmt.Sprintf("record-%07d", i)), Values: values, Metadata: json.RawMessage(`{"genre":"noir","year":1944}`)}
		matches = append(matches, index.Match{Record: record, Score: 0.98 - float64(i)*0.0123456789})
	}
	return matches
}()

func (instantIndex) Query(_ context.Context, q index.Query, _ index.Read) (index.Result, error) {
	result := index.Result{Matches: make([]index.Match, 0, q.TopK)}
	for _, m := range instantMatches {
		if !q.Values {
			m.Values = nil
		}
		if q.Metadata == index.NoMetadata {
			m.Metadata = nil
		}
		result.Matches = append(result.Matches, m)
	}
	return result, nil
}

func (instantIndex) Upsert(context.Context, []index.Record, index.Scope) (index.Mutation, error) {
	return index.Mutation{ID: "7b3e2f7c-0000-4000-8000-000000000000", Sequence: 1}, nil
}

// httpRequest is a request as bytes.
func httpRequest(method, path, contentType, body string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", method, path, contentType, len(body), body)
}

// wire is a connection to a server, and a client as lean as can be.
type wire struct {
	conn net.Conn
	r    *bufio.Reader
}

func dialServer(b *testing.B, parts Parts, table ...Route) wire {
	b.Helper()
	if table == nil {
		table = routes
	}
	parts.Keys = &keyring{}
	s, err := listen(Config{Addr: "127.0.0.1:0", Grace: time.Second}, parts, slog.New(slog.DiscardHandler), table)
	if err != nil {
		b.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(context.Background()); err != nil {
			b.Error(err)
		}
	})
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		c.Close()
		if err := s.Close(); err != nil {
			b.Error(err)
		}
		running.Wait()
	})
	return wire{c, bufio.NewReaderSize(c, 64<<10)}
}

// repeat sends the request b.N times, each after the reply to the one before.
func (w wire) repeat(b *testing.B, request string) {
	b.ReportAllocs()
	raw := []byte(request)
	for b.Loop() {
		if _, err := w.conn.Write(raw); err != nil {
			b.Fatal(err)
		}
		if err := w.skipReply(); err != nil {
			b.Fatal(err)
		}
	}
}

// skipReply reads a reply that must be a success.
func (w wire) skipReply() error {
	length := 0
	for first := true; ; first = false {
		line, err := w.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && string(line) != "HTTP/1.1 200 OK\r\n" {
			return fault.New(fault.Internal, "the reply begins %q", line)
		}
		if value, found := strings.CutPrefix(string(line), "Content-Length: "); found {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return err
			}
		}
		if len(line) == 2 {
			_, err = w.r.Discard(length)
			return err
		}
	}
}
