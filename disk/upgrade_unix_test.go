//go:build unix

package disk_test

import (
	"math/rand/v2"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
)

// grow makes a database of the first version, and upgrades it in a second life.
func grow(path string, hook disk.Hook) error {
	err := openAs(path, rows, hook, func(db *disk.DB) error {
		_, err := changeTo(db, flipHead)
		return err
	})
	if err != nil {
		return err
	}
	return openAs(path, version3, hook, func(db *disk.DB) error { return upgraded(db, flipHead) })
}

func TestAnUpgradeIsWholeOrNotThereAfterAPowerCutAtAnyOperation(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	born, grown := disktest.Count(), disktest.Count()
	err := openAs(t.TempDir(), rows, born.Hook, func(db *disk.DB) error { _, err := changeTo(db, flipHead); return err })
	if err != nil || grow(t.TempDir(), grown.Hook) != nil {
		t.Fatal(err)
	}
	points := random.Perm(grown.Operations() - born.Operations())
	if !*long {
		points = points[:6]
	}
	for _, point := range points {
		path, k := t.TempDir(), born.Operations()+point+1
		cut := disktest.NewPowerCut(t, path, k)
		if err := grow(path, cut.Hook); !cut.Happened() {
			t.Fatalf("there was no operation %d: %v", k, err)
		}
		for _, chance := range []float64{0, 0.5, 1} {
			left := t.TempDir()
			cut.Survivors(left, chance, random)
			if err := openAs(left, version3, nil, func(db *disk.DB) error { return upgraded(db, flipHead) }); err != nil {
				t.Errorf("power cut at operation %d, %.1f of what was not synced is left: %v", k, chance, err)
			}
		}
	}
}
