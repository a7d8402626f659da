package batch

import "github.com/prometheus/client_golang/prometheus"

// meters count from when the program started.
type meters struct {
	items                  *prometheus.CounterVec
	batches, waiting, busy *prometheus.Desc
	held                   *prometheus.Desc
}

func newMeters() *meters {
	gauge := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
	return &meters{
		items: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "nearside_batch_items_total",
			Help: "Items of batches, by what happened: taken, answered, failed, postponed."}, []string{"what"}),
		batches: gauge("nearside_batches_open", "Batches that have not ended."),
		waiting: gauge("nearside_batch_items_queued", "Items of batches that wait for their turn."),
		busy:    gauge("nearside_batch_items_running", "Items of batches that a model is working on."),
		held:    gauge("nearside_batch_bytes", "Bytes of inputs and results that are kept for batches."),
	}
}

func (m *meters) ended(answered bool) {
	what := "failed"
	if answered {
		what = "answered"
	}
	m.items.WithLabelValues(what).Inc()
}

// Describe implements prometheus.Collector.
func (s *Store) Describe(out chan<- *prometheus.Desc) {
	s.meters.items.Describe(out)
	for _, d := range []*prometheus.Desc{s.meters.batches, s.meters.waiting, s.meters.busy, s.meters.held} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (s *Store) Collect(out chan<- prometheus.Metric) {
	s.meters.items.Collect(out)
	s.mu.Lock()
	open, held, waiting, busy := len(s.queue), s.held, 0, 0
	for _, j := range s.queue {
		waiting += len(j.waiting)
		busy += j.running
	}
	s.mu.Unlock()
	gauge := func(d *prometheus.Desc, value int64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value))
	}
	gauge(s.meters.batches, int64(open))
	gauge(s.meters.waiting, int64(waiting))
	gauge(s.meters.busy, int64(busy))
	gauge(s.meters.held, held)
}
