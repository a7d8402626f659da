package rows_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nearside/client"
	"nearside/ingest/bookmark"
	"nearside/ingest/rows"
)

// fvecs makes a file of n vectors of two dimensions, the first being the number of the row.
func fvecs(t *testing.T, n int) string {
	t.Helper()
	var file []byte
	for i := range n {
		file = binary.LittleEndian.AppendUint32(file, 2)
		file = binary.LittleEndian.AppendUint32(file, math.Float32bits(float32(i+1)))
		file = binary.LittleEndian.AppendUint32(file, math.Float32bits(0.5))
	}
	return write(t, "v.fvecs", string(file))
}

func TestVectorsGetTheirIDsFromWhatIsBesideThem(t *testing.T) {
	path := fvecs(t, 3)
	ids := write(t, "ids.txt", "x", "y é", "z", "")
	more := write(t, "more.jsonl", `{"id":"a","metadata":{"n":1}}`, `{"namespace":"eu","text":"words"}`, `{"id":"c","title":"t"}`)
	for name, c := range map[string]struct {
		o    rows.Options
		want []string
	}{
		"numbers":  {rows.Options{}, []string{"1", "2", "3"}},
		"prefix":   {rows.Options{IDPrefix: "v"}, []string{"v1", "v2", "v3"}},
		"ids":      {rows.Options{IDs: ids}, []string{"x", "y é", "z"}},
		"metadata": {rows.Options{MetadataFile: more}, []string{"2", "a", "c"}},
		"both":     {rows.Options{MetadataFile: more, IDs: ids}, []string{"x", "y é", "z"}},
	} {
		s, api := serve(t)
		c.o.Client, c.o.Index = api, "n"
		report, err := rows.Load(t.Context(), c.o, []string{path})
		var got []string
		for id := range s.stored {
			got = append(got, id)
		}
		slices.Sort(got)
		if err != nil || report.Loaded != 3 || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %+v, %v", name, got, report, err)
		}
		if whole := s.paths["/client/v4/accounts/local/nearside/indexes/n/records"]; whole != (c.o.MetadataFile != "") {
			t.Errorf("%s: sent to %v", name, s.paths)
		}
	}
	for name, c := range map[string]struct {
		o    rows.Options
		want string
	}{
		"few":    {rows.Options{IDs: write(t, "few", "x")}, "ends before row 2"},
		"many":   {rows.Options{IDs: write(t, "many", "x", "y", "z", "more")}, "has more lines than the 3 rows"},
		"empty":  {rows.Options{IDs: write(t, "empty", "x", "", "z")}, ":2 is empty"},
		"broken": {rows.Options{MetadataFile: write(t, "broken", "{}", "{", "{}")}, ":2: it is no record in JSON"},
	} {
		_, api := serve(t)
		c.o.Client, c.o.Index = api, "n"
		if _, err := rows.Load(t.Context(), c.o, []string{path}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	_, api := serve(t)
	if _, err := rows.Load(t.Context(), rows.Options{Client: api, Index: "n", IDs: ids}, []string{write(t, "a.jsonl", texts("a")...)}); err == nil {
		t.Error("ids beside a file of lines are taken")
	}
}

func TestARowThatIsWrongIsNamedAndTheOthersLoaded(t *testing.T) {
	s, api := serve(t)
	nan := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 1), 0x7fc00000)
	good := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 1), math.Float32bits(1))
	path := write(t, "v.fvecs", string(slices.Concat(good, nan, good)))
	var refused []string
	report, err := rows.Load(t.Context(), rows.Options{Client: api, Index: "n", Refused: func(at rows.Position, err error) { refused = append(refused, fmt.Sprint(at, ": ", err)) }}, []string{path})
	if err != nil || report.Loaded != 2 || report.Refused != 1 || len(s.stored) != 2 || len(refused) != 1 || !strings.Contains(refused[0], "v.fvecs row 2: value 1 is not a number") {
		t.Errorf("%+v, %q, %v", report, refused, err)
	}
}

func TestLinesWithVectorAndTextAreStoredWhole(t *testing.T) {
	s, api := serve(t)
	lines := []string{`{"id":"v","values":[1,2]}`, `{"id":"w","values":[1,2],"text":"words"}`, `{"id":"m","values":[1,2],"metadata":{"text":"no text of its own"}}`, `{"id":"t","text":"to be embedded"}`}
	report, err := rows.Load(t.Context(), rows.Options{Client: api, Index: "n", Concurrency: 1}, []string{write(t, "a.jsonl", lines...)})
	const account = "/client/v4/accounts/local"
	if err != nil || report.Loaded != 4 || !s.paths[account+"/nearside/indexes/n/records"] || !s.paths[account+"/nearside/indexes/n/texts"] || len(s.paths) != 2 {
		t.Errorf("%+v, %v, %v", report, s.paths, err)
	}
}

// failing answers the first calls by the server behind it, and then ends the load.
type failing struct {
	http.Handler
	left atomic.Int64
}

func (f *failing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.left.Add(-1) < 0 {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	f.Handler.ServeHTTP(w, r)
}

func TestALoadThatWasEndedGoesOnWhereAllBeforeIsStored(t *testing.T) {
	const n = 1000
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprintf(`{"id":"%d","values":[1,2]}`, i+1))
	}
	for name, path := range map[string]string{"vectors": fvecs(t, n), "lines": write(t, "v.jsonl", lines...)} {
		s := &refusing{stored: map[string]int{}, paths: map[string]bool{}, types: map[string]bool{}}
		f := &failing{Handler: s}
		listening := httptest.NewServer(f)
		state := t.TempDir()
		keep := bookmark.New(state, "test", path)
		resumed := int64(0)
		o := rows.Options{
			Client: &client.Client{URL: listening.URL}, Index: "n", BatchLines: 10, Concurrency: 4,
			Cloudflare: &rows.Cloudflare{Dimensions: 2}, Version: "1", Bookmark: func(string) *bookmark.Bookmark { return keep },
			Resumed: func(_ string, rows int64) { resumed = rows },
		}
		before := int64(0)
		for f.left.Store(7); ; f.left.Store(7) {
			report, err := rows.Load(t.Context(), o, []string{path})
			if resumed < before {
				t.Fatalf("%s: the mark went from %d to %d", name, before, resumed)
			}
			before = resumed
			s.mu.Lock() // a call may be under way that its load no longer waits for
			for i := range resumed {
				if s.stored[fmt.Sprint(i+1)] == 0 {
					t.Fatalf("%s: the load went on behind row %d, and row %d is not stored", name, resumed, i+1)
				}
			}
			s.mu.Unlock()
			if err == nil {
				if report.Before+report.Loaded != n || report.Before == 0 {
					t.Errorf("%s: %+v", name, report)
				}
				break
			}
		}
		listening.Close()
		sent := 0
		for _, times := range s.stored {
			sent += times
		}
		if len(s.stored) != n || sent > 4*n { // each run sends seven batches, of which one at least moves the mark
			t.Errorf("%s: %d records stored, sent %d", name, len(s.stored), sent)
		}
		if left, err := filepath.Glob(filepath.Join(state, "*")); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v, %v", name, left, err)
		}
	}
}

func TestAMarkOfAnotherFileOrIndexIsNotBelieved(t *testing.T) {
	dir := t.TempDir()
	keep := bookmark.New(dir, "a", "b")
	if err := keep.Write(bookmark.Mark{Version: "1", Rows: 7, After: "x"}); err != nil {
		t.Fatal(err)
	}
	if m := keep.Read("1"); m.Rows != 7 || m.After != "x" {
		t.Errorf("the mark is %+v", m)
	}
	for what, m := range map[string]bookmark.Mark{"another version": keep.Read("2"), "another load": bookmark.New(dir, "a", "c").Read("1")} {
		if m.Rows != 0 || m.After != "" {
			t.Errorf("%s: %+v", what, m)
		}
	}
	for range 2 {
		if err := keep.Remove(); err != nil || keep.Read("1").Rows != 0 {
			t.Errorf("a mark that was removed: %+v, %v", keep.Read("1"), err)
		}
	}
}

func TestWhatCloudflareDoesNotTakeIsNotSent(t *testing.T) {
	s, api := serve(t)
	lines := []string{
		`{"id":"good","values":[1,2],"metadata":{"a":1},"title":"t","text":"words"}`,
		`{"id":"text","text":"words"}`,
		`{"id":"wide","values":[1,2,3]}`,
		fmt.Sprintf(`{"id":%q,"values":[1,2]}`, strings.Repeat("i", 65)),
		fmt.Sprintf(`{"id":"ns","namespace":%q,"values":[1,2]}`, strings.Repeat("n", 65)),
		fmt.Sprintf(`{"id":"limit","values":[1,2],"metadata":{ "m" : %q }}`, strings.Repeat("m", 10<<10-8)),
		fmt.Sprintf(`{"id":"large","values":[1,2],"metadata":{"m":%q}}`, strings.Repeat("m", 10<<10-7)),
		`{"id":"taken","values":[1,2],"metadata":{"body":1},"text":"words"}`,
		`{`,
	}
	var mu sync.Mutex
	refused := map[int64]string{}
	o := rows.Options{Client: api, Index: "n", Cloudflare: &rows.Cloudflare{Dimensions: 2, TextKey: "body"}, Refused: func(at rows.Position, err error) {
		mu.Lock()
		defer mu.Unlock()
		refused[at.Line] = err.Error()
	}}
	report, err := rows.Load(t.Context(), o, []string{write(t, "a.jsonl", lines...)})
	if err != nil || report.Loaded != 2 || report.Refused != 7 || s.stored["good"] != 1 || s.stored["limit"] != 1 || len(s.paths) != 1 {
		t.Errorf("%+v, stored %v at %v, %v", report, s.stored, s.paths, err)
	}
	for line, want := range map[int64]string{
		2: "takes vectors only", 3: "3 dimensions, and the index 2", 4: "its id has 65 bytes", 5: "its namespace has 65 bytes", 7: "its metadata has 10241 bytes", 8: `has "body" already`, 9: "no record in JSON",
	} {
		if !strings.Contains(refused[line], want) {
			t.Errorf("line %d: %q, want %q", line, refused[line], want)
		}
	}
}

func TestAServiceThatIsAwayIsAskedAgain(t *testing.T) {
	s := &refusing{stored: map[string]int{}, paths: map[string]bool{}, types: map[string]bool{}}
	var calls, waited atomic.Int64
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := calls.Add(1); n <= 3 {
			w.WriteHeader([]int{0, http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusInternalServerError}[n])
			return
		}
		s.ServeHTTP(w, r)
	}))
	defer listening.Close()
	o := rows.Options{Client: &client.Client{URL: listening.URL}, Index: "n", Cloudflare: &rows.Cloudflare{Dimensions: 2, Pause: time.Millisecond, Waiting: func(error) { waited.Add(1) }}}
	if report, err := rows.Load(t.Context(), o, []string{fvecs(t, 3)}); err != nil || report.Loaded != 3 || waited.Load() != 3 {
		t.Errorf("%+v after %d pauses: %v", report, waited.Load(), err)
	}
}

func TestAServerThatIsBusyForLongOrGoesAwayIsWaitedForAndOneThatWasNeverThereIsNot(t *testing.T) {
	s := &refusing{stored: map[string]int{}, paths: map[string]bool{}, types: map[string]bool{}}
	var calls, waited atomic.Int64
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := calls.Add(1); {
		case n == 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		case n > 3 && n <= 12: // longer than package client waits
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			s.ServeHTTP(w, r)
		}
	}))
	o := rows.Options{Client: &client.Client{URL: listening.URL}, Index: "n", BatchLines: 1, Concurrency: 1, Pause: time.Millisecond, Waiting: func(error) { waited.Add(1) }}
	if report, err := rows.Load(t.Context(), o, []string{fvecs(t, 3)}); err != nil || report.Loaded != 3 || waited.Load() != 2 {
		t.Errorf("%+v after %d pauses: %v", report, waited.Load(), err)
	}
	listening.Close()
	if _, err := rows.Load(t.Context(), o, []string{fvecs(t, 3)}); err == nil || waited.Load() != 2 {
		t.Errorf("a server that was never there, after %d pauses: %v", waited.Load(), err)
	}
}
