package command_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nearside/client"
	"nearside/llm/backend/backendtest"
)

const small = "@cf/meta/llama-3.2-3b-instruct"

// say asks a model and returns its answer and the backend that gave it.
func say(t *testing.T, api *client.Client, model string) (answer, backend string, status int) {
	t.Helper()
	res, err := http.Post(api.URL+"/client/v4/accounts/local/ai/run/"+model, "application/json", strings.NewReader(`{"prompt":"why is the sky blue"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var reply struct{ Result struct{ Response string } }
	if err := json.NewDecoder(res.Body).Decode(&reply); err != nil {
		t.Fatal(err)
	}
	return reply.Result.Response, res.Header.Get("nearside-backend"), res.StatusCode
}

// get returns what a path answers.
func get(t *testing.T, api *client.Client, path string) string {
	t.Helper()
	res, err := http.Get(api.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestModelServersAreFoundByFlagsAndTheirStateIsTold(t *testing.T) {
	ollama, openai := backendtest.New(t), backendtest.New(t)
	ollama.Add(backendtest.Model{Name: "llama3.2"})
	openai.Add(backendtest.Model{Name: "meta-llama/Llama-3.1-8B-Instruct"})
	p := start(t, t.TempDir(), "--ollama", strings.TrimPrefix(ollama.URL, "http://"), "--openai", openai.URL+"/v1")
	api := p.ready()
	for model, want := range map[string]string{small: "ollama", "@cf/meta/llama-3.1-8b-instruct-fp8": "openai"} {
		if answer, backend, status := say(t, api, model); answer != "The sky is blue." || backend != want {
			t.Errorf("%s: %d, %q by %q, want it by %q", model, status, answer, backend, want)
		}
	}
	if health := get(t, api, "/health"); !strings.Contains(health, `{"name":"ollama","phase":"closed"`) || !strings.Contains(health, `{"name":"openai"`) {
		t.Errorf("/health says %s", health)
	}
	if metrics := get(t, api, "/metrics"); !strings.Contains(metrics, `nearside_backend_open{backend="ollama"} 0`) {
		t.Error("/metrics does not have the backend")
	}
	p.stop()
}

// A catalogue of the user's is read again on SIGHUP; a wrong one changes nothing.
func TestACatalogueIsReadAgainOnHangup(t *testing.T) {
	server := backendtest.New(t)
	server.Add(backendtest.Model{Name: "mine"})
	data := t.TempDir()
	own := filepath.Join(data, "models.yaml")
	p := start(t, data, "--ollama", "off")
	api := p.ready()
	if _, _, status := say(t, api, "@mine/model"); status != 400 {
		t.Errorf("before: got %d", status)
	}
	write := func(text string) {
		if err := os.WriteFile(own, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	write(fmt.Sprintf(`backends: [{name: here, kind: ollama, url: %q}]
models: [{id: "@mine/model", task: Text Generation, output: native, backends: [{kind: here, model: mine}]}]`, server.URL))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		answer, backend, status := say(t, api, "@mine/model")
		if status == 200 && backend == "here" && answer == "The sky is blue." {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("the new catalogue is not there: %d, %q by %q", status, answer, backend)
		}
	}
	write("models: [{id: 1")
	eventually(t, "the log says that the wrong catalogue was refused", func() bool { return strings.Contains(p.log.String(), "was not read again") })
	p.stop()
}
