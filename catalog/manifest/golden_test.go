package manifest_test

import (
	"flag"
	"reflect"
	"testing"
	"time"

	"nearside/catalog/manifest"
	"nearside/disk/disktest"
)

var update = flag.Bool("update", false, "write the golden sources anew; only for a new version of the format")

// golden is a data directory of version 1, as a clean end left it.
const golden = "testdata/manifests-1.zip"

// goldenItems are the items of its one source.
func goldenItems(at time.Time) []manifest.Item {
	return []manifest.Item{
		{Path: "a.md", State: manifest.Loaded, Size: 12, Modified: at.Add(-time.Hour), Digest: "d1", Recipe: "r1", Records: []string{"x-1", "x-2"}, Changed: at},
		{Path: "b.pdf", State: manifest.Failed, Size: 7, Digest: "d2", Recipe: "r1", Reason: "encrypted", Changed: at},
	}
}

func writeGolden(t *testing.T) {
	t.Helper()
	path := t.TempDir()
	t.Run("write", func(t *testing.T) {
		f := open(t, path)
		c := f.claim("/docs", "first")
		f.put(&c, goldenItems(f.now)...)
		if err := f.Release(t.Context(), c, true); err != nil {
			t.Fatal(err)
		}
	})
	disktest.ReadTree(t, path).Pack(t, golden)
}

func TestTheGoldenSourcesAreReadAsTheyWereWritten(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	f := open(t, disktest.LayOut(t, golden))
	list, err := f.Sources(t.Context(), docs)
	if err != nil || len(list) != 1 || list[0].Name != "/docs" || !list[0].Scanned.Equal(f.now) {
		t.Fatalf("%+v, %v", list, err)
	}
	if got := f.items(list[0].Number, manifest.Look{Records: true}); !reflect.DeepEqual(got, goldenItems(f.now)) {
		t.Errorf("got %+v", got)
	}
}

func TestAnExaminationFindsSourcesThatAreGoneOrDamaged(t *testing.T) {
	disktest.Examine(t, disktest.LayOut(t, golden), "manifests.db", manifest.Check)
}
