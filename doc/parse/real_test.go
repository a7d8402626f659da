package parse_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearside/doc"
	"nearside/doc/parse"
	"nearside/fault"
)

// TestRealFilesKeepThePromises reads all files that are on this machine anyway: Go's own sources and the modules that
// nearside is built with, and what Debian's packages document. -long reads Go's library, and only -all everything.
func TestRealFilesKeepThePromises(t *testing.T) {
	root := goEnv(t, "GOROOT")
	roots := []string{filepath.Join(root, "src", "encoding"), filepath.Join(root, "src", "go")}
	if *long {
		roots = []string{filepath.Join(root, "src", "net"), filepath.Join(root, "src", "cmd", "go"), filepath.Join(root, "doc"), filepath.Join(root, "test")}
	}
	if *all {
		roots = []string{filepath.Join(root, "src"), filepath.Join(root, "test"), goEnv(t, "GOMODCACHE"), "/usr/share/doc"}
	}
	count := map[doc.Format]int{}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || filepath.Base(filepath.Dir(path)) == "download" {
				return nil // what is not there, or cannot be read, is no concern of this test
			}
			realFile(t, path, count)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	t.Logf("documents: %v", count)
	if count[doc.FormatSource] < 50 || count[doc.FormatText] < 5 {
		t.Errorf("hardly any files were read: %v", count)
	}
}

func realFile(t *testing.T, path string, count map[doc.Format]int) {
	data, err := os.ReadFile(path)
	if err != nil || len(data) > 32<<20 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	err = parse.Parse(ctx, parse.File{Name: path, Body: bytes.NewReader(data)}, parse.Options{}, func(d *doc.Document) error {
		count[d.Format]++
		if err := d.Check(data); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil && (fault.As(err) == nil || strings.Contains(err.Error(), "reader failed")) {
		t.Errorf("%s: %v", path, err)
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
