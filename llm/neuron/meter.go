package neuron

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// maxLines bounds a Meter's memory: accounts and models of one day. Calls
// beyond it are still in the counters of Collect, only not in Today.
const maxLines = 100_000

// Line is what one account used of one model on one UTC day.
type Line struct {
	Model   string
	Calls   int64
	Tokens  int64
	Neurons Micro
}

// Meter adds up what is used. It may be used from any goroutine.
type Meter struct {
	clock                  func() time.Time
	calls, tokens, neurons *prometheus.CounterVec

	mu    sync.Mutex // guards what follows; nothing waits under it
	day   string
	lines map[lineKey]*Line
}

type lineKey struct{ account, model string }

// NewMeter returns an empty meter. The clock says which day it is.
func NewMeter(clock func() time.Time) *Meter {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"model"})
	}
	return &Meter{
		clock:   clock,
		calls:   counter("nearside_model_calls_total", "Calls that a model answered."),
		tokens:  counter("nearside_model_tokens_total", "Tokens that models read and wrote."),
		neurons: counter("nearside_model_neurons_total", "Neurons charged, by the published prices."),
		lines:   map[lineKey]*Line{},
	}
}

// Add counts one call.
func (m *Meter) Add(account, model string, tokens int64, cost Micro) {
	m.calls.WithLabelValues(model).Inc()
	m.tokens.WithLabelValues(model).Add(float64(tokens))
	m.neurons.WithLabelValues(model).Add(float64(cost) / 1e6)

	m.mu.Lock()
	defer m.mu.Unlock()
	m.turnLocked()
	key := lineKey{account, model}
	line := m.lines[key]
	if line == nil {
		if len(m.lines) >= maxLines {
			return
		}
		line = &Line{Model: model}
		m.lines[key] = line
	}
	line.Calls++
	line.Tokens += tokens
	line.Neurons += cost
}

// Today returns what an account used since midnight UTC, or since the start of
// the program if that was later, by model; and the day, as 2006-01-02.
func (m *Meter) Today(account string) (day string, lines []Line) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turnLocked()
	for key, line := range m.lines {
		if key.account == account {
			lines = append(lines, *line)
		}
	}
	slices.SortFunc(lines, func(a, b Line) int { return cmp.Compare(a.Model, b.Model) })
	return m.day, lines
}

// turnLocked begins a new page when the day has changed.
func (m *Meter) turnLocked() {
	if day := m.clock().UTC().Format(time.DateOnly); day != m.day {
		m.day = day
		clear(m.lines)
	}
}

// Describe implements prometheus.Collector.
func (m *Meter) Describe(out chan<- *prometheus.Desc) {
	for _, c := range []*prometheus.CounterVec{m.calls, m.tokens, m.neurons} {
		c.Describe(out)
	}
}

// Collect implements prometheus.Collector. The label is the model alone:
// accounts are names that callers choose.
func (m *Meter) Collect(out chan<- prometheus.Metric) {
	for _, c := range []*prometheus.CounterVec{m.calls, m.tokens, m.neurons} {
		c.Collect(out)
	}
}
