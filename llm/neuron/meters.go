package neuron

import "github.com/prometheus/client_golang/prometheus"

// meters count from when the program started. Their label is the model alone:
// accounts are names that callers choose.
type meters struct {
	calls, failed, cached, tokens, neurons *prometheus.CounterVec
	reserved                               *prometheus.Desc
}

func newMeters() *meters {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"model"})
	}
	return &meters{
		calls:    counter("nearside_model_calls_total", "Calls that a model answered."),
		failed:   counter("nearside_model_failed_calls_total", "Calls that no model answered; they cost nothing."),
		cached:   counter("nearside_model_cached_calls_total", "Calls that were answered from a cache; they cost nothing."),
		tokens:   counter("nearside_model_tokens_total", "Tokens that models read and wrote."),
		neurons:  counter("nearside_model_neurons_total", "Neurons charged, by the published prices."),
		reserved: prometheus.NewDesc("nearside_model_reservations", "Calls under way that neurons are reserved for.", nil, nil),
	}
}

func (m *meters) charged(model string, used Usage, cost Micro) {
	m.calls.WithLabelValues(model).Inc()
	tokens := within(used[InputTokens]) + within(used[CachedInputTokens]) + within(used[OutputTokens])
	m.tokens.WithLabelValues(model).Add(float64(tokens))
	m.neurons.WithLabelValues(model).Add(float64(cost) / 1e6)
}

func (m *meters) counters() []*prometheus.CounterVec {
	return []*prometheus.CounterVec{m.calls, m.failed, m.cached, m.tokens, m.neurons}
}

// Describe implements prometheus.Collector.
func (l *Ledger) Describe(out chan<- *prometheus.Desc) {
	for _, c := range l.meters.counters() {
		c.Describe(out)
	}
	out <- l.meters.reserved
}

// Collect implements prometheus.Collector.
func (l *Ledger) Collect(out chan<- prometheus.Metric) {
	for _, c := range l.meters.counters() {
		c.Collect(out)
	}
	out <- prometheus.MustNewConstMetric(l.meters.reserved, prometheus.GaugeValue, float64(l.Reservations()))
}
