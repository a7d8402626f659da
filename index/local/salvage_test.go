package local_test

import (
	"bytes"
	"maps"
	"path/filepath"
	"reflect"
	"testing"

	"nearside/disk/disktest"
	"nearside/fault"
	"nearside/index"
	"nearside/index/local"
)

func TestSalvageSavesWholeRecordsAndNoOthers(t *testing.T) {
	t.Parallel()
	const n = 400
	h := openHome(t, nil)
	h.broken = true
	x := h.create(t, 1)
	upsert(t, x, records(0, n, 1)...)
	upsert(t, x, records(0, 50, 2)...)
	want, err := x.Get(t.Context(), list(t, x, "", n).IDs, index.Read{})
	if err != nil {
		t.Fatal(err)
	}
	h.close(t)
	folder := filepath.Join(h.path, "indexes", "1")
	whole := disktest.ReadTree(t, folder)
	const page = 16384
	pages := len(whole["records.db"]) / page
	lost := 0
	for p := range pages {
		files := maps.Clone(whole)
		files["records.db"] = bytes.Clone(whole["records.db"])
		files["records.db"][p*page+page/2] ^= 1
		files.Lay(t, folder)
		h.openDir(t)
		saved := map[index.VectorID]index.Record{}
		result, err := local.Salvage(t.Context(), h.dir.Sub("indexes"), 1, func(r index.Record) error {
			saved[r.ID] = r
			return nil
		})
		h.close(t)
		if err != nil {
			if !fault.Is(err, fault.Corrupt) {
				t.Fatalf("page %d of %d: %v", p+1, pages, err)
			}
			continue // what the database needs to be opened at all
		}
		for _, r := range want {
			if s, ok := saved[r.ID]; ok && !reflect.DeepEqual(s, r) {
				t.Fatalf("page %d of %d: saved %v, it was %v", p+1, pages, s, r)
			}
		}
		if len(saved) != result.Saved || len(saved)+result.Unreadable < n {
			t.Errorf("page %d of %d: %d of %d saved, %+v", p+1, pages, len(saved), n, result)
		}
		if len(saved) < n {
			lost++
		}
	}
	if lost == 0 {
		t.Errorf("none of %d damaged pages made a record unreadable", pages)
	}
}

func TestSalvageNeedsNoRows(t *testing.T) {
	t.Parallel()
	const n = 400
	h := openHome(t, func(h *home) { h.broken = true })
	x := h.create(t, 1)
	upsert(t, x, records(0, n, 1)...)
	h.close(t)
	folder := filepath.Join(h.path, "indexes", "1")
	files := disktest.ReadTree(t, folder)
	delete(files, "vectors.rows")
	const page = 16384
	whole := files["records.db"]
	salvaged := 0
	for p := range len(whole) / page {
		files["records.db"] = bytes.Clone(whole)
		files["records.db"][p*page+page/2] ^= 1
		files.Lay(t, folder)
		h.openDir(t)
		result, err := local.Salvage(t.Context(), h.dir.Sub("indexes"), 1, func(index.Record) error { return nil })
		h.close(t)
		if err != nil && !fault.Is(err, fault.Corrupt) {
			t.Fatalf("page %d: %v", p+1, err)
		}
		if err == nil && result.Saved < n {
			salvaged++
		}
	}
	if salvaged == 0 {
		t.Error("no damaged page made a record unreadable")
	}
}
