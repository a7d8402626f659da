package command_test

import (
	"bytes"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"nearside/command"
	"nearside/edge"
)

// devEnv runs `nearside dev env` and returns its two outputs and its exit code.
func devEnv(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, lacks bytes.Buffer
	code = command.Run(t.Context(), append([]string{"dev", "env"}, args...), nil, &out, &lacks, command.Assets{})
	return out.String(), lacks.String(), code
}

func TestTheEnvironmentIsWrittenAsEachShellReadsIt(t *testing.T) {
	data := filepath.Join(t.TempDir(), "it's")
	for shell, want := range map[string][]string{
		"sh":         {"export CLOUDFLARE_API_BASE_URL='http://127.0.0.1:1/client/v4'\n", `export CLOUDFLARE_API_TOKEN='a'\''b$c'` + "\n", "export CLOUDFLARE_ACCOUNT_ID='shop'\n", `it'\''s/edge/ca.pem'` + "\n"},
		"fish":       {"set -gx CLOUDFLARE_API_BASE_URL 'http://127.0.0.1:1/client/v4'\n", `set -gx CLOUDFLARE_API_TOKEN 'a\'b$c'` + "\n", `it\'s/edge/ca.pem'` + "\n"},
		"powershell": {"$Env:CLOUDFLARE_API_BASE_URL = 'http://127.0.0.1:1/client/v4'\n", `$Env:CLOUDFLARE_API_TOKEN = 'a''b$c'` + "\n", `it''s/edge/ca.pem'` + "\n"},
	} {
		out, _, code := devEnv(t, "--shell", shell, "--url", "http://127.0.0.1:1/", "--key", "a'b$c", "--account", "shop", "--data", data)
		for _, line := range want {
			if code != 0 || !strings.Contains(filepath.ToSlash(out), line) {
				t.Errorf("%s: exit code %d, no %q in\n%s", shell, code, line, out)
			}
		}
	}
	if out, lacks, code := devEnv(t, "--shell", "cmd"); code != 1 || out != "" || !strings.Contains(lacks, "sh, fish or powershell") {
		t.Errorf("another shell: %d %s %s", code, out, lacks)
	}
}

func TestWhatTheEnvironmentLacksIsSaid(t *testing.T) {
	out, lacks, code := devEnv(t, "--url", "http://127.0.0.1:1", "--data", t.TempDir())
	if code != 0 || strings.Count(out, "\n") != 4 || !strings.Contains(lacks, "start one with: nearside serve") || !strings.Contains(lacks, "nearside serve --workers-edge makes it") {
		t.Errorf("without a server: %d %s\n%s", code, out, lacks)
	}
}

func TestWhoCannotReachTheEdgeIsToldHow(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	err = command.CallEdge(t.Context(), nil, free.Addr().String())
	for _, way := range []string{edge.Ways(runtime.GOOS), free.Addr().String()} {
		if err == nil || !strings.Contains(err.Error(), way) {
			t.Errorf("no %s in: %v", way, err)
		}
	}
}
