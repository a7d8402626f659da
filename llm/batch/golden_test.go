package batch_test

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"

	"nearside/disk/disktest"
	"nearside/fault"
	"nearside/llm/batch"
)

var update = flag.Bool("update", false, "write the golden batches anew; only for a new version of the format")

// golden is a data directory of version 1 with a batch that has ended and one that
// has not, as a clean end left it; the file ids has their ids.
const golden = "testdata/batches-1.zip"

func writeGolden(t *testing.T) {
	t.Helper()
	path := t.TempDir()
	h := open(t, path, batch.Options{})
	ended := h.add(2)
	h.ended(h.charging(func(_ context.Context, task batch.Task) error {
		if strings.Contains(string(task.Input), "1") {
			return refused
		}
		return nil
	}), ended)
	ids := ended + " " + h.add(3)
	h.shut()
	files := disktest.ReadTree(t, path)
	files["ids"] = []byte(ids)
	files.Pack(t, golden)
}

// unpackGolden lays the golden directory out and returns its path and the ids.
func unpackGolden(t *testing.T) (path string, ids []string) {
	t.Helper()
	files := disktest.Unpack(t, golden)
	ids = strings.Fields(string(files["ids"]))
	delete(files, "ids")
	path = t.TempDir()
	files.Lay(t, path)
	return path, ids
}

func TestTheGoldenBatchesAreReadAsTheyWereWritten(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	path, ids := unpackGolden(t)
	h := open(t, path, batch.Options{Keep: 1 << 62}) // whenever it was written
	defer h.shut()
	want := fmt.Sprintf(`{m ended 0  [{%v {0 } r0} {[] {%d no} r1}] {14 0 1} 14.000000}`, []byte(`{"prompt":"0"}`), fault.Invalid)
	if got := fmt.Sprint(h.look(ids[0])); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if r := h.look(ids[1]); r.State != batch.Queued || r.Open != 3 {
		t.Errorf("%+v", r)
	}
	if r := h.ended(h.charging(nil), ids[1]); len(r.Responses) != 3 || string(r.Responses[2].Result) != `{"prompt":"2"}` {
		t.Errorf("%+v", r)
	}
}

func TestAnExaminationFindsBatchesThatAreGoneOrDamagedAndMissesNone(t *testing.T) {
	path, _ := unpackGolden(t)
	disktest.Examine(t, path, "batches.db", batch.Check)
}
