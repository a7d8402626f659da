package manifest_test

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/catalog/manifest"
	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
)

var seed = flag.Uint64("seed", 0, "of the random changes; 0 = another each time")

// fixture is a store whose time stands still unless it is moved.
type fixture struct {
	*manifest.Store
	t   *testing.T
	now time.Time
}

func open(t *testing.T, path string) *fixture {
	t.Helper()
	f := &fixture{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	s, err := manifest.Open(disktest.OpenDir(t, path, disk.Options{}), func() time.Time { return f.now })
	if err != nil {
		t.Fatal(err)
	}
	f.Store = s
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

var docs = manifest.Index{Account: "local", Number: 7}

func (f *fixture) claim(name, holder string) manifest.Claim {
	f.t.Helper()
	c, err := f.Claim(f.t.Context(), docs, name, holder)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fixture) put(c *manifest.Claim, items ...manifest.Item) {
	f.t.Helper()
	if err := f.Put(f.t.Context(), c, items, nil); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) items(number int64, l manifest.Look) []manifest.Item {
	f.t.Helper()
	l.Limit = cmp.Or(l.Limit, manifest.MaxPut)
	items, err := f.Items(f.t.Context(), docs, number, l)
	if err != nil {
		f.t.Fatal(err)
	}
	return items
}

func loaded(path string, records ...string) manifest.Item {
	return manifest.Item{Path: path, State: manifest.Loaded, Size: int64(len(path)), Digest: "d", Recipe: "r", Records: records}
}

// wantFault fails the test unless err is of a kind and says all of it.
func wantFault(t *testing.T, err error, kind fault.Kind, words ...string) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("got %v, want a fault of the kind %v", err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func TestASourceHasOneLoaderAtATime(t *testing.T) {
	f := open(t, t.TempDir())
	first := f.claim("/docs", "ingest on north, process 17")
	_, err := f.Claim(t.Context(), docs, "/docs", "the second")
	wantFault(t, err, fault.Conflict, "/docs", "ingest on north, process 17", manifest.ClaimFor.String())
	other := f.claim("/other", "the second") // of another source
	f.put(&other, loaded("a"))

	if err := f.Release(t.Context(), first, true); err != nil {
		t.Fatal(err)
	}
	second := f.claim("/docs", "the second")
	if second.Source != first.Source {
		t.Errorf("the source is %d, and was %d", second.Source, first.Source)
	}
	wantFault(t, f.Put(t.Context(), &first, []manifest.Item{loaded("late")}, nil), fault.Conflict, "has ended", "the second")
	wantFault(t, f.Release(t.Context(), first, true), fault.Conflict, "has ended")
	if items := f.items(second.Source, manifest.Look{}); len(items) != 0 {
		t.Errorf("the first loader wrote %v behind the second's back", items)
	}
}

func TestAClaimEndsByItselfAndServesUntilSomebodyElseComes(t *testing.T) {
	f := open(t, t.TempDir())
	first := f.claim("/docs", "first")
	for range 3 { // use prolongs it
		f.now = f.now.Add(manifest.ClaimFor - time.Second)
		if err := f.Renew(t.Context(), &first); err != nil {
			t.Fatal(err)
		}
		_, err := f.Claim(t.Context(), docs, "/docs", "second")
		wantFault(t, err, fault.Conflict, "first")
	}
	f.now = f.now.Add(manifest.ClaimFor + time.Second)
	f.put(&first, loaded("a")) // nobody came
	f.now = f.now.Add(manifest.ClaimFor + time.Second)
	second := f.claim("/docs", "second")
	wantFault(t, f.Renew(t.Context(), &first), fault.Conflict, "second")
	f.now = f.now.Add(manifest.ClaimFor + time.Second)
	if err := f.Release(t.Context(), second, false); err != nil {
		t.Fatal(err)
	}
	wantFault(t, f.Renew(t.Context(), &first), fault.Conflict, "nobody has it now")
}

func TestAClaimOutlivesTheStore(t *testing.T) {
	path := t.TempDir()
	var c manifest.Claim
	t.Run("before", func(t *testing.T) { f := open(t, path); c = f.claim("/docs", "first") })
	f := open(t, path)
	_, err := f.Claim(t.Context(), docs, "/docs", "second")
	wantFault(t, err, fault.Conflict, "first")
	f.put(&c, loaded("a"))
}

func TestSourcesTellWhatTheyHave(t *testing.T) {
	f := open(t, t.TempDir())
	c := f.claim("/docs", "first")
	f.put(&c, loaded("a", "1", "2"), loaded("b", "3"), manifest.Item{Path: "c", State: manifest.Failed, Reason: "encrypted"})
	f.claim("/more", "second")
	for name, want := range map[string]int64{"/docs": c.Source, "/none": 0} {
		if n, err := f.Find(t.Context(), docs, name); n != want || err != nil {
			t.Errorf("%s has the number %d, %v", name, n, err)
		}
	}
	list, err := f.Sources(t.Context(), docs)
	if err != nil {
		t.Fatal(err)
	}
	want := []manifest.Source{
		{Number: c.Source, Index: docs, Name: "/docs", Created: f.now, Holder: "first", Items: map[manifest.State]int{manifest.Loaded: 2, manifest.Failed: 1}, Records: 3},
		{Number: list[1].Number, Index: docs, Name: "/more", Created: f.now, Holder: "second", Items: map[manifest.State]int{}},
	}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("got %+v, want %+v", list, want)
	}
	if err := f.Release(t.Context(), c, true); err != nil {
		t.Fatal(err)
	}
	if list, _ = f.Sources(t.Context(), docs); list[0].Holder != "" || !list[0].Scanned.Equal(f.now) {
		t.Errorf("after the end of a scan: %+v", list[0])
	}
	if list, _ = f.Sources(t.Context(), manifest.Index{Account: "local", Number: 8}); len(list) != 0 {
		t.Errorf("another index has %+v", list)
	}
}

func TestItemsComeByPathInPages(t *testing.T) {
	f := open(t, t.TempDir())
	c := f.claim("/docs", "first")
	f.put(&c, loaded("b", "2"), loaded("a/z", "1"), manifest.Item{Path: "é", State: manifest.Failed, Reason: "no"}, loaded("a"), loaded("Z"))
	var paths []string
	for after := ""; ; {
		page := f.items(c.Source, manifest.Look{After: after, Limit: 2})
		for _, i := range page {
			paths = append(paths, i.Path)
			if i.Records != nil || (i.Count == 1) != (i.Path == "b" || i.Path == "a/z") {
				t.Errorf("%s has the records %q, which were not asked for, and counts %d", i.Path, i.Records, i.Count)
			}
		}
		if len(page) < 2 {
			break
		}
		after = page[1].Path
	}
	if want := []string{"Z", "a", "a/z", "b", "é"}; !slices.Equal(paths, want) {
		t.Errorf("got %q, want %q", paths, want)
	}
	if failed := f.items(c.Source, manifest.Look{State: manifest.Failed}); len(failed) != 1 || failed[0].Reason != "no" {
		t.Errorf("failed are %+v", failed)
	}
}

func TestItemsOfAStretchOfPaths(t *testing.T) {
	f := open(t, t.TempDir())
	c := f.claim("/docs", "first")
	f.put(&c, loaded("a"), loaded("a\x00000001"), loaded("a\x00000002"), loaded("a!"), loaded("ab"), loaded("b"))
	for _, look := range []struct {
		manifest.Look
		want []string
	}{
		{manifest.Look{From: "a", Until: "a\x01"}, []string{"a", "a\x00000001", "a\x00000002"}}, // a file and its parts
		{manifest.Look{From: "a", Until: "a\x01", After: "a\x00000001"}, []string{"a\x00000002"}},
		{manifest.Look{From: "ab"}, []string{"ab", "b"}},
		{manifest.Look{Until: "a"}, nil},
	} {
		var paths []string
		for _, i := range f.items(c.Source, look.Look) {
			paths = append(paths, i.Path)
		}
		if !slices.Equal(paths, look.want) {
			t.Errorf("%+v: got %q, want %q", look.Look, paths, look.want)
		}
	}
}

func TestAChangeIsWholeOrNotThere(t *testing.T) {
	f := open(t, t.TempDir())
	c := f.claim("/docs", "first")
	f.put(&c, loaded("a", "1"))
	before := f.items(c.Source, manifest.Look{Records: true})
	err := f.Put(t.Context(), &c, []manifest.Item{loaded("b"), {Path: "c", State: "half"}}, []string{"a"})
	wantFault(t, err, fault.Invalid, `"c"`, `"half"`)
	if after := f.items(c.Source, manifest.Look{Records: true}); !reflect.DeepEqual(after, before) {
		t.Errorf("after a change that was refused there is %+v, before %+v", after, before)
	}
}

func TestLimits(t *testing.T) {
	f := open(t, t.TempDir())
	c := f.claim("/docs", "first")
	ids := func(n int) []string { return slices.Repeat([]string{"x"}, n) }
	for _, limit := range []struct {
		name string
		most int
		try  func(n int) error
	}{
		{"path", manifest.MaxPath, func(n int) error {
			return f.Put(t.Context(), &c, []manifest.Item{loaded(strings.Repeat("p", n))}, nil)
		}},
		{"records", manifest.MaxRecords, func(n int) error { return f.Put(t.Context(), &c, []manifest.Item{loaded("a", ids(n)...)}, nil) }},
		{"record id", 64, func(n int) error {
			return f.Put(t.Context(), &c, []manifest.Item{loaded("a", strings.Repeat("r", n))}, nil)
		}},
		{"items of a change", manifest.MaxPut, func(n int) error { return f.Put(t.Context(), &c, nil, ids(n)) }},
		{"name", manifest.MaxName, func(n int) error {
			_, err := f.Claim(t.Context(), docs, strings.Repeat("n", n), "h")
			return err
		}},
		{"holder", 256, func(n int) error {
			_, err := f.Claim(t.Context(), docs, fmt.Sprint("holder", n), strings.Repeat("h", n))
			return err
		}},
		{"page", manifest.MaxPut, func(n int) error {
			_, err := f.Items(t.Context(), docs, c.Source, manifest.Look{Limit: n})
			return err
		}},
	} {
		if err := limit.try(limit.most); err != nil {
			t.Errorf("%s, %d: %v", limit.name, limit.most, err)
		}
		for _, n := range []int{limit.most + 1, limit.most * 1000} {
			err := limit.try(min(n, 1_000_000))
			if wantFault(t, err, fault.Invalid, fmt.Sprint(limit.most)); err != nil && len(err.Error()) > 500 {
				t.Errorf("%s: the error has %d bytes", limit.name, len(err.Error()))
			}
		}
	}
	for name, bad := range map[string]manifest.Item{
		"no path":      {State: manifest.Loaded},
		"not UTF-8":    {Path: "a\xff", State: manifest.Loaded},
		"negative":     {Path: "a", State: manifest.Loaded, Size: -1},
		"empty id":     {Path: "a", State: manifest.Loaded, Records: []string{""}},
		"id of lines":  {Path: "a", State: manifest.Loaded, Records: []string{"a\nb"}},
		"long digest":  {Path: "a", State: manifest.Loaded, Digest: strings.Repeat("d", 129)},
		"no state":     {Path: "a"},
		"unknown name": {Path: "a", State: "LOADED"},
	} {
		if err := f.Put(t.Context(), &c, []manifest.Item{bad}, nil); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.put(&c, manifest.Item{Path: "long", State: manifest.Failed, Reason: strings.Repeat("é", manifest.MaxReason)})
	if got := f.items(c.Source, manifest.Look{State: manifest.Failed}); len(got[0].Reason) != manifest.MaxReason {
		t.Errorf("a long reason has %d bytes", len(got[0].Reason))
	}
}

func TestAnIndexHasSoManySources(t *testing.T) {
	f := open(t, t.TempDir())
	var claims sync.WaitGroup
	for i := range manifest.MaxSources {
		claims.Go(func() {
			if _, err := f.Claim(t.Context(), docs, fmt.Sprint(i), "h"); err != nil {
				t.Error(err)
			}
		})
	}
	claims.Wait()
	_, err := f.Claim(t.Context(), docs, "one more", "h")
	wantFault(t, err, fault.Invalid, fmt.Sprint(manifest.MaxSources), "remove one")
	if _, err := f.Claim(t.Context(), manifest.Index{Account: "other", Number: 7}, "one more", "h"); err != nil {
		t.Errorf("another account: %v", err)
	}
}

func TestForgettingLeavesNothingOfASource(t *testing.T) {
	f := open(t, t.TempDir())
	c := f.claim("/docs", "first")
	f.put(&c, loaded("a"))
	wantFault(t, f.Forget(t.Context(), docs, c.Source), fault.Conflict, "first")
	if err := f.Release(t.Context(), c, true); err != nil {
		t.Fatal(err)
	}
	wantFault(t, f.Forget(t.Context(), manifest.Index{Account: "other", Number: 7}, c.Source), fault.NotFound)
	if err := f.Forget(t.Context(), docs, c.Source); err != nil {
		t.Fatal(err)
	}
	_, err := f.Items(t.Context(), docs, c.Source, manifest.Look{Limit: 1})
	wantFault(t, err, fault.NotFound, fmt.Sprint(c.Source))
	again := f.claim("/docs", "second")
	if again.Source == c.Source || len(f.items(again.Source, manifest.Look{})) != 0 {
		t.Errorf("the source that came after has the number %d and %v", again.Source, f.items(again.Source, manifest.Look{}))
	}

	f.put(&again, loaded("b"))
	if err := f.ForgetIndex(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	wantFault(t, f.Renew(t.Context(), &again), fault.NotFound)
	if left, err := f.Indexes(t.Context()); len(left) != 0 || err != nil {
		t.Errorf("left are %v, %v", left, err)
	}
}

// TestRandomChangesLeaveWhatAPlainMapHas changes a source at random, opens it again now and then, and compares.
func TestRandomChangesLeaveWhatAPlainMapHas(t *testing.T) {
	n := *seed
	if n == 0 {
		n = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", n)
	r, path, model := rand.New(rand.NewPCG(n, 0)), t.TempDir(), map[string]manifest.Item{}
	var c manifest.Claim
	for round := range 5 {
		t.Run(fmt.Sprint("round ", round), func(t *testing.T) {
			f := open(t, path)
			if round == 0 {
				c = f.claim("/docs", "first")
			}
			for range 50 {
				var put []manifest.Item
				var remove []string
				for range r.IntN(4) {
					i := loaded(fmt.Sprint("p", r.IntN(30)))
					for range r.IntN(3) {
						i.Records = append(i.Records, fmt.Sprint("r", r.IntN(100)))
					}
					put = append(put, i)
				}
				for range r.IntN(3) {
					remove = append(remove, fmt.Sprint("p", r.IntN(30)))
				}
				if err := f.Put(t.Context(), &c, put, remove); err != nil {
					t.Fatal(err)
				}
				for _, p := range remove {
					delete(model, p)
				}
				for _, i := range put {
					i.Changed = f.now
					model[i.Path] = i
				}
			}
			want := slices.SortedFunc(maps.Values(model), func(a, b manifest.Item) int { return cmp.Compare(a.Path, b.Path) })
			if got := f.items(c.Source, manifest.Look{Records: true}); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}
