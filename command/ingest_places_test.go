package command_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// said finds what the sentences of a folder are told apart by.
var said = regexp.MustCompile(`note[0-9]{6}`)

// TestEveryRecordPointsAtTheBytesThatSayIt loads a folder of all formats, archives too, and looks up where each
// record says that it comes from: just the sentences of the passage stand there, from the line that it names.
func TestEveryRecordPointsAtTheBytesThatSayIt(t *testing.T) {
	files := 60
	if *long {
		files = 300
	}
	t.Logf("folderseed %d", *folderSeed)
	f := newFolder(t, rand.New(rand.NewPCG(*folderSeed, 14)), files)
	p := start(t, t.TempDir())
	api := p.ready()
	createFor(t, api, "places", lexicalHash)
	if _, errs, code := runHere(t, "ingest", f.dir, "--index", "places", "--url", api.URL, "--size", "48"); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	records := recordsOf(t, api, "places")
	found := map[string]bool{}
	for _, r := range records {
		text := func(key string) string { s, _ := r.Metadata[key].(string); return s }
		number := func(key string) int { n, _ := r.Metadata[key].(float64); return int(n) }
		data := f.bytesOf(text("path"), text("member"))
		from, to := number("from"), number("to")
		if from > to || to > len(data) {
			t.Fatalf("%s is of bytes %d to %d of %d", r.short(), from, to, len(data))
		}
		passage := said.FindAllString(r.Text[number("context"):], -1)
		if there := said.FindAllString(string(data[from:to]), -1); !slices.Equal(there, passage) {
			t.Errorf("%s\nhas %v, but at bytes %d to %d are %v", r.short(), passage, from, to, there)
		}
		if line := 1 + bytes.Count(data[:from], []byte("\n")); line != number("line") {
			t.Errorf("%s\nis of line %d, but begins in line %d", r.short(), number("line"), line)
		}
		for _, s := range passage {
			found[s] = true
		}
	}
	if len(records) < files || len(found) < files {
		t.Errorf("%d records with %d sentences, of %d files", len(records), len(found), files)
	}
	p.stop()
}

// bytesOf returns what there is at a path of a folder, unpacked.
func (f *folder) bytesOf(path, member string) []byte {
	f.t.Helper()
	data, err := os.ReadFile(filepath.Join(f.dir, filepath.FromSlash(strings.ReplaceAll(path, "%25", "%"))))
	f.must(err)
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(data))
		f.must(err)
		data, err = io.ReadAll(z)
		f.must(err)
	}
	switch {
	case member == "":
		return data
	case strings.HasSuffix(path, ".zip"):
		z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		f.must(err)
		r, err := z.Open(member)
		f.must(err)
		data, err = io.ReadAll(r)
		f.must(errors.Join(err, r.Close()))
		return data
	}
	for archive := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := archive.Next()
		f.must(err)
		if h.Name == member {
			data, err = io.ReadAll(archive)
			f.must(err)
			return data
		}
	}
}
