// Package server speaks HTTP for nearside, and does nothing else.
//
// A Server answers the one table in routes.go. Each request becomes a call: it
// is matched on its raw path, its sender is known (auth.go) and is allowed to
// ask (guard.go), its body is counted while it is read (body.go), and it holds
// one of a bounded number of slots while nearside works for it (gate.go).
// Handlers bind, ask one domain function, and reply; they return every error,
// and codes.go alone knows which HTTP status and Cloudflare code it becomes.
//
// What the package promises:
//
//   - A request reaches the handler whose pattern its raw path matches, each id
//     unescaped exactly once, or none.
//   - A body is never read beyond its route's limit, packed or unpacked.
//   - A call's context ends when its client hangs up, its time is over, or the
//     server gives up draining.
//   - Slow clients cost a connection, never a slot: what waits for the network
//     holds nothing that others need.
//   - A panic in a handler is a 500 with a request id, and the server lives.
//   - Log lines and metrics carry no key, no body, no query text and no name
//     chosen by a user other than the account id.
//
// What it does not do: HTTP/2, and any rule of the domain. Those are in the
// packages vectorize, rag and llm.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"nearside/catalog/manifest"
	"nearside/edge"
	"nearside/fault"
	"nearside/jobs"
	"nearside/llm"
	"nearside/llm/batch"
	"nearside/llm/finetune"
	"nearside/llm/gateway"
	"nearside/llm/neuron"
	"nearside/rag"
	"nearside/vectorize"
	"nearside/workers/traffic"
)

// Parts is the domain that a Server speaks for.
type Parts struct {
	Keys      Keys               // who may call
	Projects  Projects           // whose bindings are answered; nil: nobody's
	Vectorize *vectorize.Service // the indexes
	Models    *llm.Router        // what turns texts into vectors
	Texts     *rag.Service       // texts by their meaning
	Ledger    *neuron.Ledger     // what was used
	Batches   *batch.Store       // calls that are made later; nil: none are
	Jobs      *jobs.Store        // what takes longer than a call; nil: nothing does
	Files     *rag.Loading       // files that are uploaded; nil with Jobs
	Finetunes *finetune.Store    // adapters that people stored
	Sources   *manifest.Store    // what loaders remember
	Gateway   *gateway.Logs      // what went through AI gateways
	Traffic   *traffic.Recorder  // what the bindings of projects did; nil: nobody remembers
	Condition func() Condition   // what /health tells; nil: nothing but that the server is up

	Reembeddings *rag.Reembeddings // jobs that give indexes other weights; nil with Jobs

	Edge *edge.Edge // certificates and sessions of the Workers edge; nil: there is none

	Collectors []prometheus.Collector // what /metrics tells beside the server's own
}

// Server answers Cloudflare's API on one address.
type Server struct {
	config   Config
	exposed  bool // other machines can reach the address
	parts    Parts
	log      *slog.Logger
	app      *fiber.App
	router   *router
	bindings map[string]*router // by the type of the binding
	gate     *gate
	cache    *gateway.Cache[outcome]
	metrics  *metrics
	watch    watch

	// base is the parent of every call's context; giveUp ends it.
	base   context.Context
	giveUp context.CancelCauseFunc

	listener *listener
	edges    []*listener  // of the Workers edge; more addresses of the same server
	bodies   atomic.Int64 // bytes of request bodies in memory
	draining atomic.Bool
	closing  sync.Once
	closed   chan struct{} // Close was called
	done     chan struct{} // Run has returned, or never started and Close was called
	running  atomic.Bool
}

var (
	errHungUp  = errors.New("the client hung up")
	errDrained = fault.New(fault.Unavailable, "the server is shutting down; send the request again in a moment")
)

// Listen checks the configuration and opens the address. Nothing is answered before Run.
func Listen(config Config, parts Parts, log *slog.Logger) (*Server, error) {
	return listen(config, parts, log, routes)
}

func listen(config Config, parts Parts, log *slog.Logger, table []Route) (*Server, error) {
	config = config.withDefaults()
	if err := config.Validate(parts.Keys.HasKeys()); err != nil {
		return nil, err
	}
	var certificate *tls.Config
	if config.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(config.TLSCert, config.TLSKey)
		if err != nil {
			return nil, fault.New(fault.Invalid, "cannot use --tls-cert %q with --tls-key %q", config.TLSCert, config.TLSKey).Because(err)
		}
		certificate = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	}
	open, err := net.Listen("tcp", config.Addr)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "cannot listen on %s; choose another address with --addr", config.Addr).Because(err)
	}
	s := &Server{
		config: config, exposed: config.exposed(), parts: parts, log: log,
		router: newRouter(table), bindings: bindingRouters(),
		gate:     newGate(config.Work, config.Queue, config.Patience),
		cache:    gateway.NewCache[outcome](nil),
		listener: newListener(open, certificate, config),
		closed:   make(chan struct{}), done: make(chan struct{}),
	}
	if s.edges, err = listenEdges(config, parts.Edge, log); err != nil {
		return nil, errors.Join(err, open.Close())
	}
	s.base, s.giveUp = context.WithCancelCause(context.Background())
	s.metrics = newMetrics(s)
	s.app = s.newApp()
	return s, nil
}

// newApp sets fiber up so that none of its conveniences stands between a
// request and the call made of it: bodies are streams and never parsed ahead,
// and all deadlines but the one for headers are ours.
func (s *Server) newApp() *fiber.App {
	app := fiber.New(fiber.Config{
		AppName:                      "nearside",
		DisableStartupMessage:        true,
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		BodyLimit:                    math.MaxInt, // not enforced on streams; body.go counts
		ReadTimeout:                  s.config.HeaderTimeout,
		IdleTimeout:                  s.config.IdleTimeout,
		ReadBufferSize:               maxHeaderBytes,
		Concurrency:                  s.config.Connections + 1, // the listener holds the cap, see turnAway
		DisableDefaultContentType:    true,
		ErrorHandler:                 s.malformed,
	})
	inner := app.Server()
	inner.Handler = func(request *fasthttp.RequestCtx) { // fiber's own would refuse unknown methods in plain text
		f := app.AcquireCtx(request)
		defer app.ReleaseCtx(f)
		s.serve(f)
	}
	inner.CloseOnShutdown = true
	inner.MaxIdleWorkerDuration = time.Second
	inner.ConnState = state
	return app
}

// Addr is the address the server listens on, with its real port.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run serves until ctx ends or Close is called, then drains: it stops
// accepting, lets calls in flight finish for the grace period, ends the rest,
// and returns when nothing of the server is left. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	if !s.running.CompareAndSwap(false, true) {
		return fmt.Errorf("server: Run was called twice")
	}
	defer close(s.done)
	var background sync.WaitGroup
	served := make(chan error, 1+len(s.edges))
	stop := make(chan struct{})
	background.Go(func() { served <- s.app.Listener(s.listener) })
	for _, l := range s.edges {
		background.Go(func() { served <- s.app.Server().Serve(l) })
	}
	background.Go(func() { s.watch.run(stop) })
	working, rest := context.WithCancel(context.Background())
	defer rest()
	if s.parts.Batches != nil {
		background.Go(func() { s.parts.Batches.Run(working, s.worker()) })
	}
	if s.parts.Jobs != nil {
		background.Go(func() { s.parts.Jobs.Run(working) })
	}
	var err error
	select {
	case <-ctx.Done():
	case <-s.closed:
	case err = <-served:
	}
	rest() // batches and jobs end what they have begun while calls do
	s.drain()
	close(stop)
	background.Wait()
	return err
}

// Close ends Run and waits for it. It may be called any number of times.
func (s *Server) Close() error {
	s.closing.Do(func() { close(s.closed) })
	if s.running.CompareAndSwap(false, true) {
		close(s.done)
		return s.closeListeners()
	}
	<-s.done
	return nil
}

// drain stops accepting, waits for calls in flight, and ends what is left.
func (s *Server) drain() {
	s.draining.Store(true)
	grace, cancel := context.WithTimeout(context.Background(), s.config.Grace)
	defer cancel()
	if err := s.closeListeners(); err != nil { // fasthttp would not, if it has only just started
		s.log.Warn("a listening socket did not close", "error", err)
	}
	for _, l := range s.listeners() {
		l.retire()
	}
	if err := s.app.ShutdownWithContext(grace); err != nil {
		s.log.Warn("calls were still in flight after the grace period and are being ended", "grace", s.config.Grace, "calls", s.watch.size())
		s.giveUp(errDrained)
		for _, l := range s.listeners() {
			l.kill()
		}
	}
	// A connection that lingers for a client who is still sending outlives its call by a moment.
	last, stop := context.WithTimeout(context.Background(), lastWait)
	defer stop()
	for _, l := range s.listeners() {
		l.wait(last)
	}
}

// listeners are all addresses that the server listens on.
func (s *Server) listeners() []*listener { return append([]*listener{s.listener}, s.edges...) }

func (s *Server) closeListeners() error {
	var errs []error
	for _, l := range s.listeners() {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// connections is the number of open connections.
func (s *Server) connections() (n int) {
	for _, l := range s.listeners() {
		n += l.size()
	}
	return n
}
