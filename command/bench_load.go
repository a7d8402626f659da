package command

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"nearside/fault"
	"nearside/measure/ann"
)

// loaded is what one run of the load generator took.
type loaded struct {
	Requests int     `json:"requests"`
	Seconds  float64 `json:"seconds"`
}

// loadFlags are the choices of the load generator.
type loadFlags struct {
	file        string
	url         string
	path        string
	kind        string
	connections int
	times       int
}

// newBenchLoad is the second process of bench http: it sends requests that it has made
// before the clock starts, each connection one after the other, and reads the answers.
func newBenchLoad() *cobra.Command {
	var f loadFlags
	cmd := &cobra.Command{Use: "load", Short: "Send queries or records to a server", Args: noArgs, Hidden: true}
	flags := cmd.Flags()
	flags.StringVar(&f.file, "file", "", "the vectors, FILE.fbin")
	flags.StringVar(&f.url, "server", "", "address of the server")
	flags.StringVar(&f.path, "path", "", "path of the requests")
	flags.StringVar(&f.kind, "kind", "query", "query: a request for each vector; upsert: one for each 1,000")
	flags.IntVar(&f.connections, "connections", 1, "connections at once")
	flags.IntVar(&f.times, "times", 1, "how often all is sent")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		vectors, err := ann.ReadMatrix(f.file)
		if err != nil {
			return err
		}
		target, err := url.Parse(f.url)
		if err != nil {
			return fault.New(fault.Invalid, "--server %q is not an address: %v", f.url, err)
		}
		result, err := send(target.Host, requests(vectors, target.Host, f), f)
		if err != nil {
			return err
		}
		return json.NewEncoder(cmd.OutOrStdout()).Encode(result)
	}
	return cmd
}

// loadBatch is how many records an upsert has.
const loadBatch = 1000

// requests returns whole requests, ready to be sent.
func requests(vectors ann.Matrix, host string, f loadFlags) [][]byte {
	var all [][]byte
	var body []byte
	request := func(contentType string) {
		head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", f.path, host, contentType, len(body))
		all = append(all, append([]byte(head), body...))
		body = body[:0]
	}
	for i := range vectors.Rows {
		if f.kind == "query" {
			body = appendValues(append(body, `{"vector":`...), vectors.Row(i))
			body = fmt.Appendf(body, `,"topK":%d}`, benchK)
			request("application/json")
			continue
		}
		body = fmt.Appendf(body, `{"id":"%d","values":`, i)
		body = append(appendValues(body, vectors.Row(i)), '}', '\n')
		if (i+1)%loadBatch == 0 || i+1 == vectors.Rows {
			request("application/x-ndjson")
		}
	}
	return all
}

// appendValues writes numbers as clients do: the fewest digits that mean the same float32.
func appendValues(to []byte, values []float32) []byte {
	to = append(to, '[')
	for i, v := range values {
		if i > 0 {
			to = append(to, ',')
		}
		to = strconv.AppendFloat(to, float64(v), 'g', -1, 32)
	}
	return append(to, ']')
}

// send sends all requests so many times, and measures.
func send(host string, all [][]byte, f loadFlags) (loaded, error) {
	var next atomic.Int64
	total := int64(len(all) * f.times)
	var group errgroup.Group
	began := time.Now()
	for range f.connections {
		group.Go(func() error {
			c, err := dial(host)
			if err != nil {
				return err
			}
			defer c.Close() // every answer was read
			for i := next.Add(1) - 1; i < total; i = next.Add(1) - 1 {
				if err := c.ask(all[int(i)%len(all)]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return loaded{int(total), time.Since(began).Seconds()}, err
}

// wire is a connection that is kept alive. It knows as much of HTTP as nearside's
// answers need, so that the generator takes little of the cores it shares with the server.
type wire struct {
	net.Conn
	in *bufio.Reader
}

func dial(host string) (*wire, error) {
	c, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	return &wire{c, bufio.NewReaderSize(c, 1<<16)}, nil
}

// ask sends a request and reads its answer whole.
func (w *wire) ask(request []byte) error {
	if _, err := w.Write(request); err != nil {
		return err
	}
	status, err := w.in.ReadString('\n')
	if err != nil {
		return err
	}
	length := -1
	for {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), ":")
		if strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return err
			}
		}
	}
	if !strings.Contains(status, " 200 ") {
		body, _ := io.ReadAll(io.LimitReader(w.in, int64(max(0, min(length, 1000))))) // what can be had of it
		return fault.New(fault.Unavailable, "the server answered %s: %s", strings.TrimSpace(status), body)
	}
	if length < 0 {
		return fault.New(fault.Internal, "the server answered without Content-Length")
	}
	_, err = w.in.Discard(length)
	return err
}
