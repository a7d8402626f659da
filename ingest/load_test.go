package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nearside/fault"
	"nearside/ingest"
)

// some is a source with small files, large ones, one that cannot be read, and an archive.
func some() *files {
	return &files{at: map[string]entry{
		"a.md":        {text: paragraphs("a", 2)},
		"b/large.md":  {text: paragraphs("large", 15)},
		"b/other.md":  {text: paragraphs("other", 3)},
		"bad.bin":     {text: "\x00\x01\x02"},
		"c.zip":       {members: []entry{{name: "one.md", text: paragraphs("one", 2)}, {name: "two.bin", text: "\x00"}, {name: "three.md", text: paragraphs("three", 2)}}},
		"d/middle.md": {text: paragraphs("middle", 5)},
		"e.md":        {text: paragraphs("e", 4)},
		"p.md":        {text: paragraphs("p", 6)},
		"s.md":        {text: "A short one."},
	}}
}

// edited is the same after edits that move passages between parts, shorten, lengthen and remove.
func edited() *files {
	f := some()
	f.at["a.md"] = entry{text: paragraphs("a", 6)}                                                  // now it has parts
	f.at["b/large.md"] = entry{text: paragraphs("new", 2) + paragraphs("large", 9)}                 // everything moved
	f.at["d/middle.md"] = entry{text: paragraphs("middle", 1)}                                      // no parts any more
	f.at["c.zip"] = entry{members: []entry{{name: "three.md", text: paragraphs("three", 3)}}}       // members are gone
	f.at["bad.bin"] = entry{text: paragraphs("good", 1)}                                            // it can be read now
	f.at["e.md"] = entry{text: "\x00" + paragraphs("e", 4)}                                         // it cannot be read any more
	f.at["n.md"] = entry{text: paragraphs("n", 2)}                                                  // new
	f.at["p.md"] = entry{text: strings.Replace(paragraphs("p", 6), "goes on", "went on and on", 1)} // later parts are the same, elsewhere
	f.at["s.md"] = entry{text: "Another one, longer."}
	delete(f.at, "b/other.md")
	return f
}

func TestASecondRunReadsWritesAndAsksNothing(t *testing.T) {
	w, source := newWorld(t), some()
	first := load(t, options(w, source))
	if first.Loaded != 7 || first.Failed != 2 || first.Tokens == 0 {
		t.Errorf("the first run: %+v", first.Totals)
	}
	var opened atomic.Int64
	for path, e := range source.at {
		e.opened = &opened
		source.at[path] = e
	}
	w.changes = 0
	second := load(t, options(w, source))
	if second.Unchanged != 7 || second.Failed != 2 || second.Loaded != 0 || second.Tokens != 0 || w.changes != 0 || opened.Load() != 0 {
		t.Errorf("the second run: %+v, %d changes, %d opened", second.Totals, w.changes, opened.Load())
	}
	if len(second.Failures) != 2 || second.Failures[0].Path != "bad.bin" || !strings.Contains(second.Failures[1].Reason, "1 of 3 members") {
		t.Errorf("failures that were there before are not told of again: %+v", second.Failures)
	}
}

func TestEditsLeadToOneCleanLoad(t *testing.T) {
	w := newWorld(t)
	load(t, options(w, some()))
	report := load(t, options(w, edited()))
	if report.Pruned != 1 {
		t.Errorf("%d items were pruned, want 1", report.Pruned)
	}
	same(t, "after the edits", w, clean(t, edited()))
	for id, n := range w.embedded {
		if n > 1 {
			t.Errorf("the record %s was embedded %d times", id, n)
		}
	}
}

// TestACrashAfterAnyChangeIsHealedByTheNextRun lets a load crash before and after each change that it makes to the index or
// the manifest, first on an empty index and then on one that has an earlier state.
func TestACrashAfterAnyChangeIsHealedByTheNextRun(t *testing.T) {
	want, started := clean(t, edited()), 0
	for _, first := range []*files{nil, some()} {
		for _, after := range []bool{false, true} {
			for at := 1; ; at++ {
				w := newWorld(t)
				if first != nil {
					load(t, options(w, first))
				}
				w.changes, w.crashAt, w.after = 0, at, after
				_, err := ingest.Load(t.Context(), options(w, edited()))
				if err == nil {
					break // it made fewer changes
				}
				started++
				w.revive()
				load(t, options(w, edited()))
				what := fmt.Sprintf("crash at change %d, after it: %v, on an index with records: %v", at, after, first != nil)
				same(t, what, w, want)
				for id, n := range w.embedded {
					if n > 1 && !w.inFlight[id] {
						t.Errorf("%s: the record %s was embedded %d times", what, id, n)
					}
				}
				if t.Failed() {
					return
				}
			}
		}
	}
	if started < 40 {
		t.Errorf("there were %d crashes only", started)
	}
}

func TestAnyEditsAndCrashesEndAsOneCleanLoad(t *testing.T) {
	t.Logf("seed %d", *seed)
	random := rand.New(rand.NewPCG(*seed, 7))
	w, source := newWorld(t), &files{at: map[string]entry{}}
	clock := long
	for round := range 60 {
		for range 1 + random.IntN(4) {
			clock = clock.Add(time.Minute)
			edit(random, source, clock)
		}
		if random.IntN(2) == 0 {
			w.revive()
			w.crashAt, w.after = 1+random.IntN(12), random.IntN(2) == 0
			if _, err := ingest.Load(t.Context(), options(w, source)); err != nil && !errors.Is(err, errDead) {
				t.Fatal(err)
			}
			w.revive()
			if random.IntN(2) == 0 {
				continue // and edited again before the next run
			}
		}
		load(t, options(w, source))
		same(t, fmt.Sprintf("round %d", round), w, clean(t, source))
		if t.Failed() {
			return
		}
	}
}

// edit changes a source at random.
func edit(random *rand.Rand, source *files, now time.Time) {
	name := []string{"a", "b/a", "b/b", "b-c", "b.d", "c"}[random.IntN(6)]
	if random.IntN(4) == 0 {
		delete(source.at, name+".md")
		return
	}
	text := ""
	for range random.IntN(4) {
		text += paragraphs(fmt.Sprint(name, random.IntN(3)), random.IntN(7))
	}
	if random.IntN(8) == 0 {
		text = "\x00" + text
	}
	source.at[name+".md"] = entry{text: text, modified: now}
}

func TestRecordsAreWrittenAgainWhenTheRecipeChanges(t *testing.T) {
	w := newWorld(t)
	load(t, options(w, some()))
	o := options(w, some())
	o.Namespace, o.Metadata = "two", map[string]any{"team": "blue"}
	if report := load(t, o); report.Tokens != 0 || report.Loaded != 7 {
		t.Errorf("%+v", report.Totals)
	}
	for id, r := range w.records {
		if m := metadataOf(t, r); r.Namespace != "two" || m["team"] != "blue" {
			t.Errorf("the record %s is of the old recipe: %s %v", id, r.Namespace, m)
		}
	}
}

func TestWhatOnlyHasAnotherTimeIsNotReadTwice(t *testing.T) {
	w, source := newWorld(t), some()
	load(t, options(w, source))
	var opened atomic.Int64
	for path, e := range source.at {
		e.modified, e.opened = long.Add(time.Hour), &opened
		source.at[path] = e
	}
	if report := load(t, options(w, source)); report.Unchanged != 7 || report.Failed != 2 || report.Documents != 0 || opened.Load() != 9 {
		t.Errorf("%+v, %d opened", report.Totals, opened.Load())
	}
	if load(t, options(w, source)); opened.Load() != 9 {
		t.Error("the new times were not remembered")
	}
}

func TestAFileThatWasJustWrittenIsLookedIntoAgain(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	load(t, options(w, &files{at: map[string]entry{"a.md": {text: "one two", modified: now}}}))
	load(t, options(w, &files{at: map[string]entry{"a.md": {text: "six ten", modified: now}}})) // as long, within the same tick
	for _, r := range w.records {
		if r.Text != "six ten" {
			t.Errorf("the index has %q", r.Text)
		}
	}
}

func TestAVersionStandsForTheContent(t *testing.T) {
	w, opened := newWorld(t), new(atomic.Int64)
	page := func(version string) *files {
		return &files{at: map[string]entry{"a.md": {text: "one two", version: version, modified: time.Now(), opened: opened}}}
	}
	load(t, options(w, page("1")))
	if load(t, options(w, page("1"))); opened.Load() != 1 {
		t.Errorf("it was opened %d times, want once", opened.Load())
	}
	if load(t, options(w, page("2"))); opened.Load() != 2 {
		t.Error("a new version was not read")
	}
}

func TestWhatFailedIsTriedAgainOnlyWhenAsked(t *testing.T) {
	w, opened := newWorld(t), new(atomic.Int64)
	source := &files{at: map[string]entry{"bad.bin": {text: "\x00", opened: opened}}}
	for range 3 {
		load(t, options(w, source))
	}
	if opened.Load() != 1 {
		t.Errorf("it was opened %d times, want once", opened.Load())
	}
	o := options(w, source)
	o.RetryFailed = true
	if load(t, o); opened.Load() != 2 {
		t.Error("it was not tried again")
	}
}

func TestWhatCannotBeReadNowKeepsItsRecordsAndIsTriedAgain(t *testing.T) {
	for name, spoil := range map[string]func(*entry){
		"no right": func(e *entry) { e.problem = errors.New("no right to read it") },
		"changes":  func(e *entry) { e.changing, e.text, e.modified = true, e.text+"more", time.Now() },
	} {
		w, source := newWorld(t), some()
		load(t, options(w, source))
		before := w.indexed()
		e := source.at["b/large.md"]
		spoil(&e)
		source.at["b/large.md"] = e
		report := load(t, options(w, source))
		if report.Failed != 3 || report.Pruned != 0 {
			t.Errorf("%s: %+v", name, report.Totals)
		}
		after := w.indexed()
		if name == "no right" && !slices.Equal(after, before) || len(after) < len(before) {
			t.Errorf("%s: the index had %d records and has %d", name, len(before), len(after))
		}
		load(t, options(w, some()))
		same(t, name, w, clean(t, some()))
	}
}

func TestAPoisonousPassageIsLeftOutAlone(t *testing.T) {
	w := newWorld(t)
	w.poison = "section number 2 of the file large"
	var events []ingest.Event
	o := options(w, some())
	o.BatchRecords = 100
	o.Event = func(e ingest.Event) { events = append(events, e) }
	if report := load(t, o); report.Failed != 3 {
		t.Errorf("%+v", report.Totals)
	}
	if k := w.items["b/large.md"]; k.State != ingest.Failed || !strings.Contains(k.Reason, "passages were refused: the text") {
		t.Errorf("the item is %s: %s", k.State, k.Reason)
	}
	if have, all := len(w.records), len(clean(t, some()).records); have == all || have < all-2 {
		t.Errorf("%d of %d records are there", have, all)
	}
}

func TestALostClaimEndsTheLoad(t *testing.T) {
	w := newWorld(t)
	close(w.lost)
	_, err := ingest.Load(t.Context(), options(w, some()))
	if !fault.Is(err, fault.Conflict) || len(w.released) != 0 {
		t.Errorf("%v, released %v", err, w.released)
	}
}

func TestACancelledLoadReleasesAndGoesOn(t *testing.T) {
	for stopAt := 1; stopAt < 8; stopAt++ {
		w := newWorld(t)
		ctx, stop := context.WithCancel(t.Context())
		o, seen := options(w, some()), 0
		o.Event = func(e ingest.Event) {
			if seen++; seen == stopAt {
				stop()
			}
		}
		if _, err := ingest.Load(ctx, o); !errors.Is(err, context.Canceled) || !slices.Equal(w.released, []bool{false}) {
			t.Errorf("%v, released %v", err, w.released)
		}
		stop()
		load(t, options(w, some()))
		same(t, "after a cancelled load", w, clean(t, some()))
	}
}
