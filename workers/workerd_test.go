package workers_test

import (
	"slices"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/workers"
)

func TestWorkerdHasVarsAndOurBindingsAndNamesTheRest(t *testing.T) {
	to := workers.Workerd{Server: "http://127.0.0.1:8810", Secret: "nsw_secret", Module: "../dist/index.js", Address: "127.0.0.1:8787"}
	for _, path := range []string{"testdata/nasty.jsonc", "testdata/nasty.toml"} {
		text, left, err := open(t, path, read(t, path)).Workerd(to)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			`compatibilityDate = "2026-01-01"`, `embed "../dist/index.js"`, `(name = "LIMITS", json = "{\"`,
			`(name = "AI", wrapped = (moduleName = "cloudflare-internal:ai-api", innerBindings = [(name = "fetcher", service = "nearside-ai:")]))`,
			`(name = "indexId", text = "images")`, `address = "127.0.0.1:8810"`, `(name = "X-Resource-Id", value = "docs")`, `value = "nsw_secret"`,
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %s in\n%s", path, want, text)
			}
		}
		if !slices.Contains(left, "kv_namespaces") || !slices.Contains(left, "durable_objects") || slices.Contains(left, "vars") {
			t.Errorf("%s: left out are %q", path, left)
		}
	}
	text, _, err := open(t, "a.jsonc", []byte("{\"ai\": {\"binding\": \"AI\"}, \"vars\": {\"A\": \"a \\\"b\\\" \\\\ \\n é\"}}")).Workerd(to)
	if err != nil || !strings.Contains(text, `(name = "A", text = "a \"b\" \\ \x0a é")`) {
		t.Errorf("%v\n%s", err, text)
	}
	to.Server = "https://nearside.example"
	_, _, err = open(t, "a.jsonc", []byte(`{"ai": {"binding": "AI"}}`)).Workerd(to)
	wantFault(t, err, fault.Unsupported, "http://host:port")
}
