package command

import (
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"nearside/embed"
	"nearside/index"
	"nearside/index/local"
	"nearside/server"
)

// condition tells /health about the models and the indexes.
func (h *house) condition(models server.Condition) server.Condition {
	stats := h.engine.Stats()
	names := map[index.Number]string{}
	if len(stats.Warming)+len(stats.Damaged)+len(stats.Building) > 0 {
		for _, x := range h.catalog.All() {
			names[index.Number(x.Number)] = x.Account + "/" + x.Name
		}
	}
	c := models
	for _, b := range h.backends.states() {
		c.Backends = append(c.Backends, server.NewBackendCondition(b))
	}
	for _, n := range stats.Warming {
		c.Warming = append(c.Warming, names[n])
	}
	for _, n := range stats.Building {
		c.Building = append(c.Building, names[n])
	}
	for n, why := range stats.Damaged {
		c.Damaged = append(c.Damaged, fmt.Sprintf("%s: %v", names[n], why))
	}
	slices.Sort(c.Damaged)
	return c
}

// collectors tell /metrics about the indexes, the model servers and the embedding cache.
func (h *house) collectors(cache *embed.Cache) []prometheus.Collector {
	gauge := func(name, help string, value func(s local.Stats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(h.engine.Stats()) })
	}
	counter := func(name, help string, value func(s embed.CacheStats) int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value(cache.Stats())) })
	}
	return []prometheus.Collector{
		&h.backends,
		gauge("nearside_indexes_open", "Indexes in memory.", func(s local.Stats) float64 { return float64(s.Open) }),
		gauge("nearside_indexes_damaged", "Indexes that are damaged and out of service.", func(s local.Stats) float64 { return float64(len(s.Damaged)) }),
		gauge("nearside_records", "Records of the open indexes.", func(s local.Stats) float64 { return float64(s.Records) }),
		gauge("nearside_records_superseded", "Superseded versions of the open indexes that still take space.", func(s local.Stats) float64 { return float64(s.Unpurged) }),
		gauge("nearside_graphs_building", "Indexes whose graph is being built: they answer exactly, and slower.", func(s local.Stats) float64 { return float64(len(s.Building)) }),
		gauge("nearside_graph_tail_records", "Records that the graphs do not have yet.", func(s local.Stats) float64 { return float64(s.Tail) }),
		gauge("nearside_graph_memory_bytes", "Memory of the graphs.", func(s local.Stats) float64 { return float64(s.GraphBytes) }),
		gauge("nearside_graph_recall_lowest", "The lowest measured recall of an open index; 1 if none was measured.", func(s local.Stats) float64 { return s.Recall }),
		gauge("nearside_index_memory_bytes", "Memory granted to the open indexes.", func(s local.Stats) float64 { return float64(s.Bytes) }),
		counter("nearside_embed_cache_hits_total", "Texts whose vector was remembered.", func(s embed.CacheStats) int64 { return s.Hits }),
		counter("nearside_embed_cache_misses_total", "Texts whose vector was computed.", func(s embed.CacheStats) int64 { return s.Misses }),
	}
}
