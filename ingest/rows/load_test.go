package rows_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"nearside/bulk"
	"nearside/client"
	"nearside/fault"
	"nearside/ingest/rows"
)

// refusing is a server that stores records by id and refuses, whole, every batch
// with a record whose id begins with "bad"; it can be busy or broken for a while.
type refusing struct {
	mu      sync.Mutex
	stored  map[string]int // how often each id was stored
	paths   map[string]bool
	batches int
	busy    int // refuse this many calls as busy first
	broken  bool
	old     bool            // knows lines only
	types   map[string]bool // content types of the batches that were stored
}

// set breaks the server, or mends it.
func (s *refusing) set(broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = broken
}

func (s *refusing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	refuse := func(status int, message string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"success":false,"errors":[{"code":1,"message":%q}],"messages":[],"result":null}`, message)
	}
	if s.broken {
		refuse(http.StatusInternalServerError, "broken")
		return
	}
	if s.busy > 0 {
		s.busy--
		w.Header().Set("Retry-After", "0")
		refuse(http.StatusTooManyRequests, "busy")
		return
	}
	s.batches++
	s.paths[r.URL.Path] = true
	contentType := r.Header.Get("Content-Type")
	if contentType != "application/x-ndjson" && s.old {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"success":false,"errors":[{"code":1005,"message":"vectorize.unknown_content_type"}],"messages":[],"result":null}`)
		return
	}
	read := idsOfLines
	if contentType == bulk.ContentType {
		read = idsOfRows
	}
	ids, bad := read(r.Body)
	if bad != nil {
		refuse(http.StatusBadRequest, "bad record "+*bad)
		return
	}
	s.types[contentType] = true
	for _, id := range ids {
		s.stored[id]++
	}
	fmt.Fprint(w, `{"success":true,"errors":[],"messages":[],"result":{"truncated":[{"id":"long","dropped":7}]}}`)
}

// idsOfLines returns the ids of the records, or the first bad one.
func idsOfLines(body io.Reader) (ids []string, bad *string) {
	for lines := bufio.NewScanner(body); lines.Scan(); {
		var record struct{ ID string }
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil || strings.HasPrefix(record.ID, "bad") {
			return nil, &record.ID
		}
		ids = append(ids, record.ID)
	}
	return ids, nil
}

// idsOfRows is idsOfLines for the binary form.
func idsOfRows(body io.Reader) (ids []string, bad *string) {
	r, err := bulk.NewReader(body)
	for err == nil {
		var row bulk.Row
		if row, err = r.Next(nil); err == nil && strings.HasPrefix(row.ID, "bad") {
			return nil, &row.ID
		}
		if err == nil {
			ids = append(ids, row.ID)
		}
	}
	if err != io.EOF {
		damaged := err.Error()
		return nil, &damaged
	}
	return ids, nil
}

func serve(t *testing.T) (*refusing, *client.Client) {
	t.Helper()
	s := &refusing{stored: map[string]int{}, paths: map[string]bool{}, types: map[string]bool{}}
	listening := httptest.NewServer(s)
	t.Cleanup(listening.Close)
	return s, &client.Client{URL: listening.URL}
}

func write(t *testing.T, name string, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func texts(ids ...string) (lines []string) {
	for _, id := range ids {
		lines = append(lines, fmt.Sprintf(`{"id":%q,"text":"t"}`, id))
	}
	return lines
}

func TestBadRecordsAreNamedAndTheOthersLoadedOnce(t *testing.T) {
	s, api := serve(t)
	lines := slices.Concat(texts("a", "b", "bad1", "c"), []string{"", "  "}, texts("d", "bad2"))
	lines = append(lines, "{not json")
	path := write(t, "texts.jsonl", append(lines, texts("e")...)...)
	var refused []string
	var mu sync.Mutex
	report, err := rows.Load(t.Context(), rows.Options{Client: api, Index: "notes", BatchLines: 4, Refused: func(at rows.Position, err error) {
		mu.Lock()
		defer mu.Unlock()
		refused = append(refused, fmt.Sprintf("%d: %v", at.Line, err))
	}}, []string{path})
	if err != nil {
		t.Fatal(err)
	}
	if report.Loaded != 5 || report.Refused != 3 {
		t.Errorf("report %+v, want 5 loaded, 3 refused", report)
	}
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		if s.stored[id] != 1 {
			t.Errorf("%s was stored %d times", id, s.stored[id])
		}
	}
	slices.Sort(refused)
	if want := []string{"3: bad record bad1 (code 1)", "8: bad record bad2 (code 1)", "9: bad record  (code 1)"}; !slices.Equal(refused, want) {
		t.Errorf("refused %q, want %q", refused, want)
	}
	if !s.paths["/client/v4/accounts/local/nearside/indexes/notes/texts"] {
		t.Errorf("texts went to %v", s.paths)
	}
}

func TestVectorsAndGzipAreRecognized(t *testing.T) {
	s, api := serve(t)
	path := filepath.Join(t.TempDir(), "vectors.ndjson.gz")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	packed := gzip.NewWriter(file)
	fmt.Fprintln(packed, `{"id":"v","values":[1,2]}`)
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	var last, total int64
	o := rows.Options{Client: api, Index: "a b", Progress: func(read, all int64) { last, total = read, all }}
	if _, err := rows.Load(t.Context(), o, []string{path}); err != nil {
		t.Fatal(err)
	}
	if s.stored["v"] != 1 || !s.paths["/client/v4/accounts/local/vectorize/v2/indexes/a b/upsert"] {
		t.Errorf("stored %v at %v", s.stored, s.paths)
	}
	if last != total || total == 0 {
		t.Errorf("progress ended at %d of %d", last, total)
	}
}

func TestAFileThatIsCutOffIsNamedAndItsHalfLineIsNoRecord(t *testing.T) {
	_, api := serve(t)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	fmt.Fprintln(w, texts("a")[0])
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(w, texts("b")[0][:9])
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	path := write(t, "cut.jsonl.gz", packed.String())
	o := rows.Options{Client: api, Index: "notes", Refused: func(at rows.Position, err error) { t.Errorf("%s: %v", at, err) }}
	if _, err := rows.Load(t.Context(), o, []string{path}); err == nil || !strings.Contains(err.Error(), path+" to its end") {
		t.Errorf("a gzip file that is cut off: %v", err)
	}
}

func TestAByteOrderMarkIsNoPartOfTheFirstRecord(t *testing.T) {
	s, api := serve(t)
	path := write(t, "windows.jsonl", "\ufeff"+texts("a")[0]+"\r", texts("b")[0]+"\r")
	if _, err := rows.Load(t.Context(), rows.Options{Client: api, Index: "notes"}, []string{path}); err != nil || s.stored["a"] != 1 || s.stored["b"] != 1 {
		t.Errorf("stored %v: %v", s.stored, err)
	}
}

func TestABusyServerIsWaitedFor(t *testing.T) {
	s, api := serve(t)
	s.busy = 2
	report, err := rows.Load(t.Context(), rows.Options{Client: api, Index: "n"}, []string{write(t, "a.jsonl", texts("a")...)})
	if err != nil || report.Loaded != 1 || report.Shortened != 1 {
		t.Errorf("report %+v, error %v", report, err)
	}
}

func TestTroubleThatIsNotARecordsEndsTheLoad(t *testing.T) {
	s, api := serve(t)
	s.set(true)
	_, err := rows.Load(t.Context(), rows.Options{Client: api, Index: "n"}, []string{write(t, "a.jsonl", texts("a")...)})
	if fault.KindOf(err) != fault.Internal || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a broken server: %v", err)
	}
	var many []string
	for i := range 5000 {
		many = append(many, texts(fmt.Sprint("r", i))...)
	}
	_, err = rows.Load(t.Context(), rows.Options{Client: api, Index: "n", BatchLines: 1}, []string{write(t, "many.jsonl", many...)})
	if err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("a broken server, with more to read: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := rows.Load(ctx, rows.Options{Client: api, Index: "n"}, []string{write(t, "a.jsonl", texts("a")...)}); err == nil {
		t.Error("an interrupted load reports success")
	}
	for name, content := range map[string]string{"neither.jsonl": `{"id":"a"}`, "words.jsonl": "hello", "notzip.jsonl.gz": "hello"} {
		path := write(t, name, content)
		s.set(false)
		if _, err := rows.Load(t.Context(), rows.Options{Client: api, Index: "n"}, []string{path}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: the error does not name the file: %v", name, err)
		}
	}
}
