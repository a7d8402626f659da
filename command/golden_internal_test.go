package command

import (
	"archive/zip"
	"bytes"
	"flag"
	"io"
	"maps"
	"os"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "write the golden data directory anew; only for a new version of the format")

// The data directory of format 1 as a clean end left it, and what it answers.
const (
	goldenDirectory = "testdata/data-directory-1.zip"
	goldenAnswers   = "testdata/data-directory-1.txt"
)

// TestTheGoldenDataDirectoryAnswersTheSame opens a whole data directory that the first version of the format wrote.
func TestTheGoldenDataDirectoryAnswersTheSame(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	want, err := os.ReadFile(goldenAnswers)
	if err != nil {
		t.Fatal(err)
	}
	got, err := answersOf(t, readGolden(t))
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("it answers\n%s\nand answered\n%s", got, want)
	}
}

func readGolden(t *testing.T) map[string][]byte {
	t.Helper()
	archive, err := zip.OpenReader(goldenDirectory)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	files := map[string][]byte{}
	for _, packed := range archive.File {
		f, err := packed.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[packed.Name], err = io.ReadAll(f); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func writeGolden(t *testing.T) {
	t.Helper()
	files, _ := makeHouses(t)
	delete(files, "owner") // it speaks of the process that wrote it, and is written anew
	answers, err := answersOf(t, files)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	archive := zip.NewWriter(&packed)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := archive.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{goldenDirectory: packed.Bytes(), goldenAnswers: []byte(answers)} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
