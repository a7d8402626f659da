package disk_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
)

func TestIdleDatabasesAreParkedAndWakeUnchanged(t *testing.T) {
	t.Parallel()
	d := disktest.OpenDir(t, t.TempDir(), disk.Options{Connections: 6})
	var all []*disk.DB
	for i := range 15 {
		all = append(all, disktest.OpenDB(t, d.Sub(fmt.Sprint(i)), "records.db", rows))
	}
	if n := disk.Connections(d); n > 6 {
		t.Errorf("%d connections are open", n)
	}
	for round := range uint64(3) {
		for i, db := range all {
			mustBe(t, db, round*uint64(i%3))
			mustChange(t, db, (round+1)*uint64(i%3))
		}
	}
	if n := disk.Connections(d); n > 6 {
		t.Errorf("%d connections are open", n)
	}
}

func TestParkingDoesNotDisturbReadersAndWriters(t *testing.T) {
	t.Parallel()
	d := disktest.OpenDir(t, t.TempDir(), disk.Options{Connections: 3, LogPages: 10})
	var all []*disk.DB
	for i := range 6 {
		all = append(all, disktest.OpenDB(t, d.Sub(fmt.Sprint(i)), "records.db", rows))
	}
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			for range 25 {
				db := all[rand.IntN(len(all))]
				if err := db.Update(ctx, change, nil); err != nil {
					t.Error(err)
					return
				}
				if _, err := compare(all[rand.IntN(len(all))]); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	var changes uint64
	for _, db := range all {
		mustBe(t, db, db.Head())
		changes += db.Head()
	}
	if changes != 8*25 {
		t.Errorf("%d changes instead of %d", changes, 8*25)
	}
}
