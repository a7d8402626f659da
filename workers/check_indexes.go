package workers

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nearside/workers/traffic"
)

// checkIndexes looks at the indexes that were called, and at those that are bound.
func (k *checker) checkIndexes() {
	for _, name := range slices.Sorted(maps.Keys(k.Traffic.Total.Indexes)) {
		k.checkCalls(name, k.Traffic.Total.Indexes[name])
	}
	for _, x := range k.Traffic.Indexes {
		k.checkState(x)
		k.prepare(x)
	}
	for _, x := range k.config.Indexes {
		if !slices.ContainsFunc(k.Traffic.Indexes, func(s traffic.State) bool { return s.Name == x.Name }) {
			k.report.Notes = append(k.report.Notes, fmt.Sprintf("the index %s of env.%s is not on the server, or is damaged there, so nothing is said of it", x.Name, x.Binding))
		}
	}
	if k.Traffic.Relaxed {
		k.find(Differs, "relaxed", []string{"nearside serve --relaxed"}, "this server has limits wider than Cloudflare's, and a new metadata index covers the vectors that are there",
			"Cloudflare's limits hold, and a metadata index covers only what is written after it", "rehearse without --relaxed: what is beyond a limit is refused then as there")
	}
}

// where are the binding of an index and the calls of some methods.
func (k *checker) where(name string, x *traffic.Index, methods ...string) []string {
	var where []string
	binding := "VECTORIZE"
	for i, bound := range k.config.Indexes {
		if bound.Name == name {
			binding = bound.Binding
			where = append(where, k.at(fmt.Sprintf("/vectorize/%d", i))...)
			break
		}
	}
	if x == nil {
		return where
	}
	var made []string
	total := int64(0)
	for _, method := range methods {
		if n := x.Methods[method]; n != nil {
			made = append(made, "env."+binding+"."+method)
			total += n.Calls
		}
	}
	among := ""
	if total > 1 {
		among = "among "
	}
	return append(where, among+calls(total)+" of "+strings.Join(made, ", "))
}

// largest is a size that calls asked for, and the most that Cloudflare allows.
type largest struct {
	rule    string
	size    int
	most    int
	what    string // with %s for the size
	there   string // with %s for the most
	do      string
	methods []string
}

// checkCalls looks at what was asked of an index.
func (k *checker) checkCalls(name string, x *traffic.Index) {
	queries, puts := []string{"query", "queryById", "v1.query"}, []string{"insert", "upsert", "v1.insert", "v1.upsert"}
	for _, l := range []largest{
		{"batch", x.Batch, maxBatch, "a batch of %s vectors was written to " + name, "a Worker's insert or upsert takes at most %s vectors; 5,000 are for the HTTP API", "write at most 1,000 at a time", puts},
		{"topk-full", x.TopKFull, maxTopKFull, name + " was asked for topK %s with values or all metadata", "topK is at most %s with returnValues, or with returnMetadata true or \"all\"; beyond it is 40025", "ask for 50, or leave values out and use returnMetadata: \"indexed\"", queries},
		{"topk", x.TopK, maxTopK, name + " was asked for topK %s", "topK is at most %s", "ask for 100 and narrow the query by a namespace or a filter", queries},
		{"get-ids", x.GetIDs, maxGetIDs, "%s ids were asked of " + name + " at once", "getByIds takes %s ids; beyond it is 40007", "ask for 20 at a time", []string{"getByIds", "v1.getByIds"}},
		{"delete-ids", x.DeleteIDs, maxDeleteIDs, "%s ids were deleted from " + name + " at once", "deleteByIds takes %s ids; beyond it is 40007", "delete 100 at a time", []string{"deleteByIds", "v1.deleteByIds"}},
		{"metadata", x.MetadataBytes, maxMetadata, "a vector for " + name + " had %s bytes of metadata", "a vector has at most %s bytes of metadata, as compact JSON; beyond it is 40016", "keep long texts elsewhere, in KV or R2, and their key in the metadata", puts},
	} {
		if l.size > l.most {
			k.find(Breaks, l.rule, k.where(name, x, l.methods...), fmt.Sprintf(l.what, grouped(int64(l.size))), fmt.Sprintf(l.there, grouped(int64(l.most)))+" ("+limitsPage+")", l.do)
		}
	}
	for _, property := range slices.Sorted(maps.Keys(x.Unindexed)) {
		k.find(Breaks, "filter", k.where(name, x, queries...), fmt.Sprintf("%s filtered %s by %q, which has no metadata index", calls(x.Unindexed[property]), name, property),
			"as here, every vector counts as without it: $eq, $in and ranges find nothing", fmt.Sprintf("make the metadata index before you write vectors: npx wrangler vectorize create-metadata-index %s --property-name=%s --type=TYPE", name, property))
	}
	if x.Early > 0 {
		k.find(Differs, "read-after-write", k.where(name, x, "query", "queryById", "getByIds", "v1.query", "v1.getByIds"),
			fmt.Sprintf("%s of %s came within %d seconds of a write to it, the first after %d ms", reads(x.Early), name, int(traffic.Window.Seconds()), x.EarlyBy),
			"a write is visible after some seconds; until then reads give the state before it", "do not count on it: wait until describe() tells the mutation's id, or rehearse with nearside serve --consistency delayed")
	}
	k.checkLegacy(name, x)
}

func reads(n int64) string {
	if n == 1 {
		return "1 read"
	}
	return grouped(n) + " reads"
}

// checkLegacy looks for calls of the first version.
func (k *checker) checkLegacy(name string, x *traffic.Index) {
	var old []string
	for method := range x.Methods {
		if strings.HasPrefix(method, "v1.") {
			old = append(old, method)
		}
	}
	if slices.Sort(old); len(old) > 0 {
		k.find(Breaks, "vectorize-v1", k.where(name, x, old...), name+" is called in the manner of Vectorize v1",
			"no v1 index has been made since December 2024", "use a wrangler of 2025 or later, whose binding is v2")
	}
}

// checkState looks at how an index is.
func (k *checker) checkState(x traffic.State) {
	where := k.where(x.Name, nil)
	for _, m := range x.Metadata {
		if m.Hidden > 0 {
			n := grouped(int64(m.Hidden))
			if m.More {
				n = "at least " + n
			}
			k.find(Differs, "metadata-index-late", where, fmt.Sprintf("%s of %s vectors in %s have %q and are older than its metadata index", n, grouped(int64(x.Vectors)), x.Name, m.Property),
				"as here, filters do not see them", "make metadata indexes first there; to see them here, upsert these vectors again")
		}
	}
	plan := allowances[k.Plan]
	for _, l := range []struct {
		rule      string
		has, most int
		of        string
	}{{"metadata-indexes", len(x.Metadata), maxMetaIndexes, "metadata indexes"}, {"namespaces", x.Namespaces, plan.namespaces, "namespaces"}, {"vectors", x.Vectors, maxVectors, "vectors"}} {
		if l.has > l.most {
			k.find(Breaks, l.rule, where, fmt.Sprintf("%s has %s %s", x.Name, grouped(int64(l.has)), l.of),
				fmt.Sprintf("an index has at most %s %s on the %s plan (%s)", grouped(int64(l.most)), l.of, k.Plan, limitsPage), "spread them over several indexes")
		}
	}
}

// prepare says by which commands an index is made on Cloudflare as it is here.
func (k *checker) prepare(x traffic.State) {
	how := fmt.Sprintf("--dimensions=%d --metric=%s", x.Dimensions, x.Metric)
	if x.Preset != "" {
		how = "--preset=" + x.Preset
	}
	k.report.Prepare = append(k.report.Prepare, fmt.Sprintf("npx wrangler vectorize create %s %s", x.Name, how))
	for _, m := range x.Metadata {
		k.report.Prepare = append(k.report.Prepare, fmt.Sprintf("npx wrangler vectorize create-metadata-index %s --property-name=%s --type=%s", x.Name, m.Property, m.Type))
	}
}
