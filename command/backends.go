package command

import (
	"cmp"
	"errors"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"nearside/fault"
	"nearside/llm"
	"nearside/llm/backend"
	"nearside/llm/ollama"
	"nearside/llm/openai"
)

// backendFlags say where model servers are. They go before what the catalogue says.
type backendFlags struct {
	ollama    string
	openai    string
	openaiKey string // the name of an environment variable
}

// off as the address of a server means that there is none.
const off = "off"

func (f *backendFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.ollama, "ollama", "", `where Ollama is, or "off" (default OLLAMA_HOST, else http://127.0.0.1:11434)`)
	flags.StringVar(&f.openai, "openai", "", "where a server is that speaks OpenAI's API, such as http://127.0.0.1:8000/v1")
	flags.StringVar(&f.openaiKey, "openai-key-env", "", "environment variable that holds that server's key")
}

// apply returns the catalogue's servers as the flags and the environment have them.
func (f *backendFlags) apply(servers []llm.Server) ([]llm.Server, error) {
	ollamaURL, err := ollamaURL(cmp.Or(f.ollama, os.Getenv("OLLAMA_HOST")))
	if err != nil {
		return nil, err
	}
	if f.openaiKey != "" && os.Getenv(f.openaiKey) == "" {
		return nil, fault.New(fault.Invalid, "--openai-key-env names %s, which is not set", f.openaiKey)
	}
	for i := range servers {
		s := &servers[i]
		switch {
		case s.Name == llm.Ollama && f.ollama == off:
			s.Enabled = false
		case s.Name == llm.Ollama && ollamaURL != "":
			s.URL, s.Enabled = ollamaURL, true
		case s.Name == llm.OpenAI && f.openai != "":
			s.URL, s.Enabled = f.openai, f.openai != off
		}
		if s.Name == llm.OpenAI && f.openaiKey != "" {
			s.KeyEnv = f.openaiKey
		}
	}
	return slices.DeleteFunc(servers, func(s llm.Server) bool { return !s.Enabled }), nil
}

// ollamaURL reads an address as Ollama's own programs do: a host, a port or both
// are enough, and the address that a server listens on everywhere is this machine.
func ollamaURL(address string) (string, error) {
	if address == "" || address == off {
		return "", nil
	}
	withScheme := address
	if !strings.Contains(address, "://") {
		withScheme = "http://" + address
	}
	u, err := url.Parse(withScheme)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return "", fault.New(fault.Invalid, "the address of Ollama (--ollama or OLLAMA_HOST) must be like http://127.0.0.1:11434, or %q", off)
	}
	host, port := u.Hostname(), u.Port()
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	if port == "" && u.Scheme == "http" {
		port = "11434"
	}
	u.Host = host
	if port != "" {
		u.Host = net.JoinHostPort(host, port)
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

// backends are the model servers that are open.
type backends struct {
	mu      sync.Mutex // guards what follows; nothing waits under it
	open    map[llm.Kind]openBackend
	retired []*backend.Guard // replaced while calls may have been under way; closed with the rest
}

// openBackend is a server with what it was opened with.
type openBackend struct {
	as    llm.Server
	key   string
	guard *backend.Guard
}

// use makes the servers the ones that are open, once accept has taken them. Those
// that have not changed stay as they are, with their breakers and queues.
func (b *backends) use(servers []llm.Server, accept func([]backend.Backend) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := map[llm.Kind]openBackend{}
	var list []backend.Backend
	var fresh []*backend.Guard
	for _, s := range servers {
		wanted := openBackend{as: s}
		if s.KeyEnv != "" {
			wanted.key = os.Getenv(s.KeyEnv)
		}
		if now, ok := b.open[s.Name]; ok && now.as == wanted.as && now.key == wanted.key {
			wanted.guard = now.guard
		} else {
			opened, err := wanted.start()
			if err != nil {
				return errors.Join(err, closeGuards(fresh))
			}
			wanted.guard = opened
			fresh = append(fresh, opened)
		}
		next[s.Name] = wanted
		list = append(list, wanted.guard)
	}
	if err := accept(list); err != nil {
		return errors.Join(err, closeGuards(fresh))
	}
	for name, was := range b.open {
		if next[name].guard != was.guard {
			b.retired = append(b.retired, was.guard)
		}
	}
	b.open = next
	return nil
}

// start opens a server behind a guard. Nothing is asked of it.
func (o openBackend) start() (*backend.Guard, error) {
	limits := backend.Limits{Concurrency: o.as.Concurrency, Queue: o.as.Queue, FirstByte: o.as.FirstByte, BetweenTokens: o.as.BetweenTokens}
	var server backend.Backend
	var err error
	switch o.as.Kind {
	case llm.Ollama:
		server, err = ollama.New(ollama.Options{Name: string(o.as.Name), URL: o.as.URL, Key: o.key})
	default:
		server, err = openai.New(openai.Options{Name: string(o.as.Name), URL: o.as.URL, Key: o.key})
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "the backend %s cannot be used", o.as.Name).Because(err)
	}
	return backend.NewGuard(server, limits), nil
}

// states says how the servers are doing, by name.
func (b *backends) states() []backend.State {
	b.mu.Lock()
	defer b.mu.Unlock()
	var states []backend.State
	for _, o := range b.open {
		states = append(states, o.guard.State())
	}
	slices.SortFunc(states, func(x, y backend.State) int { return cmp.Compare(x.Name, y.Name) })
	return states
}

// Close ends the calls under way and closes everything.
func (b *backends) Close() error {
	b.mu.Lock()
	guards := b.retired
	for _, o := range b.open {
		guards = append(guards, o.guard)
	}
	b.open, b.retired = nil, nil
	b.mu.Unlock()
	return closeGuards(guards)
}

func closeGuards(guards []*backend.Guard) error {
	var errs []error
	for _, g := range guards {
		errs = append(errs, g.Close())
	}
	return errors.Join(errs...)
}
