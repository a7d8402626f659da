package command

import (
	"flag"
	"os"
	"testing"

	"nearside/disk/disktest"
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
	got, err := answersOf(t, disktest.Unpack(t, goldenDirectory))
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("it answers\n%s\nand answered\n%s", got, want)
	}
}

func writeGolden(t *testing.T) {
	t.Helper()
	files, _ := makeHouses(t)
	files.Pack(t, goldenDirectory)
	answers, err := answersOf(t, disktest.Unpack(t, goldenDirectory))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenAnswers, []byte(answers), 0o644); err != nil {
		t.Fatal(err)
	}
}
