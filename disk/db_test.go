package disk_test

import (
	"context"
	"testing"

	"nearside/disk"
)

func TestUpdateIsSeenByViewAndSurvivesReopening(t *testing.T) {
	path := t.TempDir()
	schema := disk.Schema{Application: "test", Version: 1, Statements: []string{`CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB) STRICT`}}
	ctx := context.Background()
	for round := range 3 {
		d, err := disk.OpenDir(path, disk.Options{})
		if err != nil {
			t.Fatal(err)
		}
		db, err := d.OpenDB("a.db", schema)
		if err != nil {
			t.Fatal(err)
		}
		called := false
		err = db.Update(ctx, func(tx *disk.Tx) error {
			if tx.Sequence() != uint64(round+1) {
				t.Errorf("sequence %d in round %d", tx.Sequence(), round)
			}
			return tx.Exec(`INSERT INTO t VALUES (?, ?)`, round, []byte("hello"))
		}, func() { called = true })
		if err != nil || !called {
			t.Fatal(err, called)
		}
		rows := 0
		err = db.View(ctx, func(tx *disk.Tx) error {
			return tx.Each(`SELECT id, v FROM t`, func(r *disk.Row) error { rows++; return nil })
		})
		if err != nil || rows != round+1 {
			t.Fatal(err, rows)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
