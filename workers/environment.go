package workers

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// repeated are the keys that an environment does not inherit, in wrangler's order: what
// its validation of a configuration calls not inheritable, less ai, vectorize and
// unsafe, which stand in the environment in another form. A test compares them with the
// wrangler that is installed.
var repeated = []string{
	"vars", "secrets", "define", "durable_objects", "workflows", "kv_namespaces", "cloudchamber", "containers", "send_email",
	"queues", "connect", "r2_buckets", "d1_databases", "ai_search_namespaces", "ai_search", "agent_memory", "hyperdrive",
	"services", "analytics_engine_datasets", "dispatch_namespaces", "mtls_certificates", "tail_consumers",
	"streaming_tail_consumers", "browser", "analytics", "images", "stream", "media", "pipelines", "k2",
	"secrets_store_secrets", "artifacts", "unsafe_hello_world", "flagship", "worker_loaders", "ratelimits",
	"vpc_services", "vpc_networks", "version_metadata",
}

// pluginMark begins the names of the plugin's plugins: an environment that names one is nearside's.
const pluginMark = "nearside-"

// environment returns what stands in the environment. The name is there so that it stays
// what it is: without it, wrangler appends that of the environment, and the Worker's
// Durable Objects would be others, and a service binding to itself would miss it.
func (c *config) environment(plugin string) []entry {
	var env []entry
	for _, e := range c.top {
		if e.key == "name" || slices.Contains(repeated, e.key) {
			env = append(env, e)
		}
	}
	return append(env, entry{"unsafe", c.unsafe(plugin)})
}

// unsafe returns the bindings of nearside behind those that stand under the same key.
func (c *config) unsafe(plugin string) map[string]any {
	unsafe := map[string]any{}
	for _, e := range c.top {
		if e.key == "unsafe" {
			unsafe = plain(e.value)
		}
	}
	bindings, _ := unsafe["bindings"].([]any) // wrangler refuses anything else
	bindings = slices.Clone(bindings)
	if c.AI != "" {
		bindings = append(bindings, byPlugin("ai", c.AI, plugin, map[string]string{}))
	}
	for _, x := range c.Indexes {
		bindings = append(bindings, byPlugin("vectorize", x.Binding, plugin, map[string]string{"index_name": x.Name}))
	}
	unsafe["bindings"] = bindings
	return unsafe
}

// unsafeBinding is an entry of unsafe.bindings, which a plugin of Miniflare makes.
type unsafeBinding struct {
	Name string          `json:"name" toml:"name"`
	Type string          `json:"type" toml:"type"`
	Dev  bindingByPlugin `json:"dev" toml:"dev"`
}

type bindingByPlugin struct {
	Plugin  pluginName        `json:"plugin" toml:"plugin,inline"`
	Options map[string]string `json:"options" toml:"options,inline"`
}

type pluginName struct {
	Package string `json:"package" toml:"package"` // its file
	Name    string `json:"name" toml:"name"`
}

// byPlugin returns a binding of nearside. Its type is none that Cloudflare knows: wrangler
// shall not take the one for the other, and nobody deploy it by mistake.
func byPlugin(kind, name, plugin string, options map[string]string) unsafeBinding {
	return unsafeBinding{name, "nearside_" + kind, bindingByPlugin{pluginName{plugin, pluginMark + kind}, options}}
}

// plain returns an object of either language as a new map.
func plain(value any) map[string]any {
	object := map[string]any{}
	switch v := value.(type) {
	case json.RawMessage:
		decoder := json.NewDecoder(bytes.NewReader(v))
		decoder.UseNumber()
		_ = decoder.Decode(&object) // what is no object is wrangler's to refuse
	case map[string]any:
		for key, value := range v {
			object[key] = value
		}
	}
	return object
}

// pluginOf returns the file of nearside's plugin that an environment names; "" if it names none.
func pluginOf(environment map[string]any) string {
	unsafe, _ := environment["unsafe"].(map[string]any)
	bindings, _ := unsafe["bindings"].([]any)
	for _, b := range bindings {
		object, _ := b.(map[string]any)
		dev, _ := object["dev"].(map[string]any)
		plugin, _ := dev["plugin"].(map[string]any)
		name, _ := plugin["name"].(string)
		file, _ := plugin["package"].(string)
		if strings.HasPrefix(name, pluginMark) {
			return file
		}
	}
	return ""
}

// bindingsIn returns the bindings that a top level asks for.
func bindingsIn(top map[string]any) Bindings {
	var b Bindings
	if ai, ok := top["ai"].(map[string]any); ok {
		b.AI, _ = ai["binding"].(string)
	}
	indexes, _ := top["vectorize"].([]any)
	for _, each := range indexes {
		object, _ := each.(map[string]any)
		name, _ := object["index_name"].(string)
		binding, _ := object["binding"].(string)
		if name != "" && binding != "" {
			b.Indexes = append(b.Indexes, Index{binding, name})
		}
	}
	return b
}

// newConfig returns a configuration whose values are decoded.
func newConfig(top map[string]any, inOrder []entry) *config {
	c := &config{top: inOrder, environments: map[string]string{}, Bindings: bindingsIn(top)}
	c.name, _ = top["name"].(string)
	_, c.pages = top["pages_build_output_dir"]
	_, c.env = top["env"]
	environments, _ := top["env"].(map[string]any)
	for name, environment := range environments {
		object, _ := environment.(map[string]any)
		c.environments[name] = pluginOf(object)
	}
	return c
}
