package disk_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
)

func TestAloneOrTogetherUpdatesAreOneSequence(t *testing.T) {
	db := disktest.Open(t, rows)
	refusal := errors.New("no")
	var work sync.WaitGroup
	var committed atomic.Int32
	for i := range 60 {
		update := db.Update
		if i%3 == 0 {
			update = db.UpdateAlone
		}
		work.Go(func() {
			defer func() {
				if p := recover(); (p != nil) != (i%6 == 3) {
					t.Errorf("caller %d panicked with %v", i, p)
				}
			}()
			err := update(ctx, func(tx *disk.Tx) error {
				if err := change(tx); err != nil {
					return err
				}
				switch {
				case i%6 == 3:
					panic("not this one")
				case i%12 == 0:
					return refusal
				}
				return nil
			}, func() { committed.Add(1) })
			if refused := i%12 == 0; refused != (err == refusal) || !refused && err != nil {
				t.Errorf("caller %d: %v", i, err)
			}
		})
	}
	work.Wait()
	if got := committed.Load(); got != 45 {
		t.Errorf("%d were committed, want 45", got)
	}
	mustBe(t, db, 45)
}

func TestACanceledUpdateAloneChangesNothing(t *testing.T) {
	db := disktest.Open(t, rows)
	canceled, cancel := context.WithCancel(ctx)
	err := db.UpdateAlone(canceled, func(tx *disk.Tx) error {
		err := change(tx)
		cancel()
		return err
	}, func() { t.Error("the committed function ran") })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	mustBe(t, db, 0)
	if err := db.Update(ctx, change, nil); err != nil {
		t.Fatal(err)
	}
	mustBe(t, db, 1)
}
