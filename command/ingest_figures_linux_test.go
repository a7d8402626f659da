//go:build linux

package command_test

import (
	"archive/zip"
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
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nearside/client"
	"nearside/doc"
	"nearside/doc/chunk"
	"nearside/doc/parse"
	"nearside/embed/bert"
)

const miniLM = "@nearside/all-minilm-l6-v2"

// encoderDir is where the built-in encoder is; without it the test is skipped.
func encoderDir(t *testing.T) string {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(home, ".cache", "nearside", "models", "all-minilm-l6-v2")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the built-in encoder is needed: nearside models pull: %v", err)
	}
	return dir
}

// TestShareOfTheCeiling compares how fast Markdown files become passages that are found, from the start of
// the loader to its end, with how fast the encoder alone embeds the same passages on the same cores. The two take turns:
//
//	go test ./command -run ShareOfTheCeiling -figures -v
func TestShareOfTheCeiling(t *testing.T) {
	if !*figures {
		t.Skip("runs with -figures")
	}
	encoder, err := bert.Open(encoderDir(t), bert.Options{Precision: bert.Int8})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	texts, tokens := guideChapters(t, dir, encoder)
	p := start(t, t.TempDir(), "--embed-cache", "0")
	api := p.ready()
	var shares []float64
	for round := range 3 {
		began := time.Now()
		for some := range slices.Chunk(texts, 250) {
			if _, err := encoder.Embed(t.Context(), some); err != nil {
				t.Fatal(err)
			}
		}
		alone := time.Since(began)
		index := fmt.Sprintf("round-%d", round)
		createFor(t, api, index, miniLM)
		began = time.Now()
		nearside(t, t.Context(), "ingest", dir, "--index", index, "--url", api.URL)
		loaded := time.Since(began)
		if n := len(recordsOf(t, api, index)); n != len(texts) {
			t.Fatalf("%d passages were loaded, %d were embedded alone", n, len(texts))
		}
		shares = append(shares, alone.Seconds()/loaded.Seconds())
		t.Logf("%d passages of %d tokens: embedded alone in %.1f s (%.0f tokens/s), loaded in %.1f s: %.1f %% of the ceiling",
			len(texts), tokens, alone.Seconds(), float64(tokens)/alone.Seconds(), loaded.Seconds(), 100*shares[round])
	}
	slices.Sort(shares)
	t.Logf("median: %.1f %% of the encoder's ceiling", 100*shares[1])
	p.stop()
}

// guideChapters writes Markdown files of a few thousand passages, and returns these with the tokens that the model counts.
func guideChapters(t *testing.T, dir string, tokenizer chunk.Tokenizer) (texts []string, tokens int) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 21))
	f := &folder{t: t, dir: dir, random: random}
	for i := range 250 {
		var b strings.Builder
		for range 4 + random.IntN(8) {
			fmt.Fprintf(&b, "# %s\n\n%s\n\n%s\n\n", f.sentence(), f.paragraph(), f.paragraph())
		}
		path := filepath.Join(dir, fmt.Sprintf("chapter%03d.md", i))
		f.must(os.WriteFile(path, []byte(b.String()), 0o600))
		for _, c := range cutFile(t, path, tokenizer) {
			texts = append(texts, c.Text)
			tokens += c.Tokens
		}
	}
	return texts, tokens
}

func cutFile(t *testing.T, path string, tokenizer chunk.Tokenizer) (all []chunk.Chunk) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cutter, err := chunk.New(chunk.Options{Source: path, Tokenizer: tokenizer})
	if err != nil {
		t.Fatal(err)
	}
	err = parse.Parse(t.Context(), parse.File{Name: filepath.Base(path), Body: bytes.NewReader(data)}, parse.Options{}, func(d *doc.Document) error {
		chunks, err := cutter.Cut(t.Context(), d)
		all = append(all, chunks...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestPassagesHaveAsManyTokensAsTheModelCounts loads a folder of all formats through the built-in encoder's own
// tokenizer: no passage is longer than the window, and the model read just as many tokens as it counts.
func TestPassagesHaveAsManyTokensAsTheModelCounts(t *testing.T) {
	tokenizer, err := bert.OpenTokenizer(encoderDir(t))
	if err != nil {
		t.Fatal(err)
	}
	files, window := 20, 64
	if *long {
		files = 80
	}
	t.Logf("folderseed %d", *folderSeed)
	f := newFolder(t, rand.New(rand.NewPCG(*folderSeed, 13)), files)
	p := start(t, t.TempDir(), "--embed-cache", "0")
	api := p.ready()
	createFor(t, api, "counted", miniLM)
	out, errs, code := runHere(t, "ingest", f.dir, "--index", "counted", "--url", api.URL, "--size", "48", "--window", fmt.Sprint(window), "--json")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	whole := 0
	for _, r := range recordsOf(t, api, "counted") {
		n, err := tokenizer.CountTokens(t.Context(), r.Text)
		if err != nil {
			t.Fatal(err)
		}
		if whole += n; n > window {
			t.Errorf("%d tokens, more than %d: %q", n, window, r.Text)
		}
	}
	if r := reportOf(t, out).Report; r.Tokens != int64(whole) {
		t.Errorf("the model read %d tokens; the passages have %d", r.Tokens, whole)
	}
	p.stop()
}

// TestASecondRunCostsNothing loads 20,000 files twice.
//
//	go test ./command -run SecondRun -figures -v
func TestASecondRunCostsNothing(t *testing.T) {
	files := 300
	if *figures {
		files = 20_000
	}
	dir := t.TempDir()
	then := time.Now().Add(-time.Hour)
	for i := range files {
		sub := filepath.Join(dir, fmt.Sprintf("part%03d", i/200))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(sub, fmt.Sprintf("note%05d.md", i))
		if err := os.WriteFile(path, fmt.Appendf(nil, "# Note %d\n\nIt says what no other note says: %d.\n", i, i*i), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, t.TempDir())
	api := p.ready()
	createFor(t, api, "notes", lexicalHash)
	for round, want := range []int{files, 0, 0} {
		began := time.Now()
		r := reportOf(t, nearside(t, t.Context(), "ingest", dir, "--index", "notes", "--url", api.URL, "--prune", "--yes", "--json")).Report
		if r.Loaded != int64(want) || r.Unchanged != int64(files-want) || r.Tokens != 0 && want == 0 || r.Stored != 0 && want == 0 {
			t.Errorf("run %d: %+v", round+1, r)
		}
		t.Logf("run %d over %d files: %.2f s, %d passages embedded", round+1, files, time.Since(began).Seconds(), r.Stored)
	}
	p.stop()
}

// TestPeakMemoryOfLargeFiles prints the peak of the loader's resident memory, and of the server beyond what it had before, on
// a text of 2 GB and an archive of 1 GB. They are read and cut whole (--dry-run), and a tenth of each is loaded.
//
//	go test ./command -run PeakMemory -figures -v -timeout 60m
func TestPeakMemoryOfLargeFiles(t *testing.T) {
	if !*figures {
		t.Skip("runs with -figures")
	}
	p := start(t, t.TempDir(), "--relaxed")
	api := p.ready()
	createFor(t, api, "large", lexicalHash)
	for _, c := range []struct {
		name string
		size int64
		make func(w io.Writer, size int64) error
	}{{"large.txt", 2 << 30, largeText}, {"large.zip", 1 << 30, largeArchive}} {
		for _, part := range []struct {
			size int64
			args []string
		}{{c.size, []string{"--dry-run"}}, {c.size / 10, nil}} {
			path := filepath.Join(t.TempDir(), c.name)
			makeLarge(t, path, part.size, c.make)
			measurePeak(t, p, api, path, part.args...)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.stop()
}

func makeLarge(t *testing.T, path string, size int64, write func(io.Writer, int64) error) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	b := bufio.NewWriterSize(f, 1<<20)
	if err := errors.Join(write(b, size), b.Flush(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// largeText writes paragraphs.
func largeText(w io.Writer, size int64) error {
	for n, i := int64(0), 0; n < size; i++ {
		k, err := fmt.Fprintf(w, "Paragraph %d tells of lamp %d and of tower %d. The keeper climbs %d steps every night, and every morning he climbs down again, while ships go by.\n\n", i, i*7, i*13, i%400)
		if err != nil {
			return err
		}
		n += int64(k)
	}
	return nil
}

// largeArchive writes an archive of so many bytes: text files that hardly shrink, of 10 MB each.
func largeArchive(w io.Writer, size int64) error {
	z := zip.NewWriter(w)
	random := rand.New(rand.NewPCG(1, 22))
	for i := int64(0); i < size/(10<<20); i++ {
		m, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("part%03d.txt", i), Method: zip.Store})
		if err != nil {
			return err
		}
		b := bufio.NewWriterSize(m, 1<<20)
		for n := 0; n < 10<<20; {
			k, err := fmt.Fprintf(b, "Note %x says %x of %x and %x, which nobody else does.\n\n", random.Uint64(), random.Uint32(), random.Uint64(), random.Uint32())
			if err != nil {
				return err
			}
			n += k
		}
		if err := b.Flush(); err != nil {
			return err
		}
	}
	return z.Close()
}

// measurePeak loads a file and prints the peaks.
func measurePeak(t *testing.T, p *process, api *client.Client, path string, more ...string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	before := residentMiB(t, p)
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	binary, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary, append([]string{"ingest", path, "--as", "documents", "--index", "large", "--url", api.URL, "--json"}, more...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	r := reportOf(t, string(out)).Report
	loader := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
	t.Logf("%s of %d MiB %v: %d passages in %.0f s; peak of the loader %d MiB; of the server %d MiB, %d before",
		filepath.Base(path), info.Size()>>20, more, r.Chunks, time.Since(began).Seconds(), loader, peakMiB(t, p), before)
}

// peakMiB is the peak of the server's resident memory since it was cleared.
func peakMiB(t *testing.T, p *process) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kib int
	if _, err := fmt.Sscanf(rest, "%d kB", &kib); err != nil {
		t.Fatal(err)
	}
	return kib >> 10
}
