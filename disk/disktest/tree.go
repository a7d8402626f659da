package disktest

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Tree is the files below a directory, by path.
type Tree map[string][]byte

// ReadTree reads the files below a directory, but for the shared memory that a kill does not leave.
func ReadTree(t testing.TB, root string) Tree {
	t.Helper()
	files := Tree{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "-shm") {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err == nil {
			files[name], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Lay makes root hold these files and no others.
func (files Tree) Lay(t testing.TB, root string) {
	t.Helper()
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Pack writes the files into a zip archive, but for the one that says which process wrote them.
func (files Tree) Pack(t testing.TB, archive string) {
	t.Helper()
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if name == "owner" {
			continue
		}
		f, err := w.Create(filepath.ToSlash(name))
		if err == nil {
			_, err = f.Write(files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(archive, packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Unpack reads the files of a zip archive.
func Unpack(t testing.TB, archive string) Tree {
	t.Helper()
	z, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	files := Tree{}
	for _, packed := range z.File {
		f, err := packed.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[filepath.FromSlash(packed.Name)], err = io.ReadAll(f); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// LayOut lays what an archive has out in a directory of its own, and returns that.
func LayOut(t testing.TB, archive string) (path string) {
	t.Helper()
	path = t.TempDir()
	Unpack(t, archive).Lay(t, path)
	return path
}
