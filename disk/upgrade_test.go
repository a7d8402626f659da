package disk_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
)

// Two later versions of rows: the second has another table, the third has a table
// with another column, whose rows are taken over.
var (
	version2 = disk.Schema{Application: "test", Version: 2,
		Statements: append(rows.Statements[:2:2], `CREATE TABLE w (id INTEGER PRIMARY KEY) STRICT`),
		Upgrades:   map[int][]string{1: {`CREATE TABLE w (id INTEGER PRIMARY KEY) STRICT`, `INSERT INTO w SELECT id FROM t`}},
	}
	version3 = disk.Schema{Application: "test", Version: 3,
		Statements: append(rows.Statements[:2:2], `CREATE TABLE w (id INTEGER PRIMARY KEY, bytes INTEGER NOT NULL) STRICT`),
		Upgrades: map[int][]string{1: version2.Upgrades[1], 2: {
			`ALTER TABLE w RENAME TO old`,
			`CREATE TABLE w (id INTEGER PRIMARY KEY, bytes INTEGER NOT NULL) STRICT`,
			`INSERT INTO w SELECT id, bytes FROM old JOIN u USING (id)`,
			`DROP TABLE old`,
		}},
	}
)

// first makes a database of the first version with changes in it.
func first(t *testing.T, changes uint64) (path string) {
	t.Helper()
	path = t.TempDir()
	reopen(t, path, func(_ *disk.Dir, db *disk.DB) { mustChange(t, db, changes) })
	return path
}

// openAs opens the database as a schema has it, and closes it.
func openAs(path string, s disk.Schema, hook disk.Hook, use func(db *disk.DB) error) (err error) {
	d, err := disk.OpenDir(path, disk.Options{Hook: hook})
	if err != nil {
		return err
	}
	defer func() {
		if closing := d.Close(); err == nil {
			err = closing
		}
	}()
	db, err := d.OpenDB("a.db", s)
	if err != nil {
		return err
	}
	defer func() {
		if closing := db.Close(); err == nil {
			err = closing
		}
	}()
	return use(db)
}

// upgraded checks that a database is whole and has what the third version should.
func upgraded(db *disk.DB, head uint64) error {
	if got, err := compare(db); err != nil || got != head {
		return fmt.Errorf("the head is %d instead of %d: %v", got, head, err)
	}
	err := db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(`SELECT count(*), sum(w.bytes = u.bytes) FROM u LEFT JOIN w USING (id)`, func(r *disk.Row) error {
			if r.Int(0) != r.Int(1) {
				return fmt.Errorf("%d of %d rows were taken over", r.Int(1), r.Int(0))
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	return db.Check(ctx)
}

func TestADatabaseOfAnOlderVersionIsUpgradedWhenItIsOpened(t *testing.T) {
	t.Parallel()
	for _, way := range [][]disk.Schema{{version3}, {version2, version3}, {version3, version3}} {
		path := first(t, 20)
		for _, s := range way {
			if err := openAs(path, s, nil, func(*disk.DB) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		err := openAs(path, version3, nil, func(db *disk.DB) error {
			if err := upgraded(db, 20); err != nil {
				return err
			}
			_, err := changeTo(db, 23)
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestWhatAnUpgradeLeadsToIsWhatAFreshDatabaseIs(t *testing.T) {
	t.Parallel()
	path := first(t, 3)
	careless := version3
	careless.Upgrades = map[int][]string{1: version2.Upgrades[1], 2: {`ALTER TABLE w ADD COLUMN bytes INTEGER`}}
	if err := openAs(path, careless, nil, func(*disk.DB) error { return nil }); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), "tables") {
		t.Error(err)
	}
	reopen(t, path, func(_ *disk.Dir, db *disk.DB) { mustBe(t, db, 3) })
}

func TestAFailedUpgradeLeavesTheOlderDatabase(t *testing.T) {
	t.Parallel()
	path := first(t, 9)
	wrong := version2
	wrong.Upgrades = map[int][]string{1: {`CREATE TABLE w (id INTEGER PRIMARY KEY) STRICT`, `INSERT INTO nowhere VALUES (1)`}}
	if err := openAs(path, wrong, nil, func(*disk.DB) error { return nil }); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Error(err)
	}
	reopen(t, path, func(_ *disk.Dir, db *disk.DB) { mustBe(t, db, 9) })
}

func TestThereIsNoWayBackAndNoneFromTooOldAVersion(t *testing.T) {
	t.Parallel()
	path := first(t, 5)
	old := version3
	old.Upgrades = map[int][]string{2: version3.Upgrades[2]}
	err := openAs(path, old, nil, func(*disk.DB) error { return nil })
	if !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "knows no way from version 1") {
		t.Error(err)
	}
	reopen(t, path, func(_ *disk.Dir, db *disk.DB) { mustBe(t, db, 5) })
	if err := openAs(path, version3, nil, func(*disk.DB) error { return nil }); err != nil {
		t.Fatal(err)
	}
	err = openAs(path, rows, nil, func(*disk.DB) error { return nil })
	if !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "a newer nearside wrote it") {
		t.Error(err)
	}
	if err := openAs(path, version3, nil, func(db *disk.DB) error { return upgraded(db, 5) }); err != nil {
		t.Error(err)
	}
}

func TestADatabaseThatLostSomethingIsRefusedBeforeItIsUpgraded(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	killed := killedDirectory(t, false)
	killed.lay(t, path)
	if err := os.Remove(filepath.Join(path, "a.db-wal")); err != nil {
		t.Fatal(err)
	}
	if err := openAs(path, version3, nil, func(*disk.DB) error { return nil }); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), "lost acknowledged") {
		t.Error(err)
	}
	write(t, filepath.Join(path, "a.db-wal"), killed["a.db-wal"])
	reopen(t, path, func(_ *disk.Dir, db *disk.DB) { mustBe(t, db, flipHead) })
}

func TestCheckDoesNotBlameAnOlderVersionAndDoesNotUpgradeIt(t *testing.T) {
	t.Parallel()
	path := first(t, 5)
	d := disktest.OpenDir(t, path, disk.Options{})
	for _, s := range []disk.Schema{version3, rows} {
		if found, err := d.CheckDB(ctx, "a.db", s); err != nil || len(found) != 0 {
			t.Errorf("version %d: %v, %v", s.Version, found, err)
		}
	}
	newer := disk.Schema{Application: "test", Version: 4, Statements: version3.Statements}
	if found, err := d.CheckDB(ctx, "a.db", newer); err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
}

func TestABackupOfAnOlderVersionIsUpgradedWhenItIsInstalled(t *testing.T) {
	t.Parallel()
	good := backup(t, 12)
	d := disktest.OpenDir(t, t.TempDir(), disk.Options{})
	if head, err := d.InstallDB(ctx, "a.db", bytes.NewReader(good), version3); err != nil || head != 12 {
		t.Fatalf("head %d: %v", head, err)
	}
	db := disktest.OpenDB(t, d, "a.db", version3)
	if err := upgraded(db, 12); err != nil {
		t.Error(err)
	}
}

func TestAnUpgradeIsWholeOrNotThereAfterACrashAtAnyOperation(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random, stride := rand.New(rand.NewPCG(seed, 0)), 20
	if *long {
		stride = 1
	}
	for state, before := range map[string]directory{"closed": closedDirectory(t), "killed": killedDirectory(t, false), "checkpointed": killedDirectory(t, true)} {
		for k := 1 + random.IntN(stride); ; k += 1 + random.IntN(stride) {
			path := t.TempDir()
			before.lay(t, path)
			faults := disktest.CrashAt(k)
			crash := openAs(path, version3, faults.Hook, func(db *disk.DB) error { return upgraded(db, flipHead) })
			if !faults.Tripped() {
				break
			}
			if err := openAs(path, version3, nil, func(db *disk.DB) error { return upgraded(db, flipHead) }); err != nil {
				t.Errorf("%s, crash at operation %d (%v): %v", state, k, crash, err)
			}
		}
	}
}
