//go:build unix

package command_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"nearside/command"
)

// loadFrom loads what is named, with standard input.
func (s *shop) loadFrom(stdin string, code int, what ...string) ingestReport {
	s.t.Helper()
	models, err := os.ReadFile("../models.yaml")
	if err != nil {
		s.t.Fatal(err)
	}
	var out, errs bytes.Buffer
	args := append([]string{"ingest", "--index", shopIndex, "--url", s.api.URL, "--json"}, what...)
	got := command.Run(context.Background(), args, strings.NewReader(stdin), &out, &errs, command.Assets{Models: models, Docs: os.DirFS("..")})
	if got != code {
		s.t.Fatalf("%v: exit code %d, not %d: %s\n%s", what, got, code, errs.String(), out.String())
	}
	return reportOf(s.t, out.String())
}

func TestASitemapIsLoadedAgainByWhatItsServerSays(t *testing.T) {
	s := newShop(t)
	var mu sync.Mutex
	var fetched []string
	pages := map[string]string{"/robots.txt": "User-agent: *\nDisallow: /no", "/a.html": "<!DOCTYPE html><p>The first page.", "/b.md": "The second page.", "/no.md": "An unwanted page."}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		says, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", `"`+says+`"`)
		if r.Method == http.MethodGet && r.URL.Path != "/robots.txt" {
			fetched = append(fetched, r.URL.Path)
		}
		_, _ = io.WriteString(w, strings.ReplaceAll(says, "HERE", "http://"+r.Host))
	}))
	defer site.Close()
	pages["/map.xml"] = "<urlset><url><loc>HERE/b.md</loc></url><url><loc>HERE/a.html</loc></url><url><loc>HERE/no.md</loc></url></urlset>"
	args := []string{"--sitemap", site.URL + "/map.xml", "--allow-private", "127.0.0.1", "--prune", "--yes"}
	if r := s.loadFrom("", 0, args...).Report; r.Loaded != 2 || !strings.Contains(s.texts(), "The first page.") || strings.Contains(s.texts(), "unwanted") {
		t.Errorf("%+v: %s", r, s.texts())
	}
	mu.Lock()
	fetched = nil
	pages["/b.md"] = "The second page, changed."
	mu.Unlock()
	if r := s.loadFrom("", 0, args...).Report; r.Loaded != 1 || r.Unchanged != 1 || strings.Join(fetched, " ") != "/map.xml /b.md" {
		t.Errorf("%+v, fetched %q", r, fetched)
	}
	mu.Lock()
	delete(pages, "/a.html")
	mu.Unlock()
	if r := s.loadFrom("", 0, args...).Report; r.Pruned != 1 || strings.Contains(s.texts(), "first") || !strings.Contains(s.texts(), "changed") {
		t.Errorf("%+v: %s", r, s.texts())
	}
}

func TestStandardInputIsRememberedByTheNameItIsGiven(t *testing.T) {
	s := newShop(t)
	s.loadFrom("What came without a name.", 0, "-")
	s.loadFrom("More without a name.", 0, "-")
	s.loadFrom("What came first by a name.", 0, "-", "--source", "notes.md")
	if r := s.loadFrom("What came first by a name.", 0, "-", "--source", "notes.md").Report; r.Unchanged != 1 {
		t.Errorf("the same again: %+v", r)
	}
	s.loadFrom("What came then.", 0, "-", "--source", "notes.md")
	texts := s.texts()
	for _, want := range []string{"What came without", "More without", "What came then"} {
		if !strings.Contains(texts, want) {
			t.Errorf("%q is not there: %s", want, texts)
		}
	}
	if strings.Contains(texts, "first by a name") {
		t.Errorf("what was replaced is there: %s", texts)
	}
}
