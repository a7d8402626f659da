package server

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nearside/llm/backend/backendtest"
	"nearside/llm/neuron"
)

// Callers that go away leave nothing behind: no goroutine, no reservation, no slot,
// no call in flight, no connection to the model server. Each pays for what was made.
func TestAbortedStreamsLeaveNothingBehind(t *testing.T) {
	aborts := 200
	if *long {
		aborts = 1000
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	h, s, parts := modelled(t, Config{})
	a := aborting{h: h, body: `{"prompt":"hello","stream":true}`}
	h.post(home+"/ai/run/"+llama, a.body).want(t, 200, 0) // what is kept for later calls is there from now on
	once := usedBy(t, parts)
	before := goroutines()
	s.ollama.Lie(backendtest.StallMidway)

	a.each(aborts/2, func(int) { a.after(2) })
	until(t, "the calls to end", func() bool { return parts.Ledger.Reservations() == 0 })
	used := usedBy(t, parts)
	if pieces := used.Units[neuron.OutputTokens] - once.Units[neuron.OutputTokens]; pieces != int64(aborts/2)*2 || used.Calls != 1+int64(aborts/2) {
		t.Errorf("%d callers each saw two pieces: %d calls and %d pieces were charged", aborts/2, used.Calls-1, pieces)
	}

	random := make([]*rand.Rand, aborts/2)
	for i := range random {
		random[i] = rand.New(rand.NewPCG(seed, uint64(i)))
	}
	a.each(aborts/2, func(i int) { a.anywhere(random[i]) })
	until(t, "the calls to end", func() bool {
		return parts.Ledger.Reservations() == 0 && h.server.watch.size() == 0 && len(h.server.gate.slots) == 0 && h.server.gate.waiting.Load() == 0
	})
	until(t, "the connections to the model server to end", func() bool { return s.ollama.Conns() == 0 })
	until(t, "the goroutines to end", func() bool { return goroutines() <= before })
	final := usedBy(t, parts)
	if calls := final.Calls - used.Calls; calls > int64(aborts/2) || final.Units[neuron.OutputTokens]-used.Units[neuron.OutputTokens] > 2*calls {
		t.Errorf("of %d calls %d were charged, for %v", aborts/2, calls, final.Units)
	}
	t.Logf("%d streams cut after two pieces, as many anywhere, of which %d had begun", aborts/2, final.Calls-used.Calls)
}

// usedBy is what the default account has used.
func usedBy(t *testing.T, parts Parts) neuron.Sum {
	t.Helper()
	report, err := parts.Ledger.Usage(t.Context(), neuron.Query{Account: "local"})
	if err != nil {
		t.Fatal(err)
	}
	return report.Total.Sum
}

// aborting is callers that go away.
type aborting struct {
	h    *harness
	body string
}

// each has so many callers call, several at a time.
func (a aborting) each(callers int, call func(i int)) {
	var next atomic.Int64
	var calling sync.WaitGroup
	for range 16 {
		calling.Go(func() {
			for i := next.Add(1); i <= int64(callers); i = next.Add(1) {
				call(int(i) - 1)
			}
		})
	}
	calling.Wait()
}

func (a aborting) request() string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", home+"/ai/run/"+llama, len(a.body), a.body)
}

func (a aborting) dial() net.Conn {
	c, err := net.Dial("tcp", a.h.addr())
	if err == nil {
		err = c.SetDeadline(time.Now().Add(patience))
	}
	if err != nil {
		a.h.t.Error(err)
	}
	return c
}

// after hangs up once so many pieces have come.
func (a aborting) after(pieces int) {
	c := a.dial()
	defer c.Close()
	io.WriteString(c, a.request())
	for r := bufio.NewReader(c); pieces > 0; {
		line, err := r.ReadString('\n')
		if err != nil {
			a.h.t.Error(err)
			return
		}
		if strings.HasPrefix(line, "data:") {
			pieces--
		}
	}
}

// anywhere hangs up politely or not, after some of the request or some of the reply.
func (a aborting) anywhere(random *rand.Rand) {
	c := a.dial()
	defer c.Close()
	if random.IntN(2) == 0 {
		if err := c.(*net.TCPConn).SetLinger(0); err != nil { // a reset in place of an end
			a.h.t.Error(err)
		}
	}
	request := a.request()
	if random.IntN(4) == 0 {
		io.WriteString(c, request[:random.IntN(len(request))])
		return
	}
	io.WriteString(c, request)
	if random.IntN(4) == 0 {
		return
	}
	const least = 300 // bytes that come before the model server stalls, in any case
	if _, err := io.CopyN(io.Discard, c, int64(1+random.IntN(least))); err != nil {
		a.h.t.Error(err)
	}
}

// goroutines counts those that exist, but for the ones that fasthttp keeps for a
// while for the connections that may come.
func goroutines() (count int) {
	stacks := make([]byte, 1<<20)
	for {
		n := runtime.Stack(stacks, true)
		if n < len(stacks) {
			stacks = stacks[:n]
			break
		}
		stacks = make([]byte, 2*len(stacks))
	}
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if !strings.Contains(stack, "fasthttp.(*workerPool).workerFunc") || strings.Contains(stack, "fasthttp.(*Server).serveConn") {
			count++
		}
	}
	return count
}
