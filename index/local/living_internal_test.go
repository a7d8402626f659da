package local

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"nearside/disk"
	"nearside/index"
	"nearside/index/filter"
)

// TestASelectionSeesWhatIsNotCommittedYet asks for the living versions inside a
// transaction in which others have written, killed and made metadata indexes.
func TestASelectionSeesWhatIsNotCommittedYet(t *testing.T) {
	e := Open(openDir(t, t.TempDir(), nil), Options{})
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	x, err := e.Create(t.Context(), 1, index.Config{Dimensions: 1, Metric: index.Euclidean})
	if err != nil {
		t.Fatal(err)
	}
	record := func(id index.VectorID, k string) index.Record {
		return index.Record{ID: id, Values: []float32{1}, Metadata: json.RawMessage(`{"k":"` + k + `"}`)}
	}
	if _, err := x.CreateMetadataIndex(t.Context(), index.MetadataIndex{Property: "k", Type: filter.String}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Upsert(t.Context(), []index.Record{record("a", "v"), record("b", "v"), record("c", "w")}, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	v, err := filter.Parse([]byte(`{"k":"v"}`))
	if err != nil {
		t.Fatal(err)
	}
	s := x.(*handle).store
	undo := errors.New("undone")
	for _, c := range []struct {
		name  string
		write string
		want  []uint32
	}{
		{"nothing", `DELETE FROM history WHERE sequence = 999`, []uint32{0, 1}},
		{"a death", `UPDATE records SET died = 99 WHERE slot = 1`, []uint32{0}},
		{"a birth", `INSERT INTO records SELECT 3, 99, NULL, sum, 'd', namespace, metadata, title, text FROM records WHERE slot = 0`, []uint32{0, 1, 3}},
		{"a birth of something else", `INSERT INTO records SELECT 3, 99, NULL, sum, 'd', namespace, metadata, title, text FROM records WHERE slot = 2`, []uint32{0, 1}},
		{"a birth and death", `INSERT INTO records SELECT 3, 98, 99, sum, 'd', namespace, metadata, title, text FROM records WHERE slot = 0`, []uint32{0, 1}},
		{"the metadata index made anew", `UPDATE metadata_indexes SET created = 99`, []uint32{}},
		{"the metadata index made anew, with all records", `UPDATE metadata_indexes SET created = 99, backfilled = 1`, []uint32{0, 1}},
	} {
		err := s.db.Update(t.Context(), func(tx *disk.Tx) error {
			if err := tx.Exec(c.write); err != nil {
				t.Error(err)
			}
			found, err := s.living(tx, index.Selection{Filter: v}, &scopeGate{})
			if err != nil || !slices.Equal(found.ToArray(), c.want) {
				t.Errorf("%s: slots %v, %v; want %v", c.name, found, err, c.want)
			}
			return undo
		}, nil)
		if !errors.Is(err, undo) {
			t.Fatal(err)
		}
	}
}
