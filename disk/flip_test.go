package disk_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearside/disk"
	"nearside/fault"
)

var every = flag.Bool("every", false, "damage every byte instead of a sample")

// directory is the files of a small data directory, by name.
type directory map[string][]byte

func readDirectory(t *testing.T, path string) directory {
	t.Helper()
	d := directory{}
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if d[e.Name()], err = os.ReadFile(filepath.Join(path, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// lay makes path hold these files and no others.
func (d directory) lay(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(path, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range d {
		if err := os.WriteFile(filepath.Join(path, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// The states in which a process can leave a data directory, all at the same head.
const flipHead = 6

// closedDirectory was closed in good order.
func closedDirectory(t *testing.T) directory {
	path := t.TempDir()
	reopen(t, path, func(_ *disk.Dir, db *disk.DB) { mustChange(t, db, flipHead) })
	return readDirectory(t, path)
}

// killedDirectory was left by a process that was killed with the last changes in
// the log; half of them had been copied into the database, if checkpointed.
func killedDirectory(t *testing.T, checkpointed bool) (killed directory) {
	path := t.TempDir()
	reopen(t, path, func(_ *disk.Dir, db *disk.DB) { mustChange(t, db, 2) })
	pages := 1000
	if checkpointed {
		pages = 10
	}
	d, err := disk.OpenDir(path, disk.Options{LogPages: pages})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	db, err := d.OpenDB("a.db", rows)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	mustChange(t, db, flipHead)
	return readDirectory(t, path)
}

// serve opens what is in path and compares it with what it must hold.
func serve(path string) (opened bool, err error) {
	d, err := disk.OpenDir(path, disk.Options{})
	if err != nil {
		return false, err
	}
	defer d.Close()
	db, err := d.OpenDB("a.db", rows)
	if err != nil {
		return false, err
	}
	defer db.Close()
	head, err := compare(db)
	if err == nil && head != flipHead {
		err = fmt.Errorf("the head is %d instead of %d, and nobody said so", head, flipHead)
	}
	return true, err
}

// mustBeDetectedOrHarmless serves a damaged directory: the answers are the same, or
// there is an error that names the file. A directory that was refused was not
// touched: with the damage undone it is as good as before.
func mustBeDetectedOrHarmless(t *testing.T, path, what string, undo func()) (detected bool) {
	t.Helper()
	opened, err := serve(path)
	if err == nil {
		return false
	}
	if kind := fault.KindOf(err); kind != fault.Corrupt && kind != fault.Unsupported || !strings.Contains(err.Error(), path) {
		t.Fatalf("%s: %v", what, err)
	}
	if opened {
		return true
	}
	undo()
	if _, err := serve(path); err != nil {
		t.Fatalf("%s was detected, but then undone the directory is still refused: %v", what, err)
	}
	return true
}

func TestEveryFlippedByteIsDetectedOrHarmless(t *testing.T) {
	t.Parallel()
	states := map[string]directory{
		"closed":                  closedDirectory(t),
		"killed":                  killedDirectory(t, false),
		"killed after checkpoint": killedDirectory(t, true),
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, state := range slices.Sorted(maps.Keys(states)) {
		for name, content := range states[state] {
			t.Run(state+"/"+name, func(t *testing.T) {
				path := t.TempDir()
				detected, flips := 0, flipped(random, len(content))
				for _, at := range flips {
					states[state].lay(t, path)
					flip(t, filepath.Join(path, name), at, byte(1+random.IntN(255)))
					if mustBeDetectedOrHarmless(t, path, fmt.Sprintf("byte %d of %s", at, name),
						func() { write(t, filepath.Join(path, name), content) }) {
						detected++
					}
				}
				t.Logf("%d bytes flipped: %d detected, %d harmless", len(flips), detected, len(flips)-detected)
			})
		}
	}
}

// flipped returns the offsets to damage in a file: the first hundred, where the
// headers are, and a sample of the rest.
func flipped(random *rand.Rand, size int) (offsets []int) {
	chance := 8 / float64(size)
	if *long {
		chance *= 20
	}
	for at := range size {
		if *every || (*long && at < 100) || random.Float64() < chance {
			offsets = append(offsets, at)
		}
	}
	return offsets
}

func flip(t *testing.T, path string, at int, mask byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= mask
	write(t, path, b)
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAFileCutShortOrGoneIsDetectedOrHarmless(t *testing.T) {
	t.Parallel()
	for state, files := range map[string]directory{"closed": closedDirectory(t), "killed": killedDirectory(t, false)} {
		for name, content := range files {
			path := t.TempDir()
			for _, size := range []int{-1, 0, 1, 31, 32, 100, 4096, 16384, len(content) / 2, len(content) - 16384, len(content) - 1} {
				if size >= len(content) || (size < 0 && size != -1) {
					continue
				}
				files.lay(t, path)
				broken := filepath.Join(path, name)
				if size == -1 {
					if err := os.Remove(broken); err != nil {
						t.Fatal(err)
					}
				} else {
					write(t, broken, content[:size])
				}
				mustBeDetectedOrHarmless(t, path, fmt.Sprintf("%s: %s with %d of %d bytes", state, name, size, len(content)),
					func() { files.lay(t, path) })
			}
		}
	}
}

// Byte 20 of the header says that pages have checksums. If it could be flipped
// unseen, everything else could be too.
func TestSwitchingTheChecksumsOffIsDetected(t *testing.T) {
	t.Parallel()
	for _, files := range []directory{closedDirectory(t), killedDirectory(t, false)} {
		path := t.TempDir()
		for bit := range 8 {
			files.lay(t, path)
			flip(t, filepath.Join(path, "a.db"), 20, 1<<bit)
			if _, err := serve(path); !fault.Is(err, fault.Corrupt) {
				t.Errorf("bit %d: %v", bit, err)
			}
		}
	}
}
