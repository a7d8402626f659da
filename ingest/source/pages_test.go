package source_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"nearside/fault"
	"nearside/ingest"
	"nearside/ingest/source"
	"nearside/ingest/source/web"
)

// served is a site made of pages by path; what is not there is not found, and numbers are statuses. It counts what was asked.
type served struct {
	mu    sync.Mutex
	pages map[string]string
	tags  map[string]string
	asked map[string]int
	url   string
}

func serve(t *testing.T, pages map[string]string) *served {
	t.Helper()
	s := &served{pages: pages, tags: map[string]string{}, asked: map[string]int{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[r.Method+" "+r.URL.RequestURI()]++
	says, ok := s.pages[r.URL.RequestURI()]
	var code int
	if !ok {
		code = http.StatusNotFound
	} else if _, err := fmt.Sscanf(says, "%d", &code); err == nil {
		ok = false
	}
	if !ok {
		w.WriteHeader(code)
		return
	}
	if tag := s.tags[r.URL.RequestURI()]; tag != "" {
		w.Header().Set("ETag", tag)
	}
	if strings.HasPrefix(says, "<html") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	}
	_, _ = w.Write([]byte(strings.ReplaceAll(says, "$", "http://"+r.Host)))
}

// fetcher returns a client that may ask sites of this machine.
func (s *served) fetcher(t *testing.T) *web.Client {
	t.Helper()
	c, err := web.New(web.Options{Hosts: []string{strings.TrimPrefix(s.url, "http://")}, Private: []string{"127.0.0.1"}, Delay: -1})
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// relative returns the paths of a source's items without the site's address.
func (s *served) relative(t *testing.T, src ingest.Source) []string {
	t.Helper()
	var all []string
	for _, path := range paths(t, src) {
		all = append(all, strings.Replace(path, s.url, "", 1))
	}
	return all
}

func TestPagesAreItemsInTheOrderOfTheirAddresses(t *testing.T) {
	s := serve(t, map[string]string{"/b.md": "# B", "/a": "<html>A", "/a?x=1": "<html>1", "/old": "500", "/gone": "410", "/pack": gzipOf(t, "# P")})
	s.tags["/a"] = `"1"`
	src, err := source.Pages(s.fetcher(t), []string{s.url + "/b.md", s.url + "/a", s.url + "/a#part", s.url + "/a?x=1", s.url + "/gone", s.url + "/never", s.url + "/old", s.url + "/pack", "http://elsewhere.test/"}, source.Options{})
	must(t, err)
	if src.Name() != s.url+"/a" {
		t.Errorf("name %q", src.Name())
	}
	same(t, "items", s.relative(t, src), "/a", "/a?x=1", "/b.md", "!/old", "/pack", "!http://elsewhere.test/")
	all := items(t, src)
	if all[0].Version != `tag "1"` || all[1].Version != "" || all[0].Size != 7 {
		t.Errorf("%+v", all[0])
	}
	wants(t, "a", contents(t, all[0]), ": a: <html>A")
	wants(t, "b", contents(t, all[2]), ": b.md: # B")
	wants(t, "packed", contents(t, all[4]), ": pack: # P")
	s.mu.Lock()
	delete(s.pages, "/a")
	s.mu.Unlock()
	if _, err := all[0].Open(t.Context()); !fault.Is(err, fault.Gone) {
		t.Errorf("gone meanwhile: %v", err)
	}
	media := ""
	c, err := all[1].Open(t.Context())
	must(t, err)
	must(t, c.Files(t.Context(), func(f ingest.File) error { media = f.MediaType; return nil }))
	if d, err := c.Digest(t.Context()); media != "text/html; charset=utf-8" || len(d) != 64 || err != nil || c.Changed() != nil || c.Close() != nil {
		t.Errorf("media type %q, digest %q, %v", media, d, err)
	}
}

func TestGlobsSelectPagesByTheirPaths(t *testing.T) {
	s := serve(t, map[string]string{"/docs/a.html": "", "/docs/old/b.html": "", "/blog/c.html": "", "/": ""})
	var all []string
	for path := range s.pages {
		all = append(all, s.url+path)
	}
	for _, c := range []struct{ include, exclude, want string }{
		{"", "", "/ /blog/c.html /docs/a.html /docs/old/b.html"},
		{"/docs/", "", "/docs/a.html /docs/old/b.html"},
		{"/docs/", "old/", "/docs/a.html"},
		{"*.html", "/docs/*/", "/blog/c.html /docs/a.html"},
	} {
		src, err := source.Pages(s.fetcher(t), all, source.Options{Include: strings.Fields(c.include), Exclude: strings.Fields(c.exclude)})
		must(t, err)
		same(t, c.include+" but "+c.exclude, s.relative(t, src), strings.Fields(c.want)...)
	}
}

func TestAPageIsWithinTheLimitOfAFile(t *testing.T) {
	s := serve(t, map[string]string{"/long": strings.Repeat("x", 2000), "/packed": gzipOf(t, strings.Repeat("x", 2000))})
	src, err := source.Pages(s.fetcher(t), []string{s.url + "/long", s.url + "/packed"}, source.Options{MaxFileSize: 1024})
	must(t, err)
	all := items(t, src)
	if !fault.Is(all[0].Problem, fault.TooLarge) {
		t.Errorf("%v", all[0].Problem)
	}
	wants(t, "unpacked", contents(t, all[1]), "! packed has 2.0 KiB, more than")
}

func TestASitemapListsPages(t *testing.T) {
	s := serve(t, map[string]string{
		"/robots.txt": "User-agent: *\nDisallow: /private\n",
		"/index.xml": `<?xml version="1.0"?><sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
			<sitemap><loc> $/one.xml </loc><lastmod>2026-01-01</lastmod></sitemap><sitemap><loc>$/two.xml.gz</loc></sitemap><sitemap><loc>$/index.xml</loc></sitemap><sitemap><loc>$/three.txt</loc></sitemap></sitemapindex>`,
		"/one.xml":   `<urlset xmlns:image="i"><url><loc>$/b?x=1&amp;y=2</loc><image:image><image:loc>$/picture.png</image:loc></image:image></url><url><loc><![CDATA[$/a]]></loc></url></urlset>`,
		"/three.txt": "$/c\n$/a\nhttp://elsewhere.test/x\n",
		"/a":         "A", "/b?x=1&y=2": "B", "/c": "C", "/private/x": "P", "/picture.png": "",
	})
	s.pages["/two.xml.gz"] = gzipOf(t, strings.ReplaceAll(`<urlset><url><loc>$/private/x</loc></url><url><loc>no address</loc></url><url><loc>$/c</loc></url></urlset>`, "$", s.url))
	var notes []string
	src, err := source.Sitemap(s.fetcher(t), s.url+"/index.xml", source.Options{}, func(note string) { notes = append(notes, note) })
	must(t, err)
	same(t, "items", s.relative(t, src), "/a", "/b?x=1&y=2", "/c")
	wants(t, "notes", notes, "1 pages were left out that robots.txt", "1 pages of elsewhere.test were left out; if they are wanted: --allow-host elsewhere.test")
	if src.Name() != s.url+"/index.xml" || s.asked["GET /robots.txt"] != 1 || s.asked["GET /index.xml"] != 1 {
		t.Errorf("name %q, asked %v", src.Name(), s.asked)
	}
}

func TestASitemapThatCannotBeReadHidesEverything(t *testing.T) {
	s := serve(t, map[string]string{
		"/index.xml": `<sitemapindex><sitemap><loc>$/one.xml</loc></sitemap><sitemap><loc>$/missing.xml</loc></sitemap></sitemapindex>`,
		"/one.xml":   `<urlset><url><loc>$/a</loc></url></urlset>`, "/a": "A",
		"/page.xml": "<html><body>no", "/cut.xml": "<urlset><url><loc>$/a</lo", "/down.xml": "500", "/robots.txt": "",
	})
	walk := func(path string) (ingest.Source, error) {
		src, err := source.Sitemap(s.fetcher(t), s.url+path, source.Options{}, nil)
		must(t, err)
		return src, src.Walk(t.Context(), func(*ingest.Item) error { return nil })
	}
	src, err := walk("/index.xml")
	must(t, err)
	all := items(t, src)
	if len(all) != 2 || all[0].Path != "/" || !all[0].Folder || !strings.Contains(all[0].Problem.Error(), "missing.xml") {
		t.Errorf("%+v", all[0])
	}
	for _, path := range []string{"/page.xml", "/cut.xml", "/down.xml", "/nothing.xml"} {
		if _, err := walk(path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
	s.mu.Lock()
	s.pages["/robots.txt"] = "500"
	s.mu.Unlock()
	if _, err := walk("/one.xml"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("without robots.txt: %v", err)
	}
}

func TestAListOfAddressesIsReadByLines(t *testing.T) {
	got, err := source.Addresses(strings.NewReader("\uFEFFhttps://a/x\r\n\n# no\n  HTTP://B  \n"))
	if err != nil || !slices.Equal(got, []string{"https://a/x", "http://b/"}) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := source.Addresses(strings.NewReader("https://a/\nfile:///etc/passwd")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v", err)
	}
}

func TestOnlyFoldersAndFilesAreLocal(t *testing.T) {
	s := serve(t, map[string]string{"/a": ""})
	remote, err := source.Pages(s.fetcher(t), []string{s.url + "/a"}, source.Options{})
	must(t, err)
	for what, c := range map[string]struct {
		src   ingest.Source
		local bool
	}{"folder": {folder(t, t.TempDir(), source.Options{}), true}, "pages": {remote, false}, "stdin": {source.Reader("-", nil, source.Options{}), false}} {
		if source.Local(c.src) != c.local {
			t.Errorf("%s is local: %v", what, !c.local)
		}
	}
}

func FuzzSitemaps(f *testing.F) {
	f.Add([]byte(`<?xml version="1.0"?><urlset><url><loc>http://a/</loc></url></urlset>`))
	f.Add([]byte("<!DOCTYPE x [<!ENTITY a \"b\">]><urlset>&a;"))
	f.Add([]byte("http://a/\nhttp://b"))
	f.Add([]byte("\x1f\x8b\x08"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		source.ReadSitemap(data)
	})
}
