package workers

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"nearside/fault"
)

// Workerd is what a configuration of the runtime alone, without wrangler, needs to know.
type Workerd struct {
	Server  string // nearside's URL
	Secret  string // of the project
	Module  string // the Worker as one module, seen from where the configuration is to lie
	Address string // where the Worker is to listen
}

// withoutBinding are keys of the top level that make no binding, or one that workerd gets here.
var withoutBinding = []string{
	"$schema", "name", "main", "compatibility_date", "compatibility_flags", "ai", "vectorize", "vars", "env", "define", "migrations",
	"account_id", "workers_dev", "preview_urls", "routes", "route", "rules", "build", "minify", "dev", "observability", "placement",
	"upload_source_maps", "no_bundle", "find_additional_modules", "base_dir", "tsconfig", "alias", "keep_vars", "keep_names", "limits", "logpush",
}

// Workerd returns a configuration for `workerd serve` that runs the Worker with its vars
// and the bindings that nearside answers, and the keys whose bindings it leaves out.
func (f *File) Workerd(o Workerd) (text string, left []string, err error) {
	c, err := f.read()
	if err == nil {
		err = f.check(c)
	}
	if err != nil {
		return "", nil, err
	}
	server, err := url.Parse(o.Server)
	if err != nil || server.Scheme != "http" || server.Port() == "" {
		return "", nil, fault.New(fault.Unsupported, "the server's address %q cannot be written for workerd; give it as http://host:port", o.Server)
	}
	var bindings, services []string
	date, flags := "2026-01-01", "[]"
	for _, e := range c.top {
		switch value := decoded(e.value).(type) {
		case string:
			if e.key == "compatibility_date" {
				date = value
			}
		case []any:
			if e.key == "compatibility_flags" {
				flags = quotedList(value)
			}
		case map[string]any:
			if e.key == "vars" {
				bindings = append(bindings, varBindings(value)...)
			}
		}
		if !slices.Contains(withoutBinding, e.key) {
			left = append(left, e.key)
		}
	}
	service := func(kind, resource string) string {
		name := "nearside-" + kind + ":" + resource
		services = append(services, fmt.Sprintf("    (name = %s, external = (address = %s, http = (injectRequestHeaders = [\n      (name = \"X-Binding-Type\", value = %s), (name = \"X-Binding-Secret\", value = %s), (name = \"X-Resource-Id\", value = %s)]))),\n",
			quoted(name), quoted(server.Host), quoted(kind), quoted(o.Secret), quoted(url.PathEscape(resource))))
		return name
	}
	if c.AI != "" {
		bindings = append(bindings, wrapped(c.AI, "ai", service("ai", "")))
	}
	for _, x := range c.Indexes {
		more := fmt.Sprintf(`, (name = "indexId", text = %s), (name = "indexVersion", text = "v2"), (name = "useNdJson", json = "true")`, quoted(x.Name))
		bindings = append(bindings, wrapped(x.Binding, "vectorize", service("vectorize", x.Name), more))
	}
	return fmt.Sprintf(workerdConfig, quoted(date), flags, quoted(o.Module), strings.Join(bindings, ""), strings.Join(services, ""), quoted(o.Address)), left, nil
}

const workerdConfig = `# Written by: nearside dev workerd. It has the project's secret; do not commit it.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "worker", worker = (
      compatibilityDate = %s,
      compatibilityFlags = %s,
      modules = [(name = "worker.js", esModule = embed %s)],
      bindings = [
%s      ])),
%s  ],
  sockets = [(name = "http", address = %s, http = (), service = "worker")],
);
`

// wrapped is a binding that a module of the runtime makes around a service.
func wrapped(name, kind, service string, more ...string) string {
	return fmt.Sprintf("        (name = %s, wrapped = (moduleName = \"cloudflare-internal:%s-api\", innerBindings = [(name = \"fetcher\", service = %s)%s])),\n",
		quoted(name), kind, quoted(service), strings.Join(more, ""))
}

// varBindings are the bindings of vars: text as it is, all else as JSON.
func varBindings(vars map[string]any) []string {
	var bindings []string
	for name, value := range vars {
		kind, text := "text", ""
		if word, ok := value.(string); ok {
			text = word
		} else {
			raw, err := json.Marshal(value)
			if err != nil {
				continue // a date of TOML out of range, which JSON cannot say
			}
			kind, text = "json", string(raw)
		}
		bindings = append(bindings, fmt.Sprintf("        (name = %s, %s = %s),\n", quoted(name), kind, quoted(text)))
	}
	slices.Sort(bindings)
	return bindings
}

// decoded returns the value of an entry of either language.
func decoded(value any) any {
	raw, ok := value.(json.RawMessage)
	if !ok {
		return value
	}
	var v any
	_ = json.Unmarshal(raw, &v) // it was read before
	return v
}

func quotedList(values []any) string {
	var words []string
	for _, v := range values {
		words = append(words, quoted(fmt.Sprint(v)))
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// quoted writes a text for Cap'n Proto, whose strings have no escapes by code point.
func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String() + `"`
}
