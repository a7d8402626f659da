package disk_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
)

// keepWriting is the second process of the kill test: for ever four writers say
// which changes were acknowledged, and 0 before every file operation.
func keepWriting(path string) error {
	d, err := disk.OpenDir(path, disk.Options{LogPages: 30, Hook: func(disk.Op, string) error {
		fmt.Print("0\n")
		return nil
	}})
	if err != nil {
		return err
	}
	db, err := d.OpenDB("a.db", rows)
	if err != nil {
		return err
	}
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for err == nil {
				var mine uint64
				if err := db.Update(context.Background(), func(tx *disk.Tx) error {
					mine = tx.Sequence()
					return change(tx)
				}, nil); err != nil {
					panic(err)
				}
				fmt.Printf("%d\n", mine)
			}
		})
	}
	work.Wait()
	return nil
}

func TestNothingAcknowledgedIsLostWhenTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	rounds := 6
	if *long {
		rounds = 100
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	path := t.TempDir()
	for round := range rounds {
		if round%3 == 0 { // an empty directory, killed in its first moments
			path = t.TempDir()
		}
		last := killAfter(t, path, random.IntN([]int{80, 400, 2000}[round%3]))
		reopen(t, path, func(_ *disk.Dir, db *disk.DB) {
			head, err := compare(db)
			if err != nil || head < last {
				t.Fatalf("round %d: change %d was acknowledged, the head is %d: %v", round, last, head, err)
			}
			if err := db.Check(ctx); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// killAfter kills a writing process after some file operations, and returns the
// last change that it acknowledged.
func killAfter(t *testing.T, path string, operations int) (last uint64) {
	t.Helper()
	disktest.KillAfter(t, "DISK_TEST_WRITER="+path, operations, func(line string) {
		var sequence uint64
		if _, err := fmt.Sscan(line, &sequence); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		last = max(last, sequence)
	})
	return last
}
