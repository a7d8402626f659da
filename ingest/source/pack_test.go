package source_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"nearside/ingest"
	"nearside/ingest/source"
)

// pair is a member of an archive made here: its name and what it says.
type pair struct{ name, says string }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tarOf makes a tar archive. A name that ends with "/" is a folder; what begins with "-> " is a link.
func tarOf(t testing.TB, members ...pair) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Mode: 0o600, Size: int64(len(m.says)), Typeflag: tar.TypeReg}
		if len(m.says) > 3 && m.says[:3] == "-> " {
			h.Typeflag, h.Linkname, h.Size, m.says = tar.TypeSymlink, m.says[3:], 0, ""
		}
		if m.name != "" && m.name[len(m.name)-1] == '/' {
			h.Typeflag = tar.TypeDir
		}
		must(t, w.WriteHeader(h))
		_, err := io.WriteString(w, m.says)
		must(t, err)
	}
	must(t, w.Close())
	return b.String()
}

func zipOf(t testing.TB, members ...pair) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		f, err := w.Create(m.name)
		must(t, err)
		_, err = io.WriteString(f, m.says)
		must(t, err)
	}
	must(t, w.Close())
	return b.String()
}

// zipRaw makes a zip archive whose headers say sizes and sums beforehand, as change has them.
func zipRaw(t testing.TB, change func(*zip.FileHeader), members ...pair) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Store, CompressedSize64: uint64(len(m.says)), UncompressedSize64: uint64(len(m.says)), CRC32: crc([]byte(m.says))}
		if change != nil {
			change(h)
		}
		f, err := w.CreateRaw(h)
		must(t, err)
		_, err = io.WriteString(f, m.says)
		must(t, err)
	}
	must(t, w.Close())
	return b.String()
}

func gzipOf(t testing.TB, says string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, says)
	must(t, err)
	must(t, w.Close())
	return b.String()
}

func zstdOf(t testing.TB, says string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	must(t, err)
	_, err = io.WriteString(w, says)
	must(t, err)
	must(t, w.Close())
	return b.String()
}

// packedItem returns the item of a file with a name and content.
func packedItem(t *testing.T, name, content string, o source.Options) *ingest.Item {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, []byte(content), 0o600))
	src, err := source.File(path, o)
	must(t, err)
	return items(t, src)[0]
}
