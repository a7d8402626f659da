package server

import (
	"bytes"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// metrics is what /metrics tells. Labels come from the route table and from
// fixed lists, never from a request, so their number is bounded.
type metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	received prometheus.Counter
	inFlight prometheus.Gauge
	hungUp   prometheus.Counter
	panics   prometheus.Counter
	tallies  sync.Map // tallyKey → *tally
}

// tallyKey names the meters of a call. All of its values are few.
type tallyKey struct {
	method, route string
	status        int
}

// tally is the meters of calls that went alike, found once: to find them by their
// labels takes longer than to count.
type tally struct {
	calls   prometheus.Counter
	seconds prometheus.Observer
}

func (m *metrics) tally(key tallyKey) *tally {
	if known, ok := m.tallies.Load(key); ok {
		return known.(*tally)
	}
	found, _ := m.tallies.LoadOrStore(key, &tally{m.calls.WithLabelValues(key.method, key.route, strconv.Itoa(key.status)), m.seconds.WithLabelValues(key.route)})
	return found.(*tally)
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "nearside_http_requests_total", Help: "Requests answered."}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "nearside_http_request_seconds", Help: "Time from a request's head to its reply.",
			Buckets: []float64{.0001, .0003, .001, .003, .01, .03, .1, .3, 1, 3, 10, 30}}, []string{"route"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "nearside_http_failures_total", Help: "Requests that failed, by kind of fault."}, []string{"kind"}),
		received: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "nearside_http_received_bytes_total", Help: "Bytes of request bodies read."}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "nearside_http_in_flight", Help: "Calls in flight."}),
		hungUp: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "nearside_http_hangups_total", Help: "Calls whose client hung up."}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "nearside_http_panics_total", Help: "Handlers that panicked: bugs."}),
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	m.registry.MustRegister(m.calls, m.seconds, m.refused, m.received, m.inFlight, m.hungUp, m.panics,
		gauge("nearside_http_connections", "Open connections.", func() float64 { return float64(s.connections()) }),
		gauge("nearside_http_queued", "Calls waiting to be worked on.", func() float64 { return float64(s.gate.waiting.Load()) }),
		gauge("nearside_http_body_bytes", "Bytes of request bodies in memory.", func() float64 { return float64(s.bodies.Load()) }),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(s.parts.Collectors...)
	if s.parts.Batches != nil {
		m.registry.MustRegister(s.parts.Batches)
	}
	if s.parts.Jobs != nil {
		m.registry.MustRegister(s.parts.Jobs)
	}
	if s.parts.Ledger != nil {
		m.registry.MustRegister(s.parts.Ledger)
	}
	return m
}

// methods are the ones that may be a label; any other is "other".
var methods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true, "OPTIONS": true}

func (m *metrics) finished(c *call, hungUp bool) {
	method := c.method
	if !methods[method] {
		method = "other"
	}
	m.inFlight.Dec()
	t := m.tally(tallyKey{method, c.pattern(), c.status})
	t.calls.Inc()
	t.seconds.Observe(time.Since(c.started).Seconds())
	m.received.Add(float64(c.incoming.received))
	if c.fault != nil {
		m.refused.WithLabelValues(c.fault.Kind.String()).Inc()
	}
	if hungUp {
		m.hungUp.Inc()
	}
}

// showMetrics answers GET /metrics in Prometheus' text format.
func showMetrics(s *Server, c *call) error {
	families, err := s.metrics.registry.Gather()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	encoder := expfmt.NewEncoder(&out, format)
	for _, f := range families {
		if err := encoder.Encode(f); err != nil {
			return err
		}
	}
	c.write(c.status, string(format), out.Bytes())
	return nil
}
