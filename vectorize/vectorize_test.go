package vectorize_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearside/catalog"
	"nearside/disk"
	"nearside/fault"
	"nearside/index"
	"nearside/vectorize"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)

// world is a service over a catalogue on disk and an engine in memory, which
// outlives the restarts of the service.
type world struct {
	t       *testing.T
	path    string
	dir     *disk.Dir
	catalog *catalog.Catalog
	engine  *failing
	options vectorize.Options
	*vectorize.Service
}

// failing is an engine whose calls can be made to fail.
type failing struct {
	index.Engine
	drop error
}

func (e *failing) Drop(ctx context.Context, n index.Number) error {
	if e.drop != nil {
		return e.drop
	}
	return e.Engine.Drop(ctx, n)
}

func open(t *testing.T, limits vectorize.Limits) *world {
	w := &world{t: t, path: t.TempDir(), engine: &failing{Engine: index.NewMemory(func() time.Time { return now })}}
	w.options = vectorize.Options{Limits: limits, Log: slog.New(slog.DiscardHandler)}
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}

func (w *world) open() error {
	var err error
	if w.dir, err = disk.OpenDir(w.path, disk.Options{}); err != nil {
		return err
	}
	if w.catalog, err = catalog.Open(w.dir, func() time.Time { return now }); err != nil {
		return errors.Join(err, w.dir.Close())
	}
	w.options.Files = catalog.Files{Dir: w.dir.Sub("snapshots")}
	w.Service, err = vectorize.Open(context.Background(), w.catalog, w.engine, w.options)
	return err
}

func (w *world) close() {
	w.t.Helper()
	if err := errors.Join(w.catalog.Close(), w.dir.Close()); err != nil {
		w.t.Error(err)
	}
}

func (w *world) restart() error {
	w.close()
	return w.open()
}

// index makes an index of three dimensions and opens it.
func (w *world) index(name string) *vectorize.Index {
	w.t.Helper()
	if _, err := w.Create(w.t.Context(), "local", vectorize.Definition{Name: name, Dimensions: 3, Metric: index.Euclidean}); err != nil {
		w.t.Fatal(err)
	}
	return w.opened(name)
}

func (w *world) opened(name string) *vectorize.Index {
	w.t.Helper()
	x, err := w.Open(w.t.Context(), "local", name)
	if err != nil {
		w.t.Fatal(err)
	}
	return x
}

func (w *world) numbers() int {
	w.t.Helper()
	numbers, err := w.engine.Numbers(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return len(numbers)
}

// records returns n records with the ids r0, r1, …
func records(n int) []index.Record {
	list := make([]index.Record, n)
	for i := range list {
		list[i] = index.Record{ID: index.VectorID(fmt.Sprint("r", i)), Values: []float32{float32(i), 1, 0}}
	}
	return list
}

// refused checks that err is a fault of the reason with a message that holds the fragments.
func refused(t *testing.T, err error, reason fault.Reason, fragments ...string) {
	t.Helper()
	f := fault.As(err)
	if f == nil || f.Reason != reason {
		t.Errorf("got %v, want a refusal for %q", err, reason)
		return
	}
	for _, fragment := range fragments {
		if !strings.Contains(f.Message, fragment) {
			t.Errorf("the message lacks %q: %s", fragment, f.Message)
		}
	}
}

func TestNamesFollowCloudflaresRule(t *testing.T) {
	for _, name := range []string{"ab", "a1", "films", "a-b", "a_b", "a--__1", "abc0", strings.Repeat("a", 63), strings.Repeat("a", 64)} {
		if err := vectorize.CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{
		"", "a", "1a", "-ab", "_ab", "ab-", "ab_", "Ab", "aB", "a b", "a.b", "a/b", "..", "%2e%2e", "ab\x00", "ab\n", "\u202eab", "äb", "ab\u200b",
		strings.Repeat("a", 65), strings.Repeat("a", 10<<10),
	} {
		err := vectorize.CheckName(name)
		refused(t, err, vectorize.ReasonName)
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("the refusal of a name of %d bytes has %d", len(name), len(err.Error()))
		}
	}
}

func TestDefinitionsThatCannotBe(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	for _, c := range []struct {
		d    vectorize.Definition
		want string
	}{
		{vectorize.Definition{}, "dimensions is 0; it must be between 1 and 1536"},
		{vectorize.Definition{Dimensions: -1, Metric: "cosine"}, "dimensions is -1"},
		{vectorize.Definition{Dimensions: 0, Metric: "cosine"}, "dimensions is 0"},
		{vectorize.Definition{Dimensions: 1537, Metric: "cosine"}, "dimensions is 1537"},
		{vectorize.Definition{Dimensions: 3}, `metric is ""; it must be cosine, euclidean or dot-product`},
		{vectorize.Definition{Dimensions: 3, Metric: "Cosine"}, `metric is "Cosine"`},
		{vectorize.Definition{Preset: "nobody/nothing"}, "does not exist; use one of @cf/baai/bge-base-en-v1.5, "},
		{vectorize.Definition{Preset: "@cf/baai/bge-base-en-v1.5", Dimensions: 768}, "both a preset and dimensions"},
		{vectorize.Definition{Preset: "@cf/baai/bge-base-en-v1.5", Metric: "cosine"}, "both a preset and dimensions"},
		{vectorize.Definition{Dimensions: 3, Metric: "cosine", Description: strings.Repeat("x", 4097)}, "4097 bytes; at most 4096"},
	} {
		c.d.Name = "films"
		_, err := w.Create(t.Context(), "local", c.d)
		refused(t, err, index.ReasonConfig, c.want)
	}
	if n := w.numbers(); n != 0 {
		t.Errorf("%d indexes are left of those refused", n)
	}
	for i, d := range []vectorize.Definition{{Dimensions: 1, Metric: "cosine"}, {Dimensions: 1536, Metric: "euclidean"}, {Dimensions: 3, Metric: "dot-product", Description: strings.Repeat("x", 4096)}} {
		d.Name = fmt.Sprint("n", i)
		if _, err := w.Create(t.Context(), "local", d); err != nil {
			t.Errorf("%+v: %v", d, err)
		}
	}
}

func TestPresetsStandForTheirModelsDimensions(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	for preset, dimensions := range map[string]int{
		"@cf/baai/bge-small-en-v1.5": 384, "@cf/baai/bge-base-en-v1.5": 768, "@cf/baai/bge-large-en-v1.5": 1024,
		"openai/text-embedding-ada-002": 1536, "cohere/embed-multilingual-v2.0": 768,
	} {
		name := fmt.Sprintf("preset-%d-%d", dimensions, len(preset))
		x, err := w.Create(t.Context(), "local", vectorize.Definition{Name: name, Preset: preset})
		if err != nil || x.Dimensions != dimensions || x.Metric != "cosine" || x.Preset != preset {
			t.Errorf("%s: %+v, %v", preset, x, err)
		}
	}
}

func TestADuplicateNameIsRefusedAndLeavesNothing(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	w.index("films")
	_, err := w.Create(t.Context(), "local", vectorize.Definition{Name: "films", Dimensions: 3, Metric: "cosine"})
	refused(t, err, catalog.ReasonDuplicate, `vectorize.index.duplicate_name - Index name "films"`)
	if n := w.numbers(); n != 1 {
		t.Errorf("%d indexes are stored, want 1", n)
	}
}

func TestTheIndexLimitHoldsAtItsEdgeAndLeavesNothing(t *testing.T) {
	w := open(t, vectorize.Limits{Indexes: 2})
	w.index("one")
	w.index("two")
	_, err := w.Create(t.Context(), "local", vectorize.Definition{Name: "three", Dimensions: 3, Metric: "cosine"})
	refused(t, err, catalog.ReasonQuota, "has 2 indexes and may have 2")
	if n := w.numbers(); n != 2 {
		t.Errorf("%d indexes are stored, want 2", n)
	}
}

func TestADeletedIndexIsGoneAndItsNameIsFree(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	old := w.index("films")
	if _, err := old.Upsert(t.Context(), records(3), index.Scope{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), "local", "films"); err != nil {
		t.Fatal(err)
	}
	_, err := w.Open(t.Context(), "local", "films")
	refused(t, err, catalog.ReasonDeleted)
	refused(t, w.Delete(t.Context(), "local", "films"), catalog.ReasonDeleted)
	refused(t, w.Delete(t.Context(), "local", "never"), catalog.ReasonNoIndex)
	if _, err := old.Info(t.Context(), index.Read{}); err == nil {
		t.Error("a handle of a deleted index still answers")
	}
	if info, err := w.index("films").Info(t.Context(), index.Read{}); err != nil || info.Count != 0 {
		t.Errorf("the new index has %d records, %v", info.Count, err)
	}
}

func TestStorageLeftByACrashIsSweptAndNothingElse(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	if _, err := w.index("films").Upsert(t.Context(), records(2), index.Scope{}); err != nil {
		t.Fatal(err)
	}
	// A crash between the making of the storage and the row …
	n, err := w.catalog.AllocateNumber(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.Create(t.Context(), index.Number(n), index.Config{Dimensions: 3, Metric: index.Cosine}); err != nil {
		t.Fatal(err)
	}
	// … and one between the deletion of the row and that of the storage.
	w.index("books")
	w.engine.drop = errors.New("the process died")
	if err := w.Delete(t.Context(), "local", "books"); err != nil {
		t.Fatal(err)
	}
	w.engine.drop = nil
	if n := w.numbers(); n != 3 {
		t.Fatalf("%d indexes are stored, want 3", n)
	}
	if err := w.restart(); err != nil {
		t.Fatal(err)
	}
	if n := w.numbers(); n != 1 {
		t.Errorf("%d indexes are stored after the sweep, want 1", n)
	}
	if info, err := w.opened("films").Info(t.Context(), index.Read{}); err != nil || info.Count != 2 {
		t.Errorf("the index that exists has %d records, %v", info.Count, err)
	}
}

func TestIndexesOfAnotherCatalogueAreNeverSwept(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	w.index("films")
	w.close()
	for _, file := range []string{"nearside.db", "nearside.db-wal", "nearside.db-shm", "nearside.db.head"} {
		if err := os.Remove(filepath.Join(w.path, file)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	err := w.open()
	if !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), "nearside.db") {
		t.Errorf("a new catalogue over old indexes: %v", err)
	}
	if n := w.numbers(); n != 1 {
		t.Errorf("%d indexes are left, want 1", n)
	}
}

func TestASnapshotRestoresWhatWasThereAndNothingLater(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	x := w.index("films")
	if _, err := x.Upsert(t.Context(), records(3), index.Scope{}); err != nil {
		t.Fatal(err)
	}
	kept, sequence, err := w.KeepSnapshot(t.Context(), "local", "films", now)
	if err != nil || sequence != 1 || kept.Bytes == 0 || kept.ID != "1-20260102T030405.678901Z" {
		t.Fatalf("kept %+v at %d, %v", kept, sequence, err)
	}
	if _, err := x.Delete(t.Context(), []index.VectorID{"r0", "r1"}, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	if list, err := w.Snapshots("local", "films"); err != nil || len(list) != 1 || list[0] != kept {
		t.Errorf("listed %+v, %v", list, err)
	}
	damaged := filepath.Join(w.path, "snapshots", "7-20260102T030405.678901Z.snapshot")
	if err := os.WriteFile(damaged, []byte("nearside-snapshot 1 "), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := w.Snapshots("local", "films"); err != nil || len(list) != 1 {
		t.Errorf("beside a damaged one listed %+v, %v", list, err)
	}
	if list, err := w.Snapshots("local", "books"); err != nil || len(list) != 0 {
		t.Errorf("another index has %+v, %v", list, err)
	}
	contents, err := w.Verify(t.Context(), w.kept(kept.ID))
	if err != nil || contents.Count != 3 || contents.Sequence != 1 || contents.Index != "films" || w.numbers() != 1 {
		t.Errorf("verified %+v, %v; %d indexes are stored", contents, err, w.numbers())
	}
	if contents, err = w.Restore(t.Context(), "local", "films", w.kept(kept.ID)); err != nil || contents.Count != 3 {
		t.Fatalf("restored %+v, %v", contents, err)
	}
	if err := w.restart(); err != nil {
		t.Fatal(err)
	}
	if info, err := w.opened("films").Info(t.Context(), index.Read{}); err != nil || info.Count != 3 || w.numbers() != 1 {
		t.Errorf("after the restore %d records, %v; %d indexes are stored", info.Count, err, w.numbers())
	}
	if list, err := w.Snapshots("local", "films"); err != nil || len(list) != 1 {
		t.Errorf("after the restore the snapshots are %+v, %v", list, err)
	}
	if err := w.DeleteSnapshot("local", "films", kept.ID); err != nil {
		t.Fatal(err)
	}
	_, err = w.OpenSnapshot("local", "films", kept.ID)
	refused(t, err, vectorize.ReasonSnapshot, "no snapshot")
}

// kept opens a snapshot until the test ends.
func (w *world) kept(id string) io.Reader {
	w.t.Helper()
	f, err := w.OpenSnapshot("local", "films", id)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { f.Close() })
	return f
}

func TestADeletedIndexComesBackFromItsSnapshotWithItsDefinition(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	if _, err := w.Create(t.Context(), "local", vectorize.Definition{Name: "films", Description: "d", Dimensions: 3, Metric: "dot-product", Model: "m", Fingerprint: "f"}); err != nil {
		t.Fatal(err)
	}
	kept, _, err := w.KeepSnapshot(t.Context(), "local", "films", now)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), "local", "films"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Restore(t.Context(), "local", "films", w.kept(kept.ID)); err != nil {
		t.Fatal(err)
	}
	x, err := w.Describe("local", "films")
	if err != nil || x.Description != "d" || x.Dimensions != 3 || x.Metric != "dot-product" || x.Model != "m" || x.Fingerprint != "f" {
		t.Errorf("restored as %+v, %v", x, err)
	}
}

func TestADamagedOrForeignSnapshotReplacesNothing(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	if _, err := w.index("films").Upsert(t.Context(), records(3), index.Scope{}); err != nil {
		t.Fatal(err)
	}
	var whole bytes.Buffer
	if _, err := w.WriteSnapshot(t.Context(), "local", "films", now, &whole); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Create(t.Context(), "local", vectorize.Definition{Name: "wide", Dimensions: 4, Metric: "cosine"}); err != nil {
		t.Fatal(err)
	}
	_, err := w.Restore(t.Context(), "local", "wide", bytes.NewReader(whole.Bytes()))
	refused(t, err, vectorize.ReasonSnapshot, "3 dimensions, euclidean", "4, cosine", "another name")
	before := w.numbers()
	for at := 0; at < whole.Len(); at += 5 {
		damaged := bytes.Clone(whole.Bytes())
		damaged[at] ^= 0x40
		if _, err := w.Restore(t.Context(), "local", "films", bytes.NewReader(damaged)); err == nil {
			t.Fatalf("a snapshot with byte %d of %d flipped was restored", at, whole.Len())
		}
		if _, err := w.Restore(t.Context(), "local", "films", bytes.NewReader(whole.Bytes()[:at])); err == nil {
			t.Fatalf("a snapshot cut after %d of %d bytes was restored", at, whole.Len())
		}
	}
	if info, err := w.opened("films").Info(t.Context(), index.Read{}); err != nil || info.Count != 3 || w.numbers() != before {
		t.Errorf("the index has %d records, %v; %d indexes are stored, want %d", info.Count, err, w.numbers(), before)
	}
}

func TestSnapshotIDsNeverReachOtherFiles(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	w.index("films")
	for _, id := range []string{"", "..", "../nearside.db", "%2e%2e", "1", "1-20260102T030405.678901Z", "1-20260102T030405.678901Z\x00", strings.Repeat("1", 10<<10)} {
		_, err := w.OpenSnapshot("local", "films", id)
		refused(t, err, vectorize.ReasonSnapshot)
		refused(t, w.DeleteSnapshot("local", "films", id), vectorize.ReasonSnapshot)
	}
}
