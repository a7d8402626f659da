package disk

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"nearside/fault"
)

var update = flag.Bool("update", false, "write the golden files of the current version anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what is written now; files on disk would not be understood any more", path)
	}
}

var goldenIdentity = identity{0: 1, 15: 16}

// goldenWitness makes a witness that has been advanced three times, and closes it.
func goldenWitness(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "a.db.head")
	if err := createWitness(nil, path, goldenIdentity, 7); err != nil {
		t.Fatal(err)
	}
	w, err := openWitness(nil, path)
	if err != nil {
		t.Fatal(err)
	}
	for _, head := range []uint64{8, 0x0102030405060708, 0x1112131415161718} {
		if err := w.advance(head); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheWitnessFormatIsTheGoldenOne(t *testing.T) {
	b, err := os.ReadFile(goldenWitness(t))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "witness-1.head", b)
}

func TestTheFormatFileIsTheGoldenOne(t *testing.T) {
	golden(t, "format-1", []byte(formatText(1)))
}

// A write that is cut short leaves the slot that it did not touch.
func TestADamagedSlotLeavesTheOther(t *testing.T) {
	path := goldenWitness(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		damage []int
		head   uint64 // 0: corrupt
	}{
		{nil, 0x1112131415161718},
		{[]int{47}, 0x0102030405060708},        // the newer slot, which is the first
		{[]int{4096 + 51}, 0x1112131415161718}, // the older one
		{[]int{60, 8190}, 0x1112131415161718},  // bytes that mean nothing
		{[]int{0, 4096}, 0},
		{[]int{51, 4096 + 51}, 0},
	} {
		b := bytes.Clone(whole)
		for _, at := range c.damage {
			b[at] ^= 1
		}
		w, ok := parseWitness(b)
		if ok != (c.head != 0) || (ok && (w.head != c.head || w.database != goldenIdentity)) {
			t.Errorf("damage at %v: %v, head %x", c.damage, ok, w.head)
		}
	}
}

func TestAWitnessOfAnotherLengthIsCorrupt(t *testing.T) {
	path := goldenWitness(t)
	for _, size := range []int64{0, 1, 4096, 8191, 8193} {
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		if _, err := openWitness(nil, path); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func FuzzParseWitness(f *testing.F) {
	f.Add(make([]byte, 2*witnessSlotSize))
	f.Add(append((&witness{head: 3}).slot(), make([]byte, 2*witnessSlotSize-witnessDataSize)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		w, ok := parseWitness(b)
		if ok && !bytes.Contains(b, w.slot()) {
			t.Errorf("%v was read from bytes that do not say so", w)
		}
	})
}
