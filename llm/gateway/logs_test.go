package gateway_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
	"nearside/llm/gateway"
)

// shelf is a data directory with logs in it.
type shelf struct {
	t     *testing.T
	path  string
	dir   *disk.Dir
	logs  *gateway.Logs
	clock *clock
	keep  int

	faults *disktest.Faults
}

func newShelf(t *testing.T, keep int) *shelf {
	s := &shelf{t: t, path: t.TempDir(), clock: newClock(), keep: keep, faults: &disktest.Faults{Match: func(op disk.Op, path string) bool { return op == disk.OpWrite && strings.HasSuffix(path, "-wal") }}}
	s.open()
	t.Cleanup(s.close)
	return s
}

func (s *shelf) open() {
	s.t.Helper()
	var err error
	if s.dir, err = disk.OpenDir(s.path, disk.Options{Hook: s.faults.Hook}); err != nil {
		s.t.Fatal(err)
	}
	if s.logs, err = gateway.OpenLogs(s.dir, gateway.LogOptions{Clock: s.clock.now, Keep: s.keep}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) close() {
	for _, closing := range []func() error{s.logs.Close, s.dir.Close} {
		if err := closing(); err != nil {
			s.t.Error(err)
		}
	}
}

func (s *shelf) reopen() {
	s.t.Helper()
	s.close()
	s.open()
}

// add adds a log of a call that is made now.
func (s *shelf) add(change func(l *gateway.Log)) gateway.Log {
	l := gateway.Log{ID: s.logs.NewID(), Account: "local", Gateway: "mine", Created: s.clock.at, Provider: "workers-ai", Model: "@cf/a/b",
		Task: "Text Generation", Path: "run", Duration: 1500 * time.Microsecond, Status: 200, TokensIn: 3, TokensOut: 4, Neurons: 123456, Step: 1, EventID: "e",
		Metadata: json.RawMessage(`{"user":"x"}`), RequestType: "application/json", RequestBytes: 10, ResponseType: "text/event-stream", ResponseBytes: 20}
	if change != nil {
		change(&l)
	}
	s.logs.Add(l)
	return l
}

func (s *shelf) get(id string) gateway.Log {
	s.t.Helper()
	l, err := s.logs.Get(s.t.Context(), "local", "mine", id)
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

func (s *shelf) list(q gateway.Query) (ids []string, total int) {
	s.t.Helper()
	q.Account, q.Gateway = "local", "mine"
	if q.Limit == 0 {
		q.Limit = 1000
	}
	logs, total, err := s.logs.List(s.t.Context(), q)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, l := range logs {
		ids = append(ids, l.ID)
	}
	return ids, total
}

func TestALogIsTheSameAtOnceAndAfterARestart(t *testing.T) {
	s := newShelf(t, 0)
	feedback, score := -1, .25
	full := s.add(func(l *gateway.Log) { l.Feedback, l.Score, l.Cached = &feedback, &score, true })
	bare := s.add(func(l *gateway.Log) {
		*l = gateway.Log{ID: l.ID, Account: "local", Gateway: "mine", Created: l.Created, Status: 503}
	})
	for _, when := range []string{"at once", "after a restart"} {
		for _, want := range []gateway.Log{full, bare} {
			if got := s.get(want.ID); !reflect.DeepEqual(got, want) {
				t.Errorf("%s:\n%+v, want\n%+v", when, got, want)
			}
		}
		s.reopen()
	}
	for _, place := range [][3]string{{"other", "mine", full.ID}, {"local", "other", full.ID}, {"local", "mine", "01AAAAAAAAAAAAAAAAAAAAAAAA"}, {"local", "mine", ""}} {
		if _, err := s.logs.Get(t.Context(), place[0], place[1], place[2]); !fault.Is(err, fault.NotFound) {
			t.Errorf("%v: %v", place, err)
		}
	}
}

func TestIDsSortByTimeAndAreNeverTheSame(t *testing.T) {
	s := newShelf(t, 0)
	var ids []string
	for range 1000 {
		s.clock.at = s.clock.at.Add(time.Millisecond)
		ids = append(ids, s.logs.NewID())
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Error("ids are out of order, or the same")
	}
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	milli := int64(0)
	for _, digit := range ids[999][:10] {
		milli = milli<<5 | int64(strings.IndexRune(digits, digit))
	}
	if id := ids[999]; len(id) != 26 || strings.Trim(id, digits) != "" || milli != s.clock.at.UnixMilli() {
		t.Errorf("%s is no ULID of %s", id, s.clock.at)
	}
}

func TestWhatIsPatchedStays(t *testing.T) {
	s := newShelf(t, 0)
	id := s.add(nil).ID
	patch := func(body string) {
		t.Helper()
		if err := s.logs.Patch(t.Context(), "local", "mine", id, []byte(body)); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
	seen := func() string {
		l := s.get(id)
		text, err := json.Marshal([]any{l.Feedback, l.Score, l.Metadata})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, step := range []struct{ body, want string }{
		{`{}`, `[null,null,{"user":"x"}]`},
		{`{"feedback":1}`, `[1,null,{"user":"x"}]`},
		{`{"feedback":"-1","score":98.6,"unknown":{}}`, `[-1,98.6,{"user":"x"}]`},
		{`{"metadata":{"b":true,"a":null,"n":12345678901234567890}}`, `[-1,98.6,{"a":null,"b":true,"n":12345678901234567890}]`},
		{`{"metadata":{}}`, `[-1,98.6,{}]`},
		{`{"feedback":null,"metadata":null}`, `[null,98.6,null]`},
	} {
		patch(step.body)
		for _, when := range []string{"at once", "after a restart"} {
			if got := seen(); got != step.want {
				t.Errorf("%s, %s: %s, want %s", step.body, when, got, step.want)
			}
			s.reopen()
		}
	}
	for _, body := range []string{``, `null`, `[]`, `7`, `{"feedback":2}`, `{"feedback":0.5}`, `{"feedback":"up"}`, `{"feedback":true}`, `{"score":"high"}`, `{"score":1e300}`, `{"score":{}}`,
		`{"metadata":[]}`, `{"metadata":"x"}`, `{"metadata":{"a":{}}}`, `{"metadata":{"a":[1]}}`, `{"metadata":{"":1}}`, `{"metadata":{"a":"` + strings.Repeat("x", 2000) + `"}}`,
		`{"score":1,"feedback":7}`, `{"metadata":{"a":"` + strings.Repeat(`b":1,"a`, 9) + `":1` + entries(17) + `}}`} {
		if err := s.logs.Patch(t.Context(), "local", "mine", id, []byte(body)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.60s: %v", body, err)
		}
	}
	if got := seen(); got != `[null,98.6,null]` {
		t.Errorf("a patch that was refused changed something: %s", got)
	}
	if err := s.logs.Patch(t.Context(), "other", "mine", id, []byte(`{"score":1}`)); !fault.Is(err, fault.NotFound) {
		t.Errorf("another account: %v", err)
	}
}

func entries(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":1`, i)
	}
	return b.String()
}

func TestLogsAreListedByWhatTheyAre(t *testing.T) {
	s := newShelf(t, 0)
	yes, no, up := true, false, 1
	var all []string
	for i := range 10 {
		s.clock.at = s.clock.at.Add(time.Second)
		all = append(all, s.add(func(l *gateway.Log) {
			if i%2 == 1 {
				l.Status = 503
			}
			l.Cached = i < 3
			if i == 4 {
				l.Model, l.Provider, l.Feedback = "@cf/a/c", "openai", &up
			}
		}).ID)
	}
	s.add(func(l *gateway.Log) { l.Gateway = "other" })
	s.add(func(l *gateway.Log) { l.Account = "other" })
	of := func(numbers ...int) (ids []string) {
		for _, n := range numbers {
			ids = append(ids, all[n])
		}
		return ids
	}
	for name, test := range map[string]struct {
		q     gateway.Query
		want  []string
		total int
	}{
		"all":          {gateway.Query{}, of(9, 8, 7, 6, 5, 4, 3, 2, 1, 0), 10},
		"oldest first": {gateway.Query{OldestFirst: true, Limit: 2}, of(0, 1), 10},
		"a page":       {gateway.Query{Skip: 3, Limit: 4}, of(6, 5, 4, 3), 10},
		"past the end": {gateway.Query{Skip: 30}, nil, 10},
		"failed":       {gateway.Query{Success: &no}, of(9, 7, 5, 3, 1), 5},
		"cached":       {gateway.Query{Success: &yes, Cached: &yes}, of(2, 0), 2},
		"of a model":   {gateway.Query{Model: "@cf/a/c"}, of(4), 1},
		"by nobody":    {gateway.Query{Provider: "nobody"}, nil, 0},
		"liked":        {gateway.Query{Feedback: &up, Provider: "openai"}, of(4), 1},
	} {
		if got, total := s.list(test.q); !slices.Equal(got, test.want) || total != test.total {
			t.Errorf("%s: %v of %d, want %v of %d", name, got, total, test.want, test.total)
		}
	}
	gateways, err := s.logs.Gateways(t.Context(), "local")
	if err != nil || len(gateways) != 2 || gateways[0].ID != "mine" || gateways[1].ID != "other" || gateways[0].Last.Sub(gateways[0].First) != 9*time.Second {
		t.Errorf("gateways %+v, %v", gateways, err)
	}
}

func TestOldLogsAreDropped(t *testing.T) {
	s := newShelf(t, 5)
	var all []string
	for range 8 {
		s.clock.at = s.clock.at.Add(time.Second)
		all = append(all, s.add(nil).ID)
	}
	if got, total := s.list(gateway.Query{OldestFirst: true}); !slices.Equal(got, all[3:]) || total != 5 {
		t.Errorf("of 8 logs %v are kept, want the last 5 of %v", got, all)
	}
	if _, err := s.logs.Get(t.Context(), "local", "mine", all[0]); !fault.Is(err, fault.NotFound) {
		t.Errorf("the first: %v", err)
	}
	s.clock.at = s.clock.at.Add(30*24*time.Hour - 2*time.Second)
	if got, total := s.list(gateway.Query{OldestFirst: true}); !slices.Equal(got, all[5:]) || total != 3 {
		t.Errorf("a month later there are %v, want the last 3 of %v", got, all)
	}
	last := s.add(nil).ID
	s.reopen() // which writes, and drops
	s.clock.at = s.clock.at.Add(-time.Hour)
	if got, _ := s.list(gateway.Query{OldestFirst: true}); !slices.Equal(got, append(all[5:], last)) {
		t.Errorf("there are %v, want them gone for good but %v and %s", got, all[5:], last)
	}
}

func TestLogsReachTheDiskByThemselves(t *testing.T) {
	s := newShelf(t, 0)
	s.add(nil)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); s.logs.Waiting() > 0; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("nothing is written")
		}
	}
}

func TestLogsOutliveADiskThatIsFullForAWhile(t *testing.T) {
	s := newShelf(t, 0)
	kept := s.add(nil).ID
	s.reopen()
	s.faults.Fail(syscall.ENOSPC)
	waiting := s.add(nil)
	if got := s.get(waiting.ID); !reflect.DeepEqual(got, waiting) {
		t.Errorf("got %+v", got)
	}
	if err := s.logs.Patch(t.Context(), "local", "mine", kept, []byte(`{"score":1}`)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a patch that cannot be written: %v", err)
	}
	if got, total := s.list(gateway.Query{}); !slices.Equal(got, []string{kept}) || total != 1 {
		t.Errorf("%v of %d are listed", got, total)
	}
	s.faults.Fail(nil)
	if got, _ := s.list(gateway.Query{}); !slices.Equal(got, []string{waiting.ID, kept}) {
		t.Errorf("%v are listed once there is room", got)
	}
	if s.get(kept).Score != nil {
		t.Error("a patch that failed is there")
	}
}

var update = flag.Bool("update", false, "write the golden logs anew; only for a new version of the format")

// golden is a data directory with the logs of format 1, as a clean end left it.
const golden = "testdata/gateway-1.zip"

func writeGolden(t *testing.T) {
	s := newShelf(t, 0)
	id := s.add(nil).ID
	if err := s.logs.Patch(t.Context(), "local", "mine", id, []byte(`{"feedback":1,"score":0.5}`)); err != nil {
		t.Fatal(err)
	}
	s.close()
	defer s.open()
	disktest.ReadTree(t, s.path).Pack(t, golden)
}

func TestTheGoldenLogsAreReadAsTheyWereWritten(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	logs, err := gateway.OpenLogs(disktest.OpenDir(t, disktest.LayOut(t, golden), disk.Options{}), gateway.LogOptions{Clock: newClock().now})
	if err != nil {
		t.Fatal(err)
	}
	list, total, err := logs.List(t.Context(), gateway.Query{Account: "local", Gateway: "mine", Limit: 9})
	if err != nil || total != 1 {
		t.Fatalf("%d logs, %v", total, err)
	}
	l := list[0]
	if l.Feedback == nil || *l.Feedback != 1 || l.Score == nil || *l.Score != .5 {
		t.Errorf("feedback and score of %+v", l)
	}
	l.ID, l.Feedback, l.Score = "", nil, nil
	want := gateway.Log{Account: "local", Gateway: "mine", Created: newClock().at, Provider: "workers-ai", Model: "@cf/a/b",
		Task: "Text Generation", Path: "run", Duration: 1500 * time.Microsecond, Status: 200, TokensIn: 3, TokensOut: 4, Neurons: 123456, Step: 1, EventID: "e",
		Metadata: json.RawMessage(`{"user":"x"}`), RequestType: "application/json", RequestBytes: 10, ResponseType: "text/event-stream", ResponseBytes: 20}
	if !reflect.DeepEqual(l, want) {
		t.Errorf("got %+v, want %+v", l, want)
	}
	if err := logs.Close(); err != nil {
		t.Error(err)
	}
}

func TestAnExaminationFindsLogsThatAreDamagedAndMissesNone(t *testing.T) {
	examine := func(dir *disk.Dir, want int) {
		t.Helper()
		if found, err := gateway.CheckLogs(t.Context(), dir); len(found) != want || err != nil {
			t.Errorf("found %v, %v", found, err)
		}
	}
	examine(disktest.OpenDir(t, t.TempDir(), disk.Options{}), 0) // as an earlier program left it
	path := disktest.LayOut(t, golden)
	dir := disktest.OpenDir(t, path, disk.Options{})
	examine(dir, 0)
	file := filepath.Join(path, "gateway.db")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	examine(dir, 1)
	logs, err := gateway.OpenLogs(dir, gateway.LogOptions{})
	if err == nil {
		_, _, err = logs.List(t.Context(), gateway.Query{Account: "local", Gateway: "mine", Limit: 9})
		if err := logs.Close(); err != nil {
			t.Error(err)
		}
	}
	if !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), "gateway.db") {
		t.Errorf("damaged logs are opened and read: %v", err)
	}
}
