package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/client"
	"nearside/llm/backend/backendtest"
)

const lexical = "@nearside/lexical-hash"

// bgeModel is bge-m3 as the fake model server has it.
var bgeModel = backendtest.Model{Name: "bge-m3", Dimensions: 1024}

// storedText is a record as it should be.
type storedText struct {
	ID        string          `json:"id"`
	Text      string          `json:"text"`
	Title     string          `json:"title,omitempty"`
	Namespace string          `json:"namespace,omitempty"`
	Metadata  json.RawMessage `json:"metadata,omitempty"`
}

// wholeRecord is a record as the server has it.
type wholeRecord struct {
	storedText
	Values []float64 `json:"values"`
}

// shelf is an index that is changed while it is re-embedded, and what it must hold.
type shelf struct {
	t      *testing.T
	random *rand.Rand
	texts  map[string]storedText
	// unsure are ids whose last change was not acknowledged: either version is right.
	unsure map[string]*storedText
}

func (s *shelf) text(i int) storedText {
	n := s.random.IntN(1_000_000)
	return storedText{
		ID: fmt.Sprintf("p%05d", i), Text: fmt.Sprintf("passage %d about the number %d", i, n), Title: fmt.Sprint("title ", n%7),
		Namespace: []string{"", "eu", "us"}[n%3], Metadata: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n)),
	}
}

func (s *shelf) load(api *client.Client, n int) {
	s.t.Helper()
	const batch = 500
	for from := 0; from < n; from += batch {
		var texts []storedText
		for i := from; i < from+batch; i++ {
			texts = append(texts, s.text(i))
			s.texts[texts[len(texts)-1].ID] = texts[len(texts)-1]
		}
		if err := api.Do(s.t.Context(), http.MethodPost, "/nearside/indexes/shelf/texts", map[string]any{"texts": texts}, nil); err != nil {
			s.t.Fatal(err)
		}
	}
}

// change upserts or deletes one text, and reports whether that was acknowledged.
func (s *shelf) change(api *client.Client, n int) bool {
	text := s.text(s.random.IntN(n + n/10))
	next, err := &text, error(nil)
	if s.random.IntN(3) == 0 {
		next = nil
		err = api.Do(context.Background(), http.MethodPost, "/nearside/indexes/shelf/delete", map[string]any{"ids": []string{text.ID}}, nil)
	} else {
		err = api.Do(context.Background(), http.MethodPost, "/nearside/indexes/shelf/texts", map[string]any{"texts": []storedText{text}}, nil)
	}
	if err != nil {
		s.unsure[text.ID] = next
		return false
	}
	delete(s.unsure, text.ID)
	if delete(s.texts, text.ID); next != nil {
		s.texts[text.ID] = text
	}
	return true
}

// changeUntilKilled changes texts, and kills the server after a while.
func (s *shelf) changeUntilKilled(p *process, api *client.Client, n int, after time.Duration) {
	var writing sync.WaitGroup
	writing.Go(func() {
		for s.change(api, n) {
		}
	})
	time.Sleep(after)
	p.kill()
	writing.Wait()
}

// records reads the whole index.
func (s *shelf) records(api *client.Client) map[string]wholeRecord {
	s.t.Helper()
	found := map[string]wholeRecord{}
	for cursor := ""; ; {
		var page struct {
			Next    string                `json:"nextCursor"`
			Vectors []struct{ ID string } `json:"vectors"`
		}
		err := api.Do(s.t.Context(), http.MethodPost, "/nearside/indexes/shelf/list", map[string]any{"count": 1000, "cursor": cursor}, &page)
		if cursor != "" && err != nil && strings.Contains(err.Error(), "begin again without a cursor") { // the storages were swapped
			clear(found)
			cursor = ""
			continue
		}
		if err != nil {
			s.t.Fatal(err)
		}
		var ids []string
		for _, v := range page.Vectors {
			ids = append(ids, v.ID)
		}
		var records []wholeRecord
		if err := api.Do(s.t.Context(), http.MethodPost, "/nearside/indexes/shelf/get", map[string]any{"ids": ids}, &records); err != nil {
			s.t.Fatal(err)
		}
		for _, r := range records {
			found[r.ID] = r
		}
		if cursor = page.Next; cursor == "" {
			return found
		}
	}
}

// compare checks that the index has what was acknowledged.
func (s *shelf) compare(got map[string]wholeRecord) {
	s.t.Helper()
	same := func(a, b storedText) bool {
		return a.ID == b.ID && a.Text == b.Text && a.Title == b.Title && a.Namespace == b.Namespace && string(a.Metadata) == string(b.Metadata)
	}
	for id, maybe := range s.unsure { // whatever it is now, it is that from now on
		r, there := got[id]
		if want, was := s.texts[id]; there == was && (!there || same(r.storedText, want)) {
			delete(s.unsure, id)
			continue
		}
		if there != (maybe != nil) || there && !same(r.storedText, *maybe) {
			s.t.Fatalf("%s is neither what it was nor what it was to be: %+v", id, r.storedText)
		}
		delete(s.unsure, id)
		if delete(s.texts, id); maybe != nil {
			s.texts[id] = *maybe
		}
	}
	for id := range got {
		if _, wanted := s.texts[id]; !wanted {
			s.t.Errorf("%s was deleted, and is there", id)
		}
	}
	for id := range s.texts {
		if _, there := got[id]; !there {
			s.t.Errorf("%s is missing", id)
		}
	}
	if s.t.Failed() {
		s.t.Fatalf("%d records, want %d", len(got), len(s.texts))
	}
	for id, want := range s.texts {
		if !same(got[id].storedText, want) {
			s.t.Fatalf("%s is %+v, want %+v", id, got[id].storedText, want)
		}
	}
}

// madeBy checks that every vector is the model's of its record's text.
func (s *shelf) madeBy(m backendtest.Model, got map[string]wholeRecord) {
	s.t.Helper()
	for id, r := range got {
		want := backendtest.Vector(m, r.Title+" "+r.Text)
		for i, v := range r.Values {
			if math.Abs(v-float64(want[i])) > 1e-6 {
				s.t.Fatalf("%s has a vector of something else", id)
			}
		}
	}
}

// embeddedBy counts the texts that a model server was given.
func embeddedBy(models *backendtest.Server) (n int) {
	for _, body := range models.Asked("/api/embed") {
		var q struct{ Input []string }
		if json.Unmarshal(body, &q) == nil {
			n += len(q.Input)
		}
	}
	return n
}

// reembedStatus is how the server says a re-embedding stands.
func reembedStatus(t *testing.T, api *client.Client) (state, note string) {
	t.Helper()
	var status struct {
		Job *struct {
			State, Reason string
			Progress      struct{ Note string }
		}
	}
	if err := api.Do(t.Context(), http.MethodGet, "/nearside/indexes/shelf/reembed", nil, &status); err != nil {
		t.Fatal(err)
	}
	return status.Job.State, status.Job.Progress.Note + status.Job.Reason
}

var reembedKills = flag.Int("reembedkills", 2, "how often TestAReembeddingGoesOnAfterSIGKILL kills the server")

// TestAReembeddingGoesOnAfterSIGKILL kills a server that re-embeds an index while a writer changes it, again
// and again. In the end the index has exactly what was acknowledged, every vector is the new model's, and no text was
// embedded twice but for those in flight at a kill and those that were changed.
func TestAReembeddingGoesOnAfterSIGKILL(t *testing.T) {
	t.Logf("seed %d", *seed)
	kills, texts := *reembedKills, 1500*((*reembedKills+1)/2)
	models := backendtest.New(t)
	models.Add(bgeModel)
	data := t.TempDir()
	args := []string{"--models", t.TempDir(), "--ollama", models.URL, "--openai", "off"}
	s := &shelf{t: t, random: rand.New(rand.NewPCG(*seed, 12)), texts: map[string]storedText{}, unsure: map[string]*storedText{}}
	p := start(t, data, args...)
	api := p.ready()
	if err := api.Do(t.Context(), http.MethodPost, "/nearside/indexes", map[string]any{"name": "shelf", "model": lexical}, nil); err != nil {
		t.Fatal(err)
	}
	s.load(api, texts)
	if err := api.Do(t.Context(), http.MethodPost, "/nearside/indexes/shelf/reembed", map[string]any{"model": bgeM3}, nil); err != nil {
		t.Fatal(err)
	}
	unfinished := 0
	for range kills {
		s.changeUntilKilled(p, api, texts, time.Duration(10+s.random.IntN(80))*time.Millisecond)
		p = start(t, data, args...)
		api = p.ready()
		if state, _ := reembedStatus(t, api); state != "done" {
			unfinished++
		}
		s.compare(s.records(api))
	}
	eventually(t, "the re-embedding is done", func() bool {
		state, note := reembedStatus(t, api)
		if state == "failed" || state == "cancelled" {
			t.Fatalf("the job is %s: %s", state, note)
		}
		return state == "done"
	})
	got := s.records(api)
	s.compare(got)
	s.madeBy(bgeModel, got)
	_, note := reembedStatus(t, api)
	p.stop()
	out, code := nearsideCode(t, t.Context(), "check", "--data", data)
	if code != 0 {
		t.Errorf("nearside check: %s", out)
	}
	t.Logf("%d kills, %d of them before the end; %d texts embedded for %d records; %s", kills, unfinished, embeddedBy(models), len(got), note)
	const inFlight = 64
	if most := texts + texts/2 + kills*inFlight; embeddedBy(models) > most { // the writer changes a part of them
		t.Errorf("%d texts were embedded, %d at most need be", embeddedBy(models), most)
	}
}

// besideBGE starts a server beside a model server that has bge-m3.
func besideBGE(t *testing.T) (*backendtest.Server, *process, *client.Client) {
	t.Helper()
	models := backendtest.New(t)
	models.Add(bgeModel)
	p := start(t, t.TempDir(), "--models", t.TempDir(), "--ollama", models.URL, "--openai", "off")
	return models, p, p.ready()
}

// filledShelf makes the index shelf, with 500 texts in it.
func filledShelf(t *testing.T, api *client.Client) *shelf {
	t.Helper()
	s := &shelf{t: t, random: rand.New(rand.NewPCG(1, 1)), texts: map[string]storedText{}}
	if err := api.Do(t.Context(), http.MethodPost, "/nearside/indexes", map[string]any{"name": "shelf", "model": lexical}, nil); err != nil {
		t.Fatal(err)
	}
	s.load(api, 500)
	return s
}

func TestReembedOnTheCommandLine(t *testing.T) {
	models, p, api := besideBGE(t)
	s := filledShelf(t, api)
	reembed := func(args ...string) (string, int) {
		return nearsideCode(t, t.Context(), append([]string{"reembed", "shelf", "--url", api.URL}, args...)...)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{}, 1, "give one of --model, --undo, --drop-old, --status and --cancel"},
		{[]string{"--status"}, 0, "was not re-embedded lately"},
		{[]string{"--model", bgeM3, "--dry-run"}, 0, "500 records with text, about "},
		{[]string{"--model", bgeM3, "--dry-run"}, 0, "how long it takes is known once it has begun"},
		{[]string{"--model", bgeM3}, 1, "nothing was begun; answer y, or give --yes"},
		{[]string{"--cancel"}, 1, "is not being re-embedded"},
		{[]string{"--model", bgeM3, "--yes"}, 0, "shelf: 500 records, "},
		{[]string{"--status"}, 0, "kept from before: 500 records by " + lexical + " (384 dimensions, cosine)"},
		{[]string{"--model", lexical, "--yes"}, 1, "still kept as it was before"},
		{[]string{"--undo", "--yes"}, 0, "kept from before: 500 records by " + bgeM3},
		{[]string{"--undo", "--yes", "--wait=false"}, 0, "re-embeds shelf; see how far it is"},
	} {
		out, code := reembed(c.args...)
		if code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("reembed %s: exit code %d, want %d, and %q in:\n%s", strings.Join(c.args, " "), code, c.code, c.says, out)
		}
	}
	eventually(t, "the index is back", func() bool { state, _ := reembedStatus(t, api); return state == "done" })
	if out, code := reembed("--drop-old", "--yes"); code != 0 || !strings.Contains(out, "deleted: 500 records by "+lexical) {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	got := s.records(api)
	s.compare(got)
	s.madeBy(bgeModel, got)
	if n := embeddedBy(models); n != 500 {
		t.Errorf("%d texts were embedded: there and back and there again need each once", n)
	}
	p.stop()
}

// TestAnIngestAfterAReembeddingLoadsNothing loads a folder, has its index re-embedded, there and back, and loads it again.
func TestAnIngestAfterAReembeddingLoadsNothing(t *testing.T) {
	_, p, api := besideBGE(t)
	dir := t.TempDir()
	for i := range 20 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("page%d.md", i)), fmt.Appendf(nil, "# Page %d\n\nThis is the text of page %d.\n", i, i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ingest := func(loaded, unchanged int64) {
		t.Helper()
		out := nearside(t, t.Context(), "ingest", dir, "--index", "shelf", "--create", "--model", lexical, "--url", api.URL, "--json")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		var last ingestReport
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if r := last.Report; r.Loaded != loaded || r.Unchanged != unchanged || !r.Complete {
			t.Errorf("%d loaded and %d unchanged, want %d and %d: %s", r.Loaded, r.Unchanged, loaded, unchanged, lines[len(lines)-1])
		}
	}
	ingest(20, 0)
	nearside(t, t.Context(), "reembed", "shelf", "--model", bgeM3, "--yes", "--url", api.URL)
	ingest(0, 20)
	if err := os.WriteFile(filepath.Join(dir, "page7.md"), []byte("# Page 7\n\nAnother text.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ingest(1, 19)
	nearside(t, t.Context(), "reembed", "shelf", "--undo", "--yes", "--url", api.URL)
	ingest(0, 20)
	nearside(t, t.Context(), "reembed", "shelf", "--drop-old", "--yes", "--url", api.URL)
	ingest(0, 20)
	p.stop()
}

// TestReembedInterrupted ends the command, and what it began goes on, or with --cancel does not.
func TestReembedInterrupted(t *testing.T) {
	models, p, api := besideBGE(t)
	s := filledShelf(t, api)
	interrupt := func(args ...string) (string, int) {
		models.Lie(backendtest.StallFirst)
		before := len(models.Asked("/api/embed"))
		out, code := interrupted(t, func() bool { return len(models.Asked("/api/embed")) > before }, append([]string{"reembed", "shelf", "--url", api.URL, "--model", bgeM3, "--yes"}, args...)...)
		models.Lie(backendtest.Honest)
		return out, code
	}
	if out, code := interrupt("--cancel"); code != 130 || !strings.Contains(out, "is cancelled; shelf serves as before") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	eventually(t, "the job is cancelled", func() bool { state, _ := reembedStatus(t, api); return state == "cancelled" })
	if out, code := interrupt(); code != 130 || !strings.Contains(out, "goes on without this command") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if state, _ := reembedStatus(t, api); state == "cancelled" {
		t.Errorf("the job is %s", state)
	}
	s.compare(s.records(api))
	p.kill()
}

// interrupted runs a command line and interrupts it as soon as something has come about.
func interrupted(t *testing.T, when func() bool, args ...string) (string, int) {
	t.Helper()
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer // read when the command has ended
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the command may be interrupted", when)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its exit code is what is looked at
	return out.String(), cmd.ProcessState.ExitCode()
}
