package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearside/client"
)

var moveSeed = flag.Uint64("moveseed", 1, "seed of the random records that are moved")

// moved are records with everything that a record may have, as lines; the i-th has the id of its number.
func moved(t *testing.T, n, dimensions int) []byte {
	t.Helper()
	t.Logf("-moveseed %d", *moveSeed)
	random := rand.New(rand.NewPCG(*moveSeed, 7))
	var lines bytes.Buffer
	for i := range n {
		values := make([]float32, dimensions)
		for j := range values {
			values[j] = math.Float32frombits(random.Uint32())
			if v := float64(values[j]); math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) > 1e18 || math.Abs(v) < 1e-18 {
				values[j] = random.Float32() - 0.5
			}
		}
		record := map[string]any{"id": fmt.Sprintf("r%05d é\"%d", i, i%7), "values": values}
		if i%2 == 0 {
			record["namespace"] = fmt.Sprint("n", i%3)
		}
		if i%3 == 0 {
			record["metadata"] = map[string]any{"i": i, "pi": math.Pi * float64(i), "s": "a\tb\u2028<>&", "deep": map[string]any{"list": []string{"x", "y"}, "none": nil}}
		}
		if i%4 == 0 {
			record["text"] = fmt.Sprintf("passage %d,\nof two lines", i)
		}
		if i%8 == 0 {
			record["title"] = "A title & more"
		}
		line, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(line, '\n'))
	}
	return lines.Bytes()
}

// makeIndex makes an index with a metadata index, and loads lines into it.
func makeIndex(t *testing.T, api *client.Client, name string, dimensions int, lines []byte) {
	t.Helper()
	definition := map[string]any{"name": name, "description": "to be moved", "config": map[string]any{"dimensions": dimensions, "metric": "euclidean"}}
	if err := api.Do(t.Context(), http.MethodPost, "/vectorize/v2/indexes", definition, nil); err != nil {
		t.Fatal(err)
	}
	if lines == nil {
		return
	}
	if err := api.Do(t.Context(), http.MethodPost, "/vectorize/v2/indexes/"+name+"/metadata_index/create", map[string]string{"propertyName": "i", "indexType": "number"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := api.Send(t.Context(), http.MethodPost, "/nearside/indexes/"+name+"/records", "application/x-ndjson", lines, nil); err != nil {
		t.Fatal(err)
	}
}

// contents returns every record of an index, whole, as the server shows it.
func contents(t *testing.T, api *client.Client, name string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for cursor := ""; ; {
		var page struct {
			Next    string `json:"nextCursor"`
			Vectors []struct {
				ID string `json:"id"`
			} `json:"vectors"`
		}
		if err := api.Do(t.Context(), http.MethodPost, "/nearside/indexes/"+name+"/list", map[string]any{"count": 1000, "cursor": cursor}, &page); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, v := range page.Vectors {
			ids = append(ids, v.ID)
		}
		var records []json.RawMessage
		if err := api.Do(t.Context(), http.MethodPost, "/nearside/indexes/"+name+"/get", map[string]any{"ids": ids}, &records); err != nil {
			t.Fatal(err)
		}
		for i, r := range records {
			all[ids[i]] = string(r)
		}
		if cursor = page.Next; cursor == "" {
			return all
		}
	}
}

// same fails the test if two indexes differ in what they have.
func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d records, want %d", what, len(got), len(want))
	}
	for id, record := range want {
		if got[id] != record {
			t.Fatalf("%s: record %q is\n%s\nwant\n%s", what, id, got[id], record)
		}
	}
}

func TestWhatIsExportedAndIngestedIsTheSameBitByBit(t *testing.T) {
	api := start(t, t.TempDir()).ready()
	makeIndex(t, api, "films", 3, moved(t, 2345, 3))
	want := contents(t, api, "films")
	if len(want) != 2345 {
		t.Fatalf("%d records were loaded", len(want))
	}
	dir := t.TempDir()
	for i, files := range [][2]string{
		{"films.ndjson", ""}, {"films.ndjson.gz", ""}, {"films.parquet", ""}, {"films.npy", "--metadata-file " + filepath.Join(dir, "films.jsonl")},
	} {
		path, index := filepath.Join(dir, files[0]), fmt.Sprint("copy", i)
		makeIndex(t, api, index, 3, nil)
		nearside(t, t.Context(), "export", "films", "-o", path, "--url", api.URL)
		nearside(t, t.Context(), append([]string{"ingest", path, "--index", index, "--url", api.URL}, strings.Fields(files[1])...)...)
		same(t, files[0], contents(t, api, index), want)
	}
	for _, leftover := range []string{"*.temp", "*.temp*"} {
		if found, err := filepath.Glob(filepath.Join(dir, leftover)); err != nil || len(found) > 0 {
			t.Errorf("left behind: %v, %v", found, err)
		}
	}
	ids, err := os.ReadFile(filepath.Join(dir, "films.ids"))
	if err != nil || strings.Count(string(ids), "\n") != 2345 {
		t.Errorf("the file of ids has %d lines: %v", strings.Count(string(ids), "\n"), err)
	}
}

func TestAnExportThroughAPipeIsLoaded(t *testing.T) {
	api := start(t, t.TempDir()).ready()
	makeIndex(t, api, "films", 3, moved(t, 100, 3))
	makeIndex(t, api, "copy", 3, nil)
	lines := nearside(t, t.Context(), "export", "films", "--url", api.URL)
	stdout, stderr, code := runWith(t, strings.NewReader(lines), "ingest", "-", "--as", "records", "--index", "copy", "--url", api.URL)
	if code != 0 || stdout != "100 records loaded into copy\n" {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	same(t, "through a pipe", contents(t, api, "copy"), contents(t, api, "films"))
	makeIndex(t, api, "vectors", 3, nil)
	if err := api.Send(t.Context(), http.MethodPost, "/vectorize/v2/indexes/vectors/insert", "application/x-ndjson", []byte(lines), nil); err != nil {
		t.Errorf("Vectorize's insert does not take an export: %v", err)
	}
}

// cloudflareFlags make a server of ours, with Cloudflare's limits, stand for Cloudflare.
func cloudflareFlags(word string, api *client.Client, state string) []string {
	return []string{"--" + word, "cloudflare", "--" + word + "-url", api.URL, "--" + word + "-account", "local", "--" + word + "-key", "token", "--state", state}
}

func TestAnIndexGoesToCloudflareAndComesBack(t *testing.T) {
	here, there := start(t, t.TempDir()).ready(), start(t, t.TempDir()).ready()
	makeIndex(t, here, "films", 3, moved(t, 1234, 3))
	push := append([]string{"push", "films", "--url", here.URL, "--index", "remote", "--text-key", "text"}, cloudflareFlags("to", there, t.TempDir())...)
	if out := nearside(t, t.Context(), push...); !strings.HasPrefix(out, "1234 of 1234 records copied") || !strings.Contains(out, "it has 1234") {
		t.Errorf("push: %s", out)
	}
	var x struct {
		Config struct {
			Dimensions int
			Metric     string
		}
	}
	var properties struct{ MetadataIndexes []map[string]string }
	for path, to := range map[string]any{"": &x, "/metadata_index/list": &properties} {
		if err := there.Do(t.Context(), http.MethodGet, "/vectorize/v2/indexes/remote"+path, nil, to); err != nil {
			t.Fatal(err)
		}
	}
	if x.Config.Dimensions != 3 || x.Config.Metric != "euclidean" || len(properties.MetadataIndexes) != 1 || properties.MetadataIndexes[0]["propertyName"] != "i" {
		t.Errorf("the index there is %+v with %v", x, properties)
	}
	pull := append([]string{"pull", "remote", "--url", here.URL, "--index", "back"}, cloudflareFlags("from", there, t.TempDir())...)
	nearside(t, t.Context(), pull...)
	same(t, "pulled", contents(t, here, "back"), contents(t, there, "remote"))
	whole := contents(t, here, "films")
	for id, record := range contents(t, there, "remote") {
		var a, b struct {
			Values    json.RawMessage
			Namespace string
			Text      string
			Metadata  struct{ Text string }
		}
		if json.Unmarshal([]byte(record), &a) != nil || json.Unmarshal([]byte(whole[id]), &b) != nil || !bytes.Equal(a.Values, b.Values) || a.Namespace != b.Namespace || a.Metadata.Text != b.Text {
			t.Fatalf("there is %s, here %s", record, whole[id])
		}
	}
}

func TestAnIndexIsCopiedBetweenServersWithItsTexts(t *testing.T) {
	here, there := start(t, t.TempDir()).ready(), start(t, t.TempDir()).ready()
	makeIndex(t, here, "films", 3, moved(t, 500, 3))
	nearside(t, t.Context(), "push", "films", "--url", here.URL, "--to", there.URL, "--state", t.TempDir())
	same(t, "pushed", contents(t, there, "films"), contents(t, here, "films"))
	nearside(t, t.Context(), "pull", "films", "--from", there.URL, "--index", "back", "--url", here.URL, "--state", t.TempDir())
	same(t, "pulled", contents(t, here, "back"), contents(t, here, "films"))
	makeIndex(t, there, "other", 4, nil)
	for line, want := range map[string]string{
		"push films --index other --to " + there.URL: "the source has 3 dimensions and the target 4",
		"push films --to " + here.URL:                "would be copied onto itself",
		"push nothing --to " + there.URL:             `"nothing"`,
		"push films --to nowhere":                    "is no place that is known here",
		"push films --to cloudflare":                 "set CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN",
	} {
		_, stderr, code := runHere(t, append(strings.Fields(line), "--url", here.URL, "--state", t.TempDir())...)
		if code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("nearside %s: exit code %d, %q; want %q", line, code, stderr, want)
		}
	}
}

func TestWhatCannotGoToCloudflareIsNamedAndTheRestGoes(t *testing.T) {
	here, there := start(t, t.TempDir(), "--relaxed").ready(), start(t, t.TempDir()).ready()
	large := fmt.Sprintf(`{"id":"large","values":[1,2,3],"metadata":{"m":%q}}`, strings.Repeat("m", 10<<10))
	makeIndex(t, here, "films", 3, []byte(`{"id":"good","values":[1,2,3]}`+"\n"+large+"\n"+`{"id":"text","values":[3,2,1],"text":"stays"}`))
	push := append([]string{"push", "films", "--url", here.URL}, cloudflareFlags("to", there, t.TempDir())...)
	out, code := nearsideCode(t, context.Background(), push...)
	if code != 3 || !strings.Contains(out, `index "films": id "large": its metadata has 10248 bytes; Cloudflare takes at most 10240`) || !strings.Contains(out, "1 texts were left out") || !strings.Contains(out, "2 of 3 records copied") {
		t.Errorf("exit code %d, %s", code, out)
	}
	if got := contents(t, there, "films"); len(got) != 2 {
		t.Errorf("there is %v", got)
	}
}

// runWith runs one command line with something on its standard input.
func runWith(t *testing.T, stdin io.Reader, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// killSometimes runs a command line again and again, killing it at random moments, until it ends by itself.
func killSometimes(t *testing.T, random *rand.Rand, longest time.Duration, args []string) (kills int, output string) {
	t.Helper()
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	for {
		var out bytes.Buffer
		cmd := exec.Command(path, args...)
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(random.Int64N(int64(longest))), func() { _ = cmd.Process.Kill() }) // it may have ended
		err := cmd.Wait()
		timer.Stop()
		if err == nil {
			return kills, out.String()
		}
		if cmd.ProcessState.Exited() {
			t.Fatalf("%v ended by itself: %v\n%s", args, err, out.String())
		}
		kills++
		longest += longest / 8 // so that it ends on a machine of any speed
	}
}

func TestMovesThatAreKilledGoOnAndMissNothing(t *testing.T) {
	n := 1500
	if *long {
		n = 3000
	}
	random := rand.New(rand.NewPCG(*moveSeed, 9))
	here, there := start(t, t.TempDir()).ready(), start(t, t.TempDir()).ready()
	lines := moved(t, n, 8)
	makeIndex(t, here, "films", 8, lines)
	state := t.TempDir()
	for what, args := range map[string][]string{
		"push":   append([]string{"push", "films", "--index", "pushed", "--url", here.URL, "--batch", "20"}, cloudflareFlags("to", there, state)...),
		"ingest": append([]string{"ingest", filepath.Join(state, "films.jsonl"), "--index", "ingested", "--batch", "20"}, cloudflareFlags("to", there, state)...),
		"pull":   append([]string{"pull", "source", "--index", "pulled", "--url", here.URL, "--batch", "20"}, cloudflareFlags("from", there, state)...),
	} {
		place, name, want := there, map[string]string{"push": "pushed", "ingest": "ingested", "pull": "pulled"}[what], map[string]string{}
		switch what {
		case "ingest":
			makeIndex(t, there, "ingested", 8, nil)
			if err := os.WriteFile(filepath.Join(state, "films.jsonl"), lines, 0o600); err != nil {
				t.Fatal(err)
			}
		case "pull":
			place = here
			makeIndex(t, there, "source", 8, lines)
		}
		kills, out := killSometimes(t, random, 400*time.Millisecond, args)
		t.Logf("%s: killed %d times, then: %s", what, kills, out)
		for id, record := range contents(t, here, "films") {
			want[id] = withoutTexts(record)
		}
		same(t, what, contents(t, place, name), want)
		if kills == 0 {
			t.Errorf("%s came to its end before it was killed", what)
		}
		if left, err := filepath.Glob(filepath.Join(state, "loads", "*.json")); err != nil || len(left) > 0 {
			t.Errorf("%s left behind %v, %v", what, left, err)
		}
	}
}

// withoutTexts is a record as Cloudflare has it.
func withoutTexts(record string) string {
	for _, key := range []string{`,"text":`, `,"title":`} {
		if i := strings.LastIndex(record, key); i > 0 {
			record = record[:i] + "}"
		}
	}
	return record
}
