package command_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nearside/client"
	"nearside/llm/backend/backendtest"
)

// How much the kill loops do, and with what.
const (
	lanes       = 26 // folders, each with an index
	laneFiles   = 14
	loaderKills = 50
	serverKills = 20

	laneBatch       = 8 // passages
	laneConcurrency = 2
	edits           = 8
	atOnce          = 4 // loaders, under which the server is killed
)

// TestKillsOfLoaderAndServerLeaveOneCleanLoad kills loaders at random moments, again and again
// with edits between, and then the server under them. In the end each index holds what one clean load makes,
// and no passage was embedded twice but those of batches that were under way at a kill. What is embedded
// is counted where it is done, by a model server that outlives them all.
func TestKillsOfLoaderAndServerLeaveOneCleanLoad(t *testing.T) {
	if !*long {
		t.Skip("runs with -long")
	}
	t.Logf("folderseed %d", *folderSeed)
	k := newKilling(t, rand.New(rand.NewPCG(*folderSeed, 12)))
	k.settle() // all files are there, and unchanged
	k.killLoaders()
	k.killServers()
	k.settle()
	twice, whole := k.embeddedTwice()
	if most := (k.loaders + atOnce*k.servers) * laneConcurrency * laneBatch; twice > most {
		t.Errorf("%d passages were embedded twice; at most %d were under way at the kills", twice, most)
	}
	k.compare()
	k.server.stop()
	t.Logf("%d kills of loaders and %d of the server; %d passages embedded, %d of them twice", k.loaders, k.servers, whole, twice)
}

// killing is a server, a model server that counts, and folders that are loaded.
type killing struct {
	t        *testing.T
	random   *rand.Rand
	models   *backendtest.Server
	data     string
	address  string
	server   *process
	api      *client.Client
	lanes    []*lane
	typical  time.Duration // of a load that is left alone, from its first word to its end
	loaders  int           // killed
	servers  int
	requests int // of the model server, that were counted
}

// lane is a folder that is loaded into an index.
type lane struct {
	*folder
	index string
}

func newKilling(t *testing.T, random *rand.Rand) *killing {
	t.Helper()
	k := &killing{t: t, random: random, models: backendtest.New(t), data: t.TempDir()}
	own := `models: [{id: "@own/counted", task: Text Embeddings, input: text, tokens: 512, dimensions: 8, backends: [{kind: ollama, model: embed}],
  prices: [{unit: M_input_tokens, usd: "0.100", neurons: "9091"}]}]`
	if err := os.WriteFile(filepath.Join(k.data, "models.yaml"), []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k.address = free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	k.up()
	for i := range lanes {
		l := &lane{newFolder(t, rand.New(rand.NewPCG(random.Uint64(), uint64(i))), laneFiles), fmt.Sprintf("lane-%d", i)}
		l.said = i * 10_000 // what two lanes say is never the same
		k.lanes = append(k.lanes, l)
		createFor(t, k.api, l.index, "@own/counted")
	}
	createFor(t, k.api, "warm", "@own/counted")
	began := time.Now()
	k.finish(k.load(&lane{k.lanes[0].folder, "warm"}))
	k.typical = time.Since(began)
	k.embedded() // not of the loop
	return k
}

// up starts the server, at the address that it had.
func (k *killing) up() {
	k.t.Helper()
	k.server = start(k.t, k.data, "--addr", k.address, "--ollama", k.models.URL, "--embed-cache", "0")
	k.api = k.server.ready()
}

// loading is a loader at work.
type loading struct {
	lane  *lane
	cmd   *exec.Cmd
	out   firstTold
	errs  bytes.Buffer
	ended chan struct{} // closed when it has
	err   error         // how it ended
}

// firstTold keeps what is written, and closes begun when it tells of an item: until then a loader may wait for the
// claim of the one that was killed before it.
type firstTold struct {
	text  bytes.Buffer
	begun chan struct{}
	told  sync.Once
}

func (f *firstTold) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(`"loaded"`)) || bytes.Contains(p, []byte(`"unchanged"`)) || bytes.Contains(p, []byte(`"progress"`)) {
		f.told.Do(func() { close(f.begun) })
	}
	return f.text.Write(p)
}

// begin starts a loader.
func (k *killing) begin(l *lane) (*loading, error) {
	path, err := buildOnce()
	if err != nil {
		return nil, err
	}
	r := &loading{lane: l, cmd: exec.Command(path, "ingest", l.dir, "--index", l.index, "--url", "http://"+k.address, "--size", "40", "--prune", "--yes", "--json",
		"--batch", fmt.Sprint(laneBatch), "--concurrency", fmt.Sprint(laneConcurrency))}
	r.out.begun = make(chan struct{})
	r.cmd.Stdout, r.cmd.Stderr, r.ended = &r.out, &r.errs, make(chan struct{})
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		defer close(r.ended)
		r.err = r.cmd.Wait()
	})
	return r, nil
}

// load is begin, of a test that ends if it fails.
func (k *killing) load(l *lane) *loading {
	k.t.Helper()
	r, err := k.begin(l)
	if err != nil {
		k.t.Fatal(err)
	}
	return r
}

// begun waits until the loader is at work, or has ended.
func (r *loading) begun() {
	select {
	case <-r.out.begun:
	case <-r.ended:
	}
}

// finish waits for a loader, which may wait for the claim of one that was killed.
func (k *killing) finish(r *loading) ingestReport {
	k.t.Helper()
	if <-r.ended; r.err != nil {
		k.t.Fatalf("the loader of %s: %v\n%s\n%s", r.lane.index, r.err, &r.errs, &r.out.text)
	}
	return reportOf(k.t, r.out.text.String())
}

// killLoaders kills loaders while they load what was edited a moment ago, all lanes side by side: the claim of a
// loader that was killed must end before the next one comes.
func (k *killing) killLoaders() {
	for k.loaders < loaderKills {
		killed := make([]error, lanes)
		var running sync.WaitGroup
		for i, l := range k.lanes {
			for range edits {
				l.edit()
			}
			moment := time.Duration(k.random.Int64N(int64(k.typical)))
			running.Go(func() { killed[i] = k.killLater(l, moment) })
		}
		running.Wait()
		for _, err := range killed {
			var left ended
			switch {
			case err == nil:
				k.loaders++
			case errors.As(err, &left):
				k.typical = (k.typical + left.after) / 2
			default:
				k.t.Fatal(err)
			}
		}
		k.t.Logf("%d loaders were killed", k.loaders)
	}
}

// ended is a loader that came to its end before it was killed.
type ended struct{ after time.Duration }

func (ended) Error() string { return "the loader ended before it was killed" }

// killLater loads a lane and kills the loader a moment after it told of its work.
func (k *killing) killLater(l *lane, moment time.Duration) error {
	r, err := k.begin(l)
	if err != nil {
		return err
	}
	r.begun()
	began := time.Now()
	select {
	case <-time.After(moment):
		_ = r.cmd.Process.Signal(syscall.SIGKILL) // it may have ended
		<-r.ended
	case <-r.ended:
	}
	var exit *exec.ExitError
	switch {
	case r.err == nil:
		return ended{time.Since(began)}
	case errors.As(r.err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled():
		return nil
	}
	return fmt.Errorf("the loader of %s: %w\n%s", l.index, r.err, r.errs.String())
}

// killServers kills the server while loaders are at work, which must come to their end all the same.
func (k *killing) killServers() {
	k.settle()
	for n := range serverKills {
		var running []*loading
		for i := range atOnce {
			l := k.lanes[(n*atOnce+i)%lanes]
			for range edits {
				l.edit()
			}
			running = append(running, k.load(l))
		}
		for _, r := range running { // a loader does not wait for a server that it never saw
			r.begun()
		}
		time.Sleep(time.Duration(k.random.Int64N(int64(k.typical)))) // the moment of the kill
		k.server.kill()
		k.servers++
		k.up()
		for _, r := range running {
			k.finish(r)
		}
	}
}

// settle lets every loader come to its end.
func (k *killing) settle() {
	k.t.Helper()
	for some := range slices.Chunk(k.lanes, atOnce) {
		var running []*loading
		for _, l := range some {
			running = append(running, k.load(l))
		}
		for _, r := range running {
			k.finish(r)
		}
	}
}

// compare loads each folder once more, which does nothing, and into a new index, which then holds the same.
func (k *killing) compare() {
	for _, l := range k.lanes {
		again := k.finish(k.load(l)).Report
		if embedded := k.embedded(); again.Loaded != 0 || again.Stored != 0 || again.Unchanged != int64(len(l.files())) || len(embedded) > 0 {
			k.t.Errorf("%s: loaded once more: %+v, and %d passages were embedded", l.index, again, len(embedded))
		}
		clean := l.index + "-clean"
		createFor(k.t, k.api, clean, "@own/counted")
		k.finish(k.load(&lane{l.folder, clean}))
		want := recordsOf(k.t, k.api, clean)
		if diff := differences(recordsOf(k.t, k.api, l.index), want); diff != "" {
			k.t.Errorf("%s is not what one clean load makes:\n%s", l.index, diff)
		}
		told := map[string]bool{} // passages that are told apart, as most are
		for _, r := range want {
			if strings.Contains(r.Text, "note") {
				told[r.Text] = true
			}
		}
		if embedded := k.embedded(); len(embedded) != len(told) {
			k.t.Errorf("a clean load of %d passages embedded %d", len(told), len(embedded))
		}
	}
}

// embedded returns what was embedded since it was asked last: each text with how often.
func (k *killing) embedded() map[string]int {
	k.t.Helper()
	bodies := k.models.Asked("/api/embed")
	times := map[string]int{}
	for _, body := range bodies[k.requests:] {
		var q struct{ Input []string }
		if err := json.Unmarshal(body, &q); err != nil {
			continue // a single text: the server tries the model
		}
		for _, text := range q.Input {
			if strings.Contains(text, "note") {
				times[text]++
			}
		}
	}
	k.requests = len(bodies)
	return times
}

// embeddedTwice counts what was embedded more often than once.
func (k *killing) embeddedTwice() (twice, whole int) {
	for _, n := range k.embedded() {
		twice += n - 1
		whole += n
	}
	return twice, whole
}

// edit changes the lane's folder so that no passage comes again that was there before and is gone.
func (l *lane) edit() {
	path := l.one()
	switch ending := filepath.Ext(path); {
	case path == "" || l.random.IntN(4) == 0:
		l.create()
	case l.random.IntN(6) == 0:
		l.must(os.Remove(path))
	case ending == ".csv":
		l.add(path, fmt.Sprintf("%q,%q\n", l.sentence(), l.sentence()))
	case ending == ".jsonl":
		l.add(path, fmt.Sprintf("{\"note\": %q}\n", l.paragraph()))
	default:
		i := slices.IndexFunc(kindsOfFiles, func(kind fileKind) bool { return strings.HasSuffix(path, kind.ending) })
		l.write(path, kindsOfFiles[i].content(l.folder))
	}
}

// add adds to the end of a file.
func (l *lane) add(path, text string) {
	data, err := os.ReadFile(path)
	l.must(err)
	l.write(path, append(data, text...))
}
