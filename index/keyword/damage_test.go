package keyword_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/disk"
	"nearside/fault"
	"nearside/index/keyword"
)

const textsOfATest = 60

// textOf is the text of a slot in the tests below: which slots have a word is known.
func textOf(slot uint32) string {
	return fmt.Sprintf("all mod%d slot%d %s", slot%7, slot, strings.Repeat("filler ", int(slot%5)))
}

// checkTexts fails unless the index answers as one of the slots below n should.
func checkTexts(t testing.TB, x *keyword.Index, n uint32) {
	t.Helper()
	for text, want := range map[string]uint32{"all": n, "mod3": (n + 3) / 7, fmt.Sprintf("slot%d", n-1): min(n, 1), `"all mod0"`: (n + 6) / 7} {
		a, err := x.Search(context.Background(), keyword.Query{Text: text}, everything(), 10)
		if err != nil || uint32(a.Matching) != want {
			t.Fatalf("%q: %d match of %d slots, want %d: %v", text, a.Matching, n, want, err)
		}
	}
}

// damaged makes an index of two files and returns a copy of its files.
func damaged(t *testing.T) (*world, map[string][]byte) {
	w := newWorld(t, keyword.Options{})
	for from := uint32(0); from < textsOfATest; from += textsOfATest / 2 {
		var documents []keyword.Document
		for s := from; s < from+textsOfATest/2; s++ {
			documents = append(documents, keyword.Document{Slot: s, Text: textOf(s)})
		}
		w.add(documents)
		w.reopen()
	}
	files := map[string][]byte{}
	for _, path := range w.files() {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = b
	}
	if len(files) != 3 {
		t.Fatalf("%d files", len(files))
	}
	return w, files
}

// restore puts the files back, one of them changed, and opens the index.
func (w *world) restore(files map[string][]byte, path string, changed []byte) {
	w.t.Helper()
	if err := w.index.Close(); err != nil {
		w.t.Fatal(err)
	}
	if err := os.RemoveAll(w.dir.Path()); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Mkdir(w.dir.Path(), 0o700); err != nil {
		w.t.Fatal(err)
	}
	for p, b := range files {
		if p == path {
			b = changed
		}
		if b == nil {
			continue
		}
		if err := os.WriteFile(p, b, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	w.open()
}

// Every flipped bit, cut and missing file is noticed when the index is opened: it is empty
// then, says why, and is whole again when the texts have been added again.
func TestDamageIsNoticedAndNothingWrongIsAnswered(t *testing.T) {
	w, files := damaged(t)
	t.Logf("-seed %d", *seed)
	g := generator{rand.New(rand.NewPCG(*seed, 1))}
	flips := 60
	if *long {
		flips = 3000
	}
	for path, whole := range files {
		for i := range flips {
			changed := bytes.Clone(whole)
			switch {
			case i == 0:
				changed = nil
			case i < 6:
				changed = changed[:g.IntN(len(changed))]
			case i < 10:
				changed = append(changed, byte(i))
			default:
				changed[g.IntN(len(changed))] ^= 1 << g.IntN(8)
			}
			w.restore(files, path, changed)
			missing := changed == nil && filepath.Base(path) == "manifest" // as if it had never been there
			if (w.index.Lost() == nil) != missing || w.index.Covered() != 0 {
				t.Fatalf("%s changed (%d): covers %d, %v", filepath.Base(path), i, w.index.Covered(), w.index.Lost())
			}
			if i%20 == 0 {
				var documents []keyword.Document
				for s := range uint32(textsOfATest) {
					documents = append(documents, keyword.Document{Slot: s, Text: textOf(s)})
				}
				w.add(documents)
				w.reopen()
				checkTexts(t, w.index, textsOfATest)
			}
		}
	}
	w.restore(files, "", nil)
	checkTexts(t, w.index, textsOfATest)
}

// The process lives, and what cannot be read is reported until Reset.
func TestAFileCutBeneathAnOpenIndexFailsSearchesUntilReset(t *testing.T) {
	w, files := damaged(t)
	for path := range files {
		if strings.HasSuffix(path, ".zap") {
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		if _, err := w.index.Search(context.Background(), keyword.Query{Text: "all"}, everything(), 10); !fault.Is(err, fault.Corrupt) {
			t.Fatalf("searched a file that is gone: %v", err)
		}
	}
	if err := w.index.Wait(context.Background(), 9); w.index.Damage() == nil || !fault.Is(err, fault.Corrupt) {
		t.Error("it does not say that it is damaged")
	}
	if err := w.index.Reset(); err != nil {
		t.Fatal(err)
	}
	w.sequence = 0
	w.texts(textOf(0), textOf(1))
	checkTexts(t, w.index, 2)
}

// A merge that meets a file cut short is as careful as a search.
func TestAMergeOfAFileThatWasCutIsReported(t *testing.T) {
	w, files := damaged(t)
	for path := range files {
		if strings.HasSuffix(path, ".zap") {
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.index.Keep(roaring.BitmapOf(1, 40), textsOfATest)
	eventually(t, "damage", func() bool { return w.index.Damage() != nil })
	if err := w.index.Reset(); err != nil || w.index.Damage() != nil {
		t.Fatal(err, w.index.Damage())
	}
}

// What cannot be written stays in memory and is found; after a restart it is missing from
// what the index says it covers.
func TestAFullDiskLosesNothingThatIsSaidToBeThere(t *testing.T) {
	var full atomic.Bool
	root, err := disk.OpenDir(t.TempDir(), disk.Options{Hook: func(op disk.Op, path string) error {
		if full.Load() && op == disk.OpRename && strings.HasSuffix(path, "manifest.temp") {
			return syscall.ENOSPC
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, root: root, dir: root.Sub("keyword"), options: keyword.Options{FlushBytes: 1 << 20}}
	w.open()
	w.texts(textOf(0), textOf(1))
	w.reopen()
	full.Store(true)
	w.add([]keyword.Document{{Slot: 2, Text: textOf(2)}})
	checkTexts(t, w.index, 3)
	if err := w.index.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("closed: %v", err)
	}
	full.Store(false)
	w.open()
	if w.index.Covered() != 1 || w.index.Lost() != nil || len(w.files()) != 2 {
		t.Fatalf("covers %d, %v, %v", w.index.Covered(), w.index.Lost(), w.files())
	}
	checkTexts(t, w.index, 2)
	if err := errors.Join(w.index.Close(), root.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestMain is also the process that is killed: it adds texts to the index in a folder for ever,
// and says what it has added.
func TestMain(m *testing.M) {
	if path := os.Getenv("KEYWORD_TEST_ADD_TO"); path != "" {
		fmt.Println(keepAdding(path))
		return
	}
	os.Exit(m.Run())
}

func keepAdding(path string) error {
	root, err := disk.OpenDir(path, disk.Options{})
	if err != nil {
		return err
	}
	x, err := keyword.Open(root.Sub("keyword"), keyword.Options{FlushBytes: 3000})
	if err != nil {
		return err
	}
	for s := uint32(x.Covered()); err == nil; s++ {
		fmt.Println(s)
		err = x.Add(context.Background(), uint64(s)+1, []keyword.Document{{Slot: s, Text: textOf(s)}})
	}
	return err
}

// An index whose process was killed, whatever it was doing, is whole up to the sequence it says.
func TestAKilledProcessLeavesAWholeIndex(t *testing.T) {
	rounds := 5
	if *long {
		rounds = 100
	}
	path, last := t.TempDir(), uint64(0)
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "KEYWORD_TEST_ADD_TO="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 30 + rand.IntN(100) {
			lines.Scan()
		}
		_ = cmd.Process.Kill()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // it was killed
		last = checkKilled(t, path, round, last)
	}
}

// checkKilled opens what a killed process left and returns what it covers.
func checkKilled(t *testing.T, path string, round int, before uint64) uint64 {
	t.Helper()
	root, err := disk.OpenDir(path, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := keyword.Open(root.Sub("keyword"), keyword.Options{})
	if err != nil || x.Lost() != nil || x.Covered() < before {
		t.Fatalf("round %d: covers %d after %d, %v, %v", round, x.Covered(), before, err, x.Lost())
	}
	covered := x.Covered()
	checkTexts(t, x, uint32(covered))
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if err := root.Close(); err != nil {
		t.Fatal(err)
	}
	return covered
}
