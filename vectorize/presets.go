package vectorize

import (
	"maps"
	"slices"
	"strings"

	"nearside/index"
)

// preset is a configuration that Cloudflare named after a model.
type preset struct {
	dimensions int
	metric     index.Metric
}

// presets are the names that Cloudflare's API takes. Dimensions follow from the
// models; no public source states the metric, and cosine is how all five are used.
var presets = map[string]preset{
	"@cf/baai/bge-small-en-v1.5":     {384, index.Cosine},
	"@cf/baai/bge-base-en-v1.5":      {768, index.Cosine},
	"@cf/baai/bge-large-en-v1.5":     {1024, index.Cosine},
	"openai/text-embedding-ada-002":  {1536, index.Cosine},
	"cohere/embed-multilingual-v2.0": {768, index.Cosine},
}

// PresetShape returns what a preset stands for; ok is false for names that are none.
func PresetShape(name string) (dimensions int, metric index.Metric, ok bool) {
	p, ok := presets[name]
	return p.dimensions, p.metric, ok
}

func presetNames() string {
	return strings.Join(slices.Sorted(maps.Keys(presets)), ", ")
}
