//go:build unix

package disk_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
)

// life is what a data directory goes through in the crash tests: creation, changes
// with checkpoints between them, a reopening, a backup that becomes a second
// database, files replaced and folders removed. It returns how many changes of
// a.db were acknowledged, and the bytes last acknowledged of the file "note".
type life struct {
	acknowledged uint64
	note         string
	installed    uint64 // head of b.db, 0 before it was acknowledged
	removed      bool   // the folder "old" was removed, as acknowledged
}

func live(path string, hook disk.Hook) (l life, err error) {
	for era := range uint64(2) {
		if err = l.era(path, hook, era); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (l *life) era(path string, hook disk.Hook, era uint64) (err error) {
	d, err := disk.OpenDir(path, disk.Options{Hook: hook, LogPages: 6})
	if err != nil {
		return err
	}
	defer func() { // as the process would end: without a word
		if closeErr := d.Close(); err == nil {
			err = closeErr
		}
	}()
	db, err := d.OpenDB("a.db", rows)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := db.Close(); err == nil {
			err = closeErr
		}
	}()
	for _, step := range []func() error{
		func() (err error) { l.acknowledged, err = changeTo(db, 8*era+6); return err },
		func() error { return l.takeNote(d, string(bytes.Repeat([]byte{'a' + byte(era)}, 70_000))) },
		func() (err error) { l.acknowledged, err = changeTo(db, 8*era+8); return err },
		func() error { return l.fold(d, era) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	if era == 0 {
		return l.copyTo(d, db)
	}
	return nil
}

func (l *life) takeNote(d *disk.Dir, text string) error {
	err := d.WriteAtomic("note", func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err == nil {
		l.note = text
	}
	return err
}

func (l *life) fold(d *disk.Dir, era uint64) error {
	if era == 1 {
		if err := d.RemoveAll("old"); err != nil {
			return err
		}
		l.removed = true
		return nil
	}
	return d.Sub("old").WriteAtomic("file", func(w io.Writer) error { return nil })
}

func (l *life) copyTo(d *disk.Dir, db *disk.DB) error {
	var copied bytes.Buffer
	if _, err := db.Backup(ctx, &copied); err != nil {
		return err
	}
	head, err := d.InstallDB(ctx, "b.db", &copied, rows)
	if err == nil {
		l.installed = head
	}
	return err
}

// inspect opens what is left of a life and returns how it differs from what was acknowledged.
func inspect(t *testing.T, path string, l life) {
	t.Helper()
	d, err := disk.OpenDir(path, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	db, err := d.OpenDB("a.db", rows)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	head, err := compare(db)
	if err != nil || head < l.acknowledged || head > l.acknowledged+1 {
		t.Fatalf("%d changes were acknowledged, the database has %d: %v", l.acknowledged, head, err)
	}
	if err := db.Check(ctx); err != nil {
		t.Fatal(err)
	}
	if l.installed != 0 {
		b, err := d.OpenDB("b.db", rows)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		mustBe(t, b, l.installed)
	}
	if note, err := d.ReadFile("note"); l.note != "" && (err != nil || (string(note) != l.note && len(note) != 70_000)) {
		t.Fatalf("the note is %d bytes: %v", len(note), err)
	}
	if there, err := d.Exists("old"); err != nil || (there && l.removed) {
		t.Fatalf("a removed folder is there: %v", err)
	}
	mustChange(t, db, head+3)
	mustBe(t, db, head+3)
}

// points returns the operations to fail at: all of them with -long, else a sample.
func points(t *testing.T, sample int) []int {
	t.Helper()
	count := disktest.Count()
	if _, err := live(t.TempDir(), count.Hook); err != nil {
		t.Fatal(err)
	}
	all := make([]int, count.Operations())
	for i := range all {
		all[i] = i + 1
	}
	seed := rand.Uint64()
	t.Logf("%d operations, seed %d", len(all), seed)
	if !*long {
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:sample]
	}
	return all
}

func TestAcknowledgedChangesSurviveACrashAtAnyOperation(t *testing.T) {
	t.Parallel()
	for _, k := range points(t, 15) {
		path := t.TempDir()
		l, err := live(path, disktest.CrashAt(k).Hook)
		t.Run("", func(t *testing.T) { inspect(t, path, l) })
		if t.Failed() {
			t.Fatalf("crash at operation %d: %v", k, err)
		}
	}
}

func TestAcknowledgedChangesSurviveAPowerCutAtAnyOperation(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, k := range points(t, 6) {
		path := t.TempDir()
		cut := disktest.NewPowerCut(t, path, k)
		l, err := live(path, cut.Hook)
		if !cut.Happened() {
			t.Fatalf("there was no operation %d: %v", k, err)
		}
		for _, chance := range []float64{0, 0.5, 1} {
			left := t.TempDir()
			cut.Survivors(left, chance, random)
			t.Run("", func(t *testing.T) { inspect(t, left, l) })
			if t.Failed() {
				t.Fatalf("power cut at operation %d (%v), %.1f of what was not synced is left", k, err, chance)
			}
		}
	}
}

func TestAFaultAtAnyOperationIsReportedOrHarmless(t *testing.T) {
	t.Parallel()
	for _, fault := range []error{disktest.ErrInjected, syscall.ENOSPC, io.ErrShortWrite} {
		for _, k := range points(t, 6) {
			path := t.TempDir()
			// An error here may or may not stop the workload; what it acknowledged counts.
			l, err := live(path, disktest.FailAt(k, fault).Hook)
			t.Run("", func(t *testing.T) { inspect(t, path, l) })
			if t.Failed() {
				t.Fatalf("%v at operation %d: %v", fault, k, err)
			}
		}
	}
}
