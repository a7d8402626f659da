package jobs

import "github.com/prometheus/client_golang/prometheus"

// meters count from when the program started.
type meters struct {
	jobs            *prometheus.CounterVec
	panics          prometheus.Counter
	queued, running *prometheus.Desc
}

func newMeters() *meters {
	gauge := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
	return &meters{
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "nearside_jobs_total",
			Help: "Jobs, by what happened: taken, postponed, done, failed, cancelled."}, []string{"what"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Name: "nearside_job_panics_total", Help: "Jobs whose handler panicked: bugs."}),
		queued: gauge("nearside_jobs_queued", "Jobs that wait for their turn."), running: gauge("nearside_jobs_running", "Jobs that run."),
	}
}

// Describe implements prometheus.Collector.
func (s *Store) Describe(out chan<- *prometheus.Desc) {
	s.meters.jobs.Describe(out)
	s.meters.panics.Describe(out)
	out <- s.meters.queued
	out <- s.meters.running
}

// Collect implements prometheus.Collector.
func (s *Store) Collect(out chan<- prometheus.Metric) {
	s.meters.jobs.Collect(out)
	s.meters.panics.Collect(out)
	s.mu.Lock()
	queued, running := len(s.queue), 0
	for _, e := range s.queue {
		if e.busy() {
			running++
		}
	}
	s.mu.Unlock()
	out <- prometheus.MustNewConstMetric(s.meters.queued, prometheus.GaugeValue, float64(queued-running))
	out <- prometheus.MustNewConstMetric(s.meters.running, prometheus.GaugeValue, float64(running))
}
