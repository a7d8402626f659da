//go:build unix

package command_test

import "testing"

// viteCalls has Cloudflare's plugin for Vite run the Worker.
func viteCalls(t *testing.T, p project) []string {
	t.Helper()
	address, stop := p.dev("vite", "dev", "--port", "{port}", "--strictPort", "--host", "127.0.0.1")
	calls := worked(t, bodyOf(t, address+"/calls"))
	stop()
	return calls
}

// vitestCalls has Cloudflare's plugin for Vitest run a test within the runtime.
func vitestCalls(t *testing.T, p project) []string {
	t.Helper()
	out, err := p.command("vitest", "run").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return worked(t, string(out))
}

// viteProjectAfterInit returns the project in which both run, with the environment of dev init.
func viteProjectAfterInit(t *testing.T) project {
	t.Helper()
	_, api := startForWorkers(t, t.TempDir(), "127.0.0.1:0")
	p := newProject(t, newest, "edge", "wrangler.jsonc")
	p.initWithoutGone(api)
	t.Setenv("CLOUDFLARE_ENV", "local") // Vite has no --env
	return p
}
