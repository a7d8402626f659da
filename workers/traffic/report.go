package traffic

// Report is what a server tells of a project: what its bindings did, and how the
// indexes are that they did it to. On the wire it is the result of
// GET …/nearside/projects/{project}/traffic.
type Report struct {
	Project string  `json:"project"` // its id
	Relaxed bool    `json:"relaxed"` // the server allows more than Cloudflare does (--relaxed)
	Days    []Spent `json:"days"`    // days with calls, oldest first
	Total   *Record `json:"total"`   // of these days
	Indexes []State `json:"indexes"` // that were called or asked for and exist now, by name
}

// Spent is what a day cost.
type Spent struct {
	Day          string `json:"day"`
	Calls        int64  `json:"calls"`
	MicroNeurons int64  `json:"micro_neurons"`
	Dimensions   int64  `json:"queried_dimensions"`
}

// Sum makes the days and the total of a report, which takes the records over.
func (r *Report) Sum(days []Day) {
	r.Days, r.Total = []Spent{}, &Record{}
	for _, d := range days {
		neurons, dimensions := d.Spent()
		r.Days = append(r.Days, Spent{d.Day, d.Calls(), neurons, dimensions})
		r.Total.Add(d.Record)
	}
}

// State is how an index is now.
type State struct {
	Name       string          `json:"name"`
	Dimensions int             `json:"dimensions"`
	Metric     string          `json:"metric"`
	Preset     string          `json:"preset,omitempty"`
	Vectors    int             `json:"vectors"`
	Namespaces int             `json:"namespaces"`
	Metadata   []MetadataIndex `json:"metadata_indexes"` // oldest first
}

// MetadataIndex is a metadata index, with the vectors that have a value for it and that
// it does not cover, because they were written before it was made.
type MetadataIndex struct {
	Property string `json:"property"`
	Type     string `json:"type"`
	Hidden   int    `json:"hidden"`
	More     bool   `json:"more,omitempty"` // there may be more: only some were looked at
}
