//go:build unix

package command_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"nearside/client"
)

// shop is a server with an index that wants no model, and a folder to load into it.
type shop struct {
	t   *testing.T
	p   *process
	api *client.Client
	dir string
}

const shopIndex = "shop"

func newShop(t *testing.T) *shop {
	t.Helper()
	dir, err := os.MkdirTemp("", "nearside-shop") // others may read what is in it, unlike in t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &shop{t: t, p: start(t, t.TempDir()), dir: dir}
	s.api = s.p.ready()
	createFor(t, s.api, shopIndex, lexicalHash)
	return s
}

// put writes a file of the folder.
func (s *shop) put(name string, data string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// args is the command line of a load of the folder.
func (s *shop) args(more ...string) []string {
	return append([]string{"ingest", s.dir, "--index", shopIndex, "--url", s.api.URL}, more...)
}

// load loads the folder; the exit code must be the one that is expected.
func (s *shop) load(code int, more ...string) ingestReport {
	s.t.Helper()
	out, errs, got := runHere(s.t, s.args(append(more, "--json")...)...)
	if got != code {
		s.t.Fatalf("%v: exit code %d, not %d: %s\n%s", more, got, code, errs, out)
	}
	return reportOf(s.t, out)
}

// texts are all texts of the index, joined.
func (s *shop) texts() string {
	s.t.Helper()
	var b strings.Builder
	for _, r := range recordsOf(s.t, s.api, shopIndex) {
		b.WriteString(r.Text + "\n")
	}
	return b.String()
}

// isClean compares the index with a clean load of the folder into a new one.
func (s *shop) isClean(more ...string) {
	s.t.Helper()
	createFor(s.t, s.api, "clean", lexicalHash)
	out, errs, code := runHere(s.t, append([]string{"ingest", s.dir, "--index", "clean", "--url", s.api.URL}, more...)...)
	if code != 0 && code != 3 {
		s.t.Fatalf("exit code %d: %s\n%s", code, errs, out)
	}
	if diff := differences(recordsOf(s.t, s.api, shopIndex), recordsOf(s.t, s.api, "clean")); diff != "" {
		s.t.Errorf("the index is not what one clean load makes:\n%s", diff)
	}
	dropIndex(s.t, s.api, "clean")
}

// reason returns why an item failed.
func (r ingestReport) reason(path string) string {
	for _, f := range r.Report.Failures {
		if f.Path == path {
			return f.Reason
		}
	}
	return ""
}

func TestBadFilesGetTheirReasonAndTheOthersAreLoaded(t *testing.T) {
	s := newShop(t)
	lighthouse, err := os.ReadFile("../doc/parse/testdata/office/lighthouse.docx")
	if err != nil {
		t.Fatal(err)
	}
	locked, err := os.ReadFile("../doc/parse/pdf/testdata/locked.pdf")
	if err != nil {
		t.Fatal(err)
	}
	bad := []struct{ name, data, words string }{
		{"empty.txt", "", "empty"},
		{"blank.md", " \n\n", "empty"},
		{"binary.bin", "\x00\x01\x02\x03", "binary"},
		{"picture.md", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00", "image/png"},
		{"half.docx", string(lighthouse[:len(lighthouse)/2]), "cut off"},
		{"half.gz", string(packed(strings.Repeat("words and more words ", 1000))[:60]), "cut off"},
		{"half.zip", string(zipped("a.txt", strings.Repeat("word ", 999)))[:70], ""},
		{"locked.pdf", string(locked), "password"},
		{"locked.docx", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Repeat("\x00", 600) + "E\x00n\x00c\x00r\x00y\x00p\x00t\x00e\x00d\x00P\x00a\x00c\x00k\x00a\x00g\x00e\x00", "password"},
		{"deep.json", strings.Repeat("[", 300) + strings.Repeat("]", 300), "300 deep"},
		{"broken.json", `{"a": `, "not JSON"},
		{"zeros.gz", string(packed(strings.Repeat("\x00", 8<<20))), "binary"},
		{"mixed.zip!bad.bin", string(zipped("good.txt", "A member that is good.", "bad.bin", "\x00\x01\x02")), "binary"},
		{"sealed.zip!a.txt", sealed(t), "password"},
		{"half.jsonl", "{\"text\": \"A line that is good.\"}\nno line\n", "line 2"},
	}
	for _, b := range bad {
		file, _, _ := strings.Cut(b.name, "!")
		s.put(file, b.data)
	}
	s.put("lying.pdf", "<!DOCTYPE html><title>x</title><p>A page that says it is a PDF.")
	s.put("caf\xe9.txt", "A name that is not UTF-8.")
	s.put("good.md", "# Good\n\nA file between all the bad ones.")
	if err := syscall.Mkfifo(filepath.Join(s.dir, "pipe.txt"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"loop": ".", "nowhere.txt": "missing.txt", "self.txt": "self.txt", "out.txt": s.outside()} {
		if err := os.Symlink(to, filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r := s.load(3)
	for _, b := range bad {
		if reason := r.reason(b.name); reason == "" || !strings.Contains(reason, b.words) {
			t.Errorf("%s: the reason is %q, without %q", b.name, reason, b.words)
		}
	}
	if reason := r.reason("pipe.txt"); reason == "" {
		t.Errorf("the pipe has no reason: %+v", r.Report.Failures)
	}
	texts := s.texts()
	for _, good := range []string{"A file between all the bad ones.", "A page that says it is a PDF.", "A name that is not UTF-8.", "A member that is good.", "A line that is good."} {
		if !strings.Contains(texts, good) {
			t.Errorf("%q is not in the index", good)
		}
	}
	if strings.Contains(texts, "out of the folder") {
		t.Error("a link that leads out of the folder was followed")
	}
	if !r.Report.Complete || r.Report.Error != "" {
		t.Errorf("the load did not come to its end: %+v", r.Report)
	}
	again := s.load(3)
	if again.Report.Loaded != 0 || again.Report.Stored != 0 || again.Report.Failed != r.Report.Failed {
		t.Errorf("the same once more: %+v, at first %+v", again.Report, r.Report)
	}
	for _, b := range bad {
		file, _, _ := strings.Cut(b.name, "!")
		s.put(file, "Now it is well: "+b.name) // those that are called something else are text, and read as that
	}
	s.load(3, "--retry-failed") // what cannot be text stays bad
	s.isClean()
}

// outside is a file that is not in the folder.
func (s *shop) outside() string {
	path := filepath.Join(s.t.TempDir(), "secret.txt")
	if err := os.WriteFile(path, []byte("This is out of the folder."), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// sealed is an archive whose member wants a password.
func sealed(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateRaw(&zip.FileHeader{Name: "a.txt", Flags: 1, Method: zip.Store, CompressedSize64: 20, UncompressedSize64: 8, CRC32: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(bytes.Repeat([]byte{7}, 20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestAnArchiveBombEndsInAReason loads an archive that unpacks to far more than it has.
func TestAnArchiveBombEndsInAReason(t *testing.T) {
	s := newShop(t)
	size := 600 << 20
	if *long {
		size = 2 << 30
	}
	block := []byte(strings.Repeat("A line that is said again and again.\n", 1<<20/37))
	bomb, err := os.Create(filepath.Join(s.dir, "bomb.zip"))
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(bomb)
	w, err := z.Create("bomb.md") // a format that is held in memory
	for n := 0; err == nil && n < size; n += len(block) {
		_, err = w.Write(block)
	}
	if err := errors.Join(err, z.Close(), bomb.Close()); err != nil {
		t.Fatal(err)
	}
	s.put("good.md", "A file beside the bomb.")
	r := s.load(3)
	if reason := r.reason("bomb.zip") + r.reason("bomb.zip!bomb.md"); !strings.Contains(reason, "limit") {
		t.Errorf("got %+v", r.Report.Failures)
	}
	if !strings.Contains(s.texts(), "A file beside the bomb.") {
		t.Error("the good file is not in the index")
	}
}

func TestWhatMayNotBeReadIsToldAndNothingBelowItIsPruned(t *testing.T) {
	s := newShop(t)
	s.put("open.txt", "A file that all may read.")
	s.put("shut/within.txt", "A file in a folder that will be shut.")
	s.put("mine.txt", "A file that will be its owner's alone.")
	s.load(0)
	for _, name := range []string{"shut", "mine.txt"} {
		if err := os.Chmod(filepath.Join(s.dir, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	defer func() { _ = os.Chmod(filepath.Join(s.dir, "shut"), 0o755) }() // or it could not be removed
	if err := os.Chmod(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	out, code := asNobody(t, s.args("--prune", "--yes", "--json")...)
	if code != 3 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	r := reportOf(t, out)
	if !strings.Contains(r.reason("mine.txt"), "permission") || len(r.Report.Failures) != 2 {
		t.Errorf("got %+v", r.Report.Failures)
	}
	for _, words := range []string{"all may read", "will be shut", "owner's alone"} {
		if !strings.Contains(s.texts(), words) {
			t.Errorf("what was loaded of %q is gone", words)
		}
	}
}

// asNobody runs the program without the rights of root, who may read everything.
func asNobody(t *testing.T, args ...string) (stdout string, code int) {
	t.Helper()
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	if os.Getuid() == 0 {
		if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		cmd.Dir = "/"
	}
	out, err := cmd.Output()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestOfTwoLoadersTheSecondIsRefusedByTheNameOfTheFirst(t *testing.T) {
	s := newShop(t)
	s.put("a.txt", "A file.")
	name := "file://" + s.dir
	var claim struct {
		ID    int64
		Claim string
	}
	sources := "/nearside/indexes/" + shopIndex + "/sources"
	postJSON(t, s.api, sources, map[string]any{"name": name, "holder": "a loader on another host"}, &claim)
	_, errs, code := runHere(t, s.args()...)
	if code != 1 || !strings.Contains(errs, "a loader on another host") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	postJSON(t, s.api, fmt.Sprintf("%s/%d/release", sources, claim.ID), map[string]any{"claim": claim.Claim}, nil)
	s.load(0)
}

func TestExitCodesOfLoads(t *testing.T) {
	s := newShop(t)
	s.put("a.txt", "A file.")
	for _, c := range []struct {
		code  int
		words string
		args  []string
	}{
		{0, "", s.args()},
		{1, "no-such", []string{"ingest", s.dir, "--index", "no-such", "--url", s.api.URL}},
		{1, "missing", []string{"ingest", filepath.Join(s.dir, "missing"), "--index", shopIndex, "--url", s.api.URL}},
		{1, "index", []string{"ingest", s.dir, "--url", s.api.URL}},
		{1, "", []string{"ingest", s.dir, "--index", shopIndex, "--url", s.api.URL, "--size", "3"}},
		{1, "markdown", []string{"ingest", s.dir, "--index", shopIndex, "--url", s.api.URL, "--format", "word"}},
	} {
		_, errs, code := runHere(t, c.args...)
		if code != c.code || !strings.Contains(errs, c.words) {
			t.Errorf("%v: exit code %d, not %d, or without %q: %s", c.args, code, c.code, c.words, errs)
		}
	}
}

func TestMuchIsPrunedOnlyWhenSaid(t *testing.T) {
	s := newShop(t)
	var paths []string
	for i := range 10 {
		paths = append(paths, s.put(fmt.Sprintf("%d.txt", i), fmt.Sprintf("This is file number %d.", i)))
	}
	s.load(0)
	for _, path := range paths[:3] {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if r := s.load(0).Report; r.Gone != 3 || r.Pruned != 0 || !strings.Contains(s.texts(), "number 0") {
		t.Errorf("without --prune: %+v", r)
	}
	if r := s.load(3, "--prune").Report; !r.PruneRefused || r.Pruned != 0 || !strings.Contains(s.texts(), "number 0") {
		t.Errorf("3 of 10 are gone, and nobody said yes: %+v", r)
	}
	if r := s.load(0, "--prune", "--yes").Report; r.Pruned != 3 || strings.Contains(s.texts(), "number 0") {
		t.Errorf("3 of 10 are gone, and --yes was said: %+v", r)
	}
	s.isClean()
	if err := os.Rename(s.dir, s.dir+"-away"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(s.dir + "-away") }()
	if _, errs, code := runHere(t, s.args("--prune", "--yes")...); code != 1 || !strings.Contains(s.texts(), "number 9") {
		t.Errorf("the whole folder is away: exit code %d: %s", code, errs)
	}
}

// TestAFileThatChangesWhileItIsReadIsRightInTheEnd has a writer at work on a file while it is loaded.
func TestAFileThatChangesWhileItIsReadIsRightInTheEnd(t *testing.T) {
	s := newShop(t)
	s.put("still.txt", "A file that nobody touches.")
	path := s.put("busy.txt", strings.Repeat("A line of a file that grows.\n\n", 20_000))
	stop, stopped := make(chan struct{}), make(chan error, 1)
	s.writing(path, stop, stopped)
	out, errs, code := runHere(t, s.args("--json")...)
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if code != 0 && code != 3 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if r := reportOf(t, out); code == 3 && r.reason("busy.txt") == "" || !strings.Contains(s.texts(), "nobody touches") {
		t.Errorf("exit code %d, %+v", code, r.Report)
	}
	s.load(0)
	s.isClean()
}

// writing adds lines to a file, and now and then begins it anew.
func (s *shop) writing(path string, stop chan struct{}, stopped chan error) {
	run := func() error {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return nil
			default:
			}
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			if n%200 == 199 {
				err = f.Truncate(1 << 19)
			}
			if err == nil {
				_, err = fmt.Fprintf(f, "Line %d was added while it was read.\n\n", n)
			}
			if cerr := f.Close(); err == nil {
				err = cerr
			}
			if err != nil {
				return err
			}
			runtime.Gosched()
		}
	}
	var working sync.WaitGroup
	working.Go(func() { stopped <- run() })
}

func TestInterruptedLoadsGoOn(t *testing.T) {
	s := newShop(t)
	for i := range 300 {
		s.put(fmt.Sprintf("%03d.txt", i), fmt.Sprintf("This is file number %d. ", i)+strings.Repeat(fmt.Sprintf("It says %d again.\n\n", i), 20))
	}
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	interrupted := 0
	for range 20 {
		cmd := exec.Command(path, s.args("--batch", "5")...)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the loader has something in the index, or is done", func() bool {
			return cmd.ProcessState != nil || s.busy()
		})
		_ = cmd.Process.Signal(os.Interrupt) // it may be done
		_ = cmd.Wait()                       // the code is looked at below
		switch code := cmd.ProcessState.ExitCode(); code {
		case 130:
			interrupted++
		case 0:
		default:
			t.Fatalf("exit code %d: %s", code, errs.String())
		}
		if interrupted == 3 {
			break
		}
	}
	if interrupted == 0 {
		t.Error("no loader could be interrupted")
	}
	s.load(0) // at once: the claim was given back
	s.isClean()
}

// busy reports whether a loader has claimed the folder.
func (s *shop) busy() bool {
	var sources []struct{ Holder *string }
	if err := s.api.Do(s.t.Context(), http.MethodGet, "/nearside/indexes/"+shopIndex+"/sources", nil, &sources); err != nil {
		s.t.Fatal(err)
	}
	for _, x := range sources {
		if x.Holder != nil {
			return true
		}
	}
	return false
}

// TestAServerThatGoesAwayAndComesBackLosesNothing kills the server under a loader, and starts it again.
func TestAServerThatGoesAwayAndComesBackLosesNothing(t *testing.T) {
	data := t.TempDir()
	s := &shop{t: t, p: start(t, data), dir: t.TempDir()}
	s.api = s.p.ready()
	createFor(t, s.api, shopIndex, lexicalHash)
	for i := range 200 {
		s.put(fmt.Sprintf("%03d.txt", i), strings.Repeat(fmt.Sprintf("File %d says something. ", i), 50))
	}
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd := exec.Command(path, s.args("--batch", "5", "--json")...)
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the loader is at work", s.busy)
	s.p.kill()
	s.p = start(t, data, "--addr", strings.TrimPrefix(s.api.URL, "http://"))
	s.api = s.p.ready()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the loader: %v: %s", err, errs.String())
	}
	s.isClean()
	if r := s.load(0).Report; r.Unchanged != 200 || r.Stored != 0 {
		t.Errorf("the same once more: %+v", r)
	}
}

func TestLinksOutOfTheFolderAreFollowedWhenAsked(t *testing.T) {
	s := newShop(t)
	s.put("in.txt", "This is in the folder.")
	if err := os.Symlink(s.outside(), filepath.Join(s.dir, "out.txt")); err != nil {
		t.Fatal(err)
	}
	s.load(0)
	if strings.Contains(s.texts(), "out of the folder") {
		t.Error("the link was followed unasked")
	}
	s.load(0, "--follow-links")
	if !strings.Contains(s.texts(), "out of the folder") {
		t.Error("the link was not followed")
	}
}

func TestPrivateAddressesAreRefusedUnlessAllowedByName(t *testing.T) {
	s := newShop(t)
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!DOCTYPE html><title>x</title><p>A page of a private address.")
	}))
	defer pages.Close()
	load := func(more ...string) (string, int) {
		out, errs, code := runHere(t, append([]string{"ingest", pages.URL + "/page.html", "--index", shopIndex, "--url", s.api.URL}, more...)...)
		return out + errs, code
	}
	if out, code := load(); code == 0 || !strings.Contains(out, "127.0.0.1") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if strings.Contains(s.texts(), "private address") {
		t.Fatal("it was loaded unasked")
	}
	if out, code := load("--allow-private", "127.0.0.1"); code != 0 || !strings.Contains(s.texts(), "private address") {
		t.Errorf("exit code %d: %s", code, out)
	}
}
