package local_test

import (
	"bytes"
	"flag"
	"path/filepath"
	"testing"

	"nearside/disk/disktest"
	"nearside/index/local"
)

var writeGolden = flag.Bool("write-golden", false, "write testdata/directory-1.zip anew; only before version 1 has been released")

// golden is a data directory of format version 1, the snapshot of its index and
// what the index answered then. There is one for each version ever released.
const golden = "testdata/directory-1.zip"

func TestDirectoryOfVersion1OpensAndAnswersTheSame(t *testing.T) {
	if *writeGolden {
		makeGolden(t)
	}
	files := disktest.Unpack(t, golden)
	want, snapshot := string(files["answers"]), files["snapshot"]
	delete(files, "answers")
	delete(files, "snapshot")
	root := filepath.Join(t.TempDir(), "data")
	files.Lay(t, root)
	got, err := reading(root)
	if err != nil || got != want {
		t.Fatalf("the directory answers\n%s\nwith error %v; it should answer\n%s", got, err, want)
	}
	if _, err := local.VerifySnapshot(bytes.NewReader(snapshot)); err != nil {
		t.Fatal(err)
	}
	h := openHome(t, nil)
	x, err := h.Restore(t.Context(), 1, bytes.NewReader(snapshot))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := answers(x); err != nil || got != want {
		t.Fatalf("the restored snapshot answers\n%s\nwith error %v; it should answer\n%s", got, err, want)
	}
}

func makeGolden(t *testing.T) {
	h := openHome(t, nil)
	x := h.create(t, 1)
	fillSmall(t, x)
	want, err := answers(x)
	if err != nil {
		t.Fatal(err)
	}
	snapshot := snapshotOf(t, x)
	h.close(t)
	files := disktest.ReadTree(t, h.path)
	files["answers"], files["snapshot"] = []byte(want), snapshot
	files.Pack(t, golden)
}
