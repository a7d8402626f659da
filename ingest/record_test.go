package ingest_test

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nearside/doc"
	"nearside/doc/chunk"
	"nearside/fault"
	"nearside/ingest"
)

// only returns the one record of a world.
func only(t *testing.T, w *world) ingest.Record {
	t.Helper()
	if len(w.records) != 1 {
		t.Fatalf("there are %d records, want 1", len(w.records))
	}
	for _, r := range w.records {
		return r
	}
	return ingest.Record{}
}

func TestMetadataSaysWhereAPassageComesFrom(t *testing.T) {
	w := newWorld(t)
	page := "---\ntitle: The title\ntags: [one, two]\ndraft: false\nyear: 2024\nwho: {name: x}\na.b: dotted\npath: elsewhere\nteam: red\n---\n# Top\n\n## Below\n\nThe words.\n"
	o := options(w, &files{name: "file:///notes", at: map[string]entry{"guide/intro.md": {text: page}}})
	o.Namespace, o.Metadata = "ns", map[string]any{"team": "blue"}
	var warned []string
	o.Event = func(e ingest.Event) {
		if e.Kind == ingest.Warning {
			warned = append(warned, e.Path+": "+e.Reason)
		}
	}
	load(t, o)
	r := only(t, w)
	want := map[string]any{
		"path": "guide/intro.md", "source": "file:///notes", "title": "The title", "headings": "The title > Top > Below", "context": float64(len("The title\n\n")), "from": float64(strings.Index(page, "Top")), "to": float64(len(page) - 1),
		"line": 11.0, "last_line": 15.0, "tags": []any{"one", "two"}, "draft": false, "year": 2024.0, "a_b": "dotted", "team": "blue",
	}
	if got := metadataOf(t, r); !reflect.DeepEqual(got, want) || r.Namespace != "ns" {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if len(warned) != 1 || !strings.HasPrefix(warned[0], `guide/intro.md: "who"`) {
		t.Errorf("warned %q", warned)
	}
}

func TestMembersOfArchivesAreNamed(t *testing.T) {
	w := newWorld(t)
	var failed []string
	o := options(w, some())
	o.Event = func(e ingest.Event) {
		if e.Kind == ingest.ItemFailed {
			failed = append(failed, e.Path+": "+e.Reason)
		}
	}
	load(t, o)
	members := map[any]int{}
	for _, r := range w.records {
		if m := metadataOf(t, r); m["path"] == "c.zip" {
			members[m["member"]]++
		}
	}
	if members["one.md"] == 0 || members["three.md"] == 0 || len(members) != 2 {
		t.Errorf("members %v", members)
	}
	if k := w.items["c.zip"]; k.State != ingest.Failed || !strings.HasPrefix(k.Reason, "1 of 3 members: it is binary") || len(k.Records) == 0 {
		t.Errorf("the archive is %s: %s", k.State, k.Reason)
	}
	if all := strings.Join(failed, "\n"); len(failed) != 2 || !strings.Contains(all, "c.zip!two.bin: it is binary") {
		t.Errorf("told of %q", failed)
	}
}

func TestMetadataIsKeptUnderTheLimit(t *testing.T) {
	w := newWorld(t)
	page := "---\nlong: " + strings.Repeat("x", 6000) + "\nlonger: " + strings.Repeat("y", 9000) + "\nshort: z\n---\n# " + strings.Repeat("T", 3000) + "\n\nWords.\n"
	o := options(w, &files{at: map[string]entry{"a.md": {text: page}}})
	o.Chunk.Bare = true
	load(t, o)
	for _, r := range w.records {
		m := metadataOf(t, r)
		if len(r.Metadata) > 10<<10 || m["short"] != "z" || m["longer"] != nil || m["long"] == nil {
			t.Errorf("%d bytes of metadata", len(r.Metadata))
		}
	}
}

func TestMetadataForAllIsChecked(t *testing.T) {
	for key, words := range map[string]string{"a.b": "no dot", "$a": "no dot", "path": "says where", "big": "it can have"} {
		o := options(newWorld(t), some())
		o.Metadata = map[string]any{key: strings.Repeat("x", 3000)}
		if _, err := ingest.Load(t.Context(), o); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestTwoSourcesShareNoRecord(t *testing.T) {
	w := newWorld(t)
	load(t, options(w, &files{name: "file:///a", at: map[string]entry{"b/c.md": {text: "Words."}}}))
	w.items = map[string]ingest.Known{}
	load(t, options(w, &files{name: "file:///a/b", at: map[string]entry{"c.md": {text: "Words."}}}))
	if len(w.records) != 2 {
		t.Errorf("%d records, want 2", len(w.records))
	}
}

func TestADryRunWritesNothingAndCountsAll(t *testing.T) {
	w := newWorld(t)
	load(t, options(w, some()))
	before, kept := w.indexed(), w.remembered()
	w.changes = 0
	o := options(w, edited())
	o.DryRun = true
	shown := 0
	o.Show = func(_ string, _ *doc.Document, chunks []chunk.Chunk) error {
		shown += len(chunks)
		return nil
	}
	dry := load(t, o)
	if w.changes != 0 || len(w.released) != 1 {
		t.Errorf("%d changes, released %v", w.changes, w.released)
	}
	if !slices.Equal(before, w.indexed()) || !slices.Equal(kept, w.remembered()) {
		t.Error("something was written")
	}
	w.embedded = map[string]int{}
	real := load(t, options(w, edited()))
	d := dry.DryRun
	if d == nil || int64(shown) != d.Chunks || d.Chunks != real.Chunks || d.New != int64(len(w.embedded)) || dry.Gone != real.Gone || dry.Loaded != real.Loaded || dry.Failed != real.Failed {
		t.Errorf("foretold %+v %+v, came %+v with %d embedded", dry.Totals, d, real.Totals, len(w.embedded))
	}
	if d.Tokens == 0 || math.Abs(d.Neurons-float64(d.Tokens)/1000) > 1e-9 || d.Disk == 0 {
		t.Errorf("%+v", d)
	}
}
