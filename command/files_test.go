package command_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nearside/client"
)

// pricedModel has a price and, where no weights are, a stand-in that is quick.
const pricedModel = "@cf/baai/bge-small-en-v1.5"

// filed starts a server without weights, with an index for files.
func filed(t *testing.T, data, index string) (*process, *client.Client) {
	t.Helper()
	p := start(t, data, "--models", t.TempDir())
	api := p.ready()
	if err := api.Do(t.Context(), http.MethodPost, "/nearside/indexes", map[string]any{"name": index, "model": pricedModel}, nil); err != nil {
		t.Fatal(err)
	}
	return p, api
}

func TestFilesAreUploadedAwaitedListedAndRemoved(t *testing.T) {
	_, api := filed(t, t.TempDir(), "manual")
	dir := t.TempDir()
	for name, content := range map[string]string{"cats.md": "# Cats\n\nA cat sleeps.", "dogs \"2\".txt": "A dog barks.", "noise.bin": "\x00\x01\x02\xff\xfe"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		line []string
		code int
		want string // in standard output, or in standard error if it fails
	}{
		{[]string{"files", "add", "--index", "manual", dir + "/cats.md", dir + "/dogs \"2\".txt", "--under", "pets", "--wait"}, 0, "2 of 2 documents loaded, 0 unchanged, 0 failed; 2 passages"},
		{[]string{"files", "add", "--index", "manual", dir + "/cats.md", "--under", "pets", "--wait"}, 0, "0 of 1 documents loaded, 1 unchanged"},
		{[]string{"files", "add", "--index", "manual", dir + "/noise.bin", "--wait"}, 3, "0 done, 1 failed"},
		{[]string{"files", "list", "--index", "manual"}, 0, "pets/cats.md"},
		{[]string{"files", "list", "--index", "manual"}, 0, `pets/dogs "2".txt  loaded`},
		{[]string{"files", "list", "--index", "manual", "--state", "failed", "--json"}, 0, `"path": "noise.bin"`},
		{[]string{"files", "remove", "--index", "manual", "pets/cats.md"}, 0, "pets/cats.md removed"},
		{[]string{"files", "remove", "--index", "manual", "pets/cats.md"}, 1, "no file \"pets/cats.md\""},
		{[]string{"files", "add", "--index", "manual", dir}, 1, "nearside ingest"},
		{[]string{"files", "add", "--index", "manual", dir + "/nothing"}, 1, "cannot read the file"},
		{[]string{"files", "add", dir + "/cats.md"}, 1, "--index"},
		{[]string{"files", "add", "--index", "none", dir + "/cats.md"}, 1, "none"},
		{[]string{"jobs", "list", "--index", "manual", "--state", "done"}, 0, "files  manual  done"},
		{[]string{"jobs", "list", "--kind", "reembed"}, 0, "ID  KIND"},
		{[]string{"jobs", "show", "999"}, 1, "no job 999"},
		{[]string{"jobs", "cancel", "x"}, 1, "number of a job"},
	} {
		stdout, stderr, code := runHere(t, append(step.line, "--url", api.URL)...)
		if code != step.code || code == 0 && !strings.Contains(stdout, step.want) || code != 0 && !strings.Contains(stderr, step.want) {
			t.Errorf("nearside %q: exit code %d, %q, %q; want %q", step.line, code, stdout, stderr, step.want)
		}
	}
	var list []jobTold
	if err := api.Do(t.Context(), http.MethodGet, "/nearside/jobs", nil, &list); err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, line := range []string{"jobs show %d", "jobs wait %d"} {
		args := append(strings.Fields(fmt.Sprintf(line, list[0].ID)), "--url", api.URL)
		if stdout, stderr, code := runHere(t, args...); !strings.Contains(stdout, "noise.bin: it is binary") || code != map[bool]int{true: 3, false: 0}[args[1] == "wait"] {
			t.Errorf("%q: exit code %d, %q, %q", args, code, stdout, stderr)
		}
	}
}

// jobTold is what the tests read of a job.
type jobTold struct {
	ID       int64
	State    string
	Reason   string
	Progress struct {
		Documents, Unchanged, Failed int64
		Neurons                      json.Number
	}
}

// handbook is files of some passages each.
func handbook(random *rand.Rand, files int) map[string]string {
	words := strings.Fields("lamp oil wick keeper tower storm signal rock harbour fog bell light watch night sea ship")
	book := map[string]string{}
	for i := range files {
		var b strings.Builder
		fmt.Fprintf(&b, "# Chapter %d\n", i)
		for range 12 {
			b.WriteString("\n## Section\n\n")
			for range 60 + random.IntN(60) {
				b.WriteString(words[random.IntN(len(words))])
				b.WriteByte(' ')
			}
			b.WriteString(".\n")
		}
		book[fmt.Sprintf("chapters/%03d.md", i)] = b.String()
	}
	return book
}

// uploadBook sends files in one upload, and returns the job.
func uploadBook(t *testing.T, api *client.Client, index string, book map[string]string) (j jobTold) {
	t.Helper()
	const boundary = "the-form"
	var form strings.Builder
	for _, name := range slices.Sorted(maps.Keys(book)) {
		fmt.Fprintf(&form, "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"%s\"\r\n\r\n%s\r\n", boundary, name, book[name])
	}
	form.WriteString("--" + boundary + "--\r\n")
	if err := api.Send(t.Context(), http.MethodPost, "/nearside/indexes/"+index+"/files", "multipart/form-data; boundary="+boundary, []byte(form.String()), &j); err != nil {
		t.Fatal(err)
	}
	return j
}

// jobEnds waits until a job has ended.
func jobEnds(t *testing.T, api *client.Client, id int64) (j jobTold) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		if err := api.Do(t.Context(), http.MethodGet, fmt.Sprint("/nearside/jobs/", id), nil, &j); err != nil {
			t.Fatal(err)
		}
		if j.State != "queued" && j.State != "running" {
			return j
		}
		if time.Now().After(deadline) {
			t.Fatalf("job %d has not ended: %+v", id, j)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
}

// passagesOf returns all records of an index, each as a line.
func passagesOf(t *testing.T, api *client.Client, index string) []string {
	t.Helper()
	var lines []string
	for cursor := ""; ; {
		about := map[string]any{"count": 1000}
		if cursor != "" {
			about["cursor"] = cursor
		}
		var page struct {
			Vectors    []struct{ ID string }
			NextCursor *string
		}
		send := func(path string, body, reply any) {
			if err := api.Do(context.WithoutCancel(t.Context()), http.MethodPost, "/nearside/indexes/"+index+path, body, reply); err != nil {
				t.Fatal(err)
			}
		}
		send("/list", about, &page)
		for some := range slices.Chunk(page.Vectors, 200) {
			ids := make([]string, len(some))
			for i, v := range some {
				ids[i] = v.ID
			}
			var got []json.RawMessage
			send("/get", map[string]any{"ids": ids}, &got)
			for _, record := range got {
				lines = append(lines, string(record))
			}
		}
		if page.NextCursor == nil {
			slices.Sort(lines)
			return lines
		}
		cursor = *page.NextCursor
	}
}

// neuronsOf is what the ledger has charged.
func neuronsOf(t *testing.T, api *client.Client) string {
	t.Helper()
	var usage struct {
		Total struct{ Neurons json.Number }
	}
	if err := api.Do(t.Context(), http.MethodGet, "/nearside/usage", nil, &usage); err != nil {
		t.Fatal(err)
	}
	return string(usage.Total.Neurons)
}

func TestAServerThatIsToldToEndInTheMiddleOfAJobGoesOnWithItAtTheNextStart(t *testing.T) {
	data := t.TempDir()
	p, api := filed(t, data, "book")
	j := uploadBook(t, api, "book", handbook(rand.New(rand.NewPCG(1, 7)), 60))
	p.stop()
	p = start(t, data, "--models", t.TempDir())
	api = p.ready()
	j = jobEnds(t, api, j.ID)
	if j.State != "done" || j.Progress.Documents+j.Progress.Unchanged != 60 || string(j.Progress.Neurons) != neuronsOf(t, api) {
		t.Errorf("%+v, the ledger has %s", j, neuronsOf(t, api))
	}
	if n := len(passagesOf(t, api, "book")); n != 60*12 {
		t.Errorf("the index has %d passages", n)
	}
}

// TestAJobThatIsKilledAgainAndAgainLeavesOneCleanIndex kills the server in the middle of a job, and
// compares what is there in the end with what one that was left alone made.
func TestAJobThatIsKilledAgainAndAgainLeavesOneCleanIndex(t *testing.T) {
	if !*long {
		t.Skip("runs with -long")
	}
	t.Logf("seed %d", *seed)
	random := rand.New(rand.NewPCG(*seed, 7))
	book := handbook(random, 300)
	_, clean := filed(t, t.TempDir(), "book")
	began := time.Now()
	if j := jobEnds(t, clean, uploadBook(t, clean, "book", book).ID); j.State != "done" || j.Progress.Documents != 300 {
		t.Fatalf("%+v", j)
	}
	took := time.Since(began)

	data := t.TempDir()
	p, api := filed(t, data, "book")
	j := uploadBook(t, api, "book", book)
	kills, running := 10, 0
	for range kills {
		<-time.After(time.Duration(random.Int64N(int64(took) / 4)))
		var seen jobTold
		if err := api.Do(t.Context(), http.MethodGet, fmt.Sprint("/nearside/jobs/", j.ID), nil, &seen); err == nil && seen.State == "running" {
			running++
		}
		p.kill()
		p = start(t, data, "--models", t.TempDir())
		api = p.ready()
	}
	j = jobEnds(t, api, j.ID)
	if j.State != "done" || j.Progress.Documents+j.Progress.Unchanged != 300 || j.Progress.Failed != 0 {
		t.Errorf("after %d kills: %+v", kills, j)
	}
	got, want := passagesOf(t, api, "book"), passagesOf(t, clean, "book")
	if !slices.Equal(got, want) {
		t.Errorf("after %d kills the index has %d records, and a clean one %d, or others", kills, len(got), len(want))
	}
	if charged := neuronsOf(t, api); string(j.Progress.Neurons) != charged || charged == "0" {
		t.Errorf("the job says it cost %s neurons, the ledger %s", j.Progress.Neurons, charged)
	}
	t.Logf("%d kills, %d of them while the job ran; %d records, %s neurons, %s in one go; a clean run took %v", kills, running, len(got), j.Progress.Neurons, neuronsOf(t, clean), took)
	p.stop()
	left, err := os.ReadDir(filepath.Join(data, "spool"))
	if err != nil || len(left) != 0 {
		t.Errorf("in the spool there is %v, %v", left, err)
	}
	if stdout, stderr, code := runHere(t, "check", "--data", data); code != 0 {
		t.Errorf("check: %d, %q, %q", code, stdout, stderr)
	}
}
