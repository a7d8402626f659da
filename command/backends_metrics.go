package command

import (
	"github.com/prometheus/client_golang/prometheus"

	"nearside/llm/backend"
)

// backendFigures are what /metrics tells of each model server. The label is its
// name in the catalogue, so there are few.
var backendFigures = []struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(backend.State) float64
}{
	{describe("nearside_backend_open", "1 while the backend is left alone after failures."), prometheus.GaugeValue, func(s backend.State) float64 {
		if s.Phase == backend.Open {
			return 1
		}
		return 0
	}},
	{describe("nearside_backend_models_open", "Models of the backend that are left alone after failures of their own."), prometheus.GaugeValue, func(s backend.State) float64 { return float64(len(s.Alone)) }},
	{describe("nearside_backend_in_flight", "Calls under way."), prometheus.GaugeValue, func(s backend.State) float64 { return float64(s.InFlight) }},
	{describe("nearside_backend_queued", "Calls that wait for their turn."), prometheus.GaugeValue, func(s backend.State) float64 { return float64(s.Queued) }},
	{describe("nearside_backend_calls_total", "Calls that reached the backend."), prometheus.CounterValue, func(s backend.State) float64 { return float64(s.Calls) }},
	{describe("nearside_backend_failures_total", "Calls that the backend failed."), prometheus.CounterValue, func(s backend.State) float64 { return float64(s.Failures) }},
	{describe("nearside_backend_rejected_total", "Calls that did not reach it: no room, or it was left alone."), prometheus.CounterValue, func(s backend.State) float64 { return float64(s.Rejected) }},
}

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, []string{"backend"}, nil)
}

// Describe implements prometheus.Collector.
func (b *backends) Describe(out chan<- *prometheus.Desc) {
	for _, f := range backendFigures {
		out <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (b *backends) Collect(out chan<- prometheus.Metric) {
	for _, s := range b.states() {
		for _, f := range backendFigures {
			out <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(s), s.Name)
		}
	}
}
