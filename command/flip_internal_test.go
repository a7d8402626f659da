package command

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nearside/catalog"
	"nearside/disk/disktest"
	"nearside/embed"
	"nearside/index"
	"nearside/llm/gateway"
	"nearside/llm/neuron"
	"nearside/rag"
	"nearside/vectorize"
)

var flips = flag.Int("flips", 60, "bytes of a data directory to flip, closed and killed; -1 = every byte, which takes hours")

// TestNoFlippedByteChangesAnAnswer flips bytes of every file of a whole data
// directory, closed cleanly and left by a kill. What it answers afterwards is
// what it answered before, or an error that names the file.
func TestNoFlippedByteChangesAnAnswer(t *testing.T) {
	closed, killed := makeHouses(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for name, files := range map[string]disktest.Tree{"closed": closed, "killed": killed} {
		t.Run(name, func(t *testing.T) {
			want, err := answersOf(t, files)
			if err != nil {
				t.Fatal(err)
			}
			detected, harmless := 0, 0
			for _, f := range flipsOf(files, random) {
				got, err := answersOf(t, f.apply(files))
				switch {
				case err == nil && got == want:
					harmless++
				case err == nil:
					t.Errorf("%s: the answers changed:\n%s\nwere\n%s", f, got, want)
				case !strings.Contains(err.Error(), f.stem()):
					t.Errorf("%s: the error does not name the file: %v", f, err)
				default:
					detected++
				}
			}
			t.Logf("%d flips: %d detected, %d harmless, 0 undetected", detected+harmless, detected, harmless)
		})
	}
}

// flip is one bit of one file.
type flip struct {
	file   string
	offset int
	mask   byte
}

func (f flip) String() string { return fmt.Sprintf("%s byte %d xor %#x", f.file, f.offset, f.mask) }

// stem is what an error must contain: the log and the witness of a database may be named by it, a snapshot by its id.
func (f flip) stem() string {
	base := filepath.Base(f.file)
	for _, suffix := range []string{"-wal", "-shm", ".head", ".snapshot"} {
		base = strings.TrimSuffix(base, suffix)
	}
	return base
}

// apply returns the files with the flip.
func (f flip) apply(files disktest.Tree) disktest.Tree {
	damaged := maps.Clone(files)
	damaged[f.file] = slices.Clone(files[f.file])
	damaged[f.file][f.offset] ^= f.mask
	return damaged
}

// flipsOf chooses flips, each file as often as the others; with -flips -1 it lists one for every byte.
func flipsOf(files disktest.Tree, random *rand.Rand) []flip {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if len(files[name]) > 0 {
			names = append(names, name)
		}
	}
	var list []flip
	if *flips < 0 {
		for _, name := range names {
			for offset := range files[name] {
				list = append(list, flip{name, offset, 1 << random.IntN(8)})
			}
		}
		return list
	}
	for i := range *flips {
		name := names[i%len(names)]
		list = append(list, flip{name, random.IntN(len(files[name])), 1 << random.IntN(8)})
	}
	return list
}

// makeHouses fills a data directory and returns its files as a kill and as a clean end leave them.
func makeHouses(t *testing.T) (closed, killed disktest.Tree) {
	t.Helper()
	dir := t.TempDir()
	h := openTestHouse(t, dir)
	ctx := t.Context()
	admin := catalog.Key{Account: "local", Name: "boss", Permission: catalog.Admin}
	if _, _, err := h.catalog.CreateKey(ctx, admin); err != nil {
		t.Fatal(err)
	}
	if _, err := h.vectorize.Create(ctx, "local", vectorize.Definition{Name: "points", Dimensions: 3, Metric: index.Euclidean}); err != nil {
		t.Fatal(err)
	}
	points, err := h.vectorize.Open(ctx, "local", "points")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		record := index.Record{ID: index.VectorID(fmt.Sprintf("p%02d", i%15)), Values: []float32{float32(i), 1, 2}, Metadata: []byte(`{"n":1}`)}
		if _, err := points.Upsert(ctx, []index.Record{record}, index.Scope{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := h.texts.Create(ctx, "local", rag.Definition{Name: "notes", Model: embed.LexicalModel}); err != nil {
		t.Fatal(err)
	}
	notes := []rag.Text{{ID: "a", Text: "the shop opens at nine"}, {ID: "b", Title: "Refunds", Text: "money back in thirty days"}}
	if _, err := h.texts.Upsert(ctx, neuron.Payer{Account: "local"}, "notes", notes, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.vectorize.KeepSnapshot(ctx, "local", "points", time.Unix(1_800_000_000, 0)); err != nil {
		t.Fatal(err)
	}
	log := gateway.Log{ID: h.gateway.NewID(), Account: "local", Gateway: "mine", Created: time.Now(), Model: "m", Status: 200, TokensIn: 7}
	h.gateway.Add(log)
	if err := h.gateway.Patch(ctx, "local", "mine", log.ID, []byte(`{"feedback":1,"metadata":{"team":"a"}}`)); err != nil {
		t.Fatal(err)
	}
	killed = disktest.ReadTree(t, dir)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	return disktest.ReadTree(t, dir), killed
}

func openTestHouse(t *testing.T, dir string) *house {
	t.Helper()
	h, err := tryHouse(dir)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func tryHouse(dir string) (*house, error) {
	models, err := os.ReadFile("../models.yaml")
	if err != nil {
		return nil, err
	}
	return openHouse(context.Background(), houseOptions{data: dir, catalogue: catalogueFiles{base: models}, servers: backendFlags{ollama: off}, embedders: []embed.Embedder{embed.Lexical{}}, log: slog.New(slog.DiscardHandler)})
}

// answersOf lays out a data directory, asks it everything, and writes the answers down.
func answersOf(t *testing.T, files disktest.Tree) (answers string, err error) {
	t.Helper()
	dir := t.TempDir()
	files.Lay(t, dir)
	h, err := tryHouse(dir)
	if err != nil {
		return "", err
	}
	defer closeAfter(h, &err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a := asking{ctx: ctx, house: h}
	if _, err = a.everything(); err == nil {
		var logs []gateway.Log
		if logs, _, err = h.gateway.List(ctx, gateway.Query{Account: "local", Gateway: "mine", Limit: 10}); len(logs) > 0 {
			err = a.note(logs, err)
		}
	}
	return a.text.String(), err
}

// asking collects the answers of a house.
type asking struct {
	ctx   context.Context
	house *house
	text  strings.Builder
}

func (a *asking) note(v any, err error) error {
	line, _ := json.Marshal(v) // plain values
	fmt.Fprintf(&a.text, "%s\n", line)
	return err
}

func (a *asking) everything() (string, error) {
	err := a.note(a.house.catalog.Keys("local"), nil)
	for _, x := range a.house.vectorize.List("local") {
		if err == nil {
			err = a.note(x, a.index(x))
		}
	}
	if err == nil {
		found, searching := a.house.texts.Search(a.ctx, neuron.Payer{Account: "local"}, "notes", rag.Query{Text: "when does the shop open", TopK: 2}, index.Read{})
		err = a.note(found.Matches, searching)
	}
	if err == nil {
		err = a.snapshots()
	}
	return a.text.String(), err
}

// index asks one index for all it holds.
func (a *asking) index(definition catalog.Index) error {
	x, err := a.house.vectorize.Open(a.ctx, "local", definition.Name)
	if err != nil {
		return err
	}
	page, err := x.List(a.ctx, "", 20, index.Read{})
	if err := a.note(page.IDs, err); err != nil {
		return err
	}
	got, err := x.Get(a.ctx, page.IDs, index.Read{})
	if err := a.note(got, err); err != nil {
		return err
	}
	query := index.Query{ID: page.IDs[0], TopK: 20, Values: true, Metadata: index.AllMetadata, Text: true}
	result, err := x.Query(a.ctx, query, index.Read{})
	return a.note(result, err)
}

// snapshots verifies what is kept.
func (a *asking) snapshots() error {
	list, err := a.house.vectorize.Snapshots("local", "points")
	for _, s := range list {
		src, opening := a.house.vectorize.OpenSnapshot("local", "points", s.ID)
		if opening != nil {
			return opening
		}
		contents, verifying := a.house.vectorize.Verify(a.ctx, src)
		closeAfter(src, &verifying)
		if verifying != nil {
			return fmt.Errorf("%s: %w", s.ID, verifying)
		}
		err = a.note(contents, err)
	}
	return a.note(list, err)
}
