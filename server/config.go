package server

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"time"

	"nearside/fault"
)

// Config says where and how a Server listens. The zero value of a field means its default.
type Config struct {
	Addr         string   // host:port; 127.0.0.1:8810
	Edge         []string // addresses of the Workers edge, host:port; none
	TLSCert      string   // file with the certificate chain, PEM; with TLSKey
	TLSKey       string   // file with the private key, PEM
	InsecureHTTP bool     // allow plain HTTP on an address other machines can reach
	Hosts        []string // further Host names to answer to, without port; loopback names and Addr's host always are
	Origins      []string // further origins whose pages may call, such as "https://app.example.com"
	Account      string   // the default account; "local"
	Version      string   // what /health reports
	QuotaCode    int      // of the failure when an allowance of neurons is used up: 3036, or 4006, which the real service sends; 3036

	Consistency string        // what a read sees unless the call says: Strong, the default, or Delayed
	Delay       time.Duration // how old the state is that a delayed read sees; 2 s

	Connections int           // open connections; 4,096
	Work        int           // calls worked on at once; 8 a CPU, at least 32
	Queue       int           // calls waiting to be worked on; 4 × Work
	BodyBytes   int64         // bytes of request bodies in memory at once, also of what they unpack to; 1 GiB
	Patience    time.Duration // the longest wait in that queue; 10 s

	HeaderTimeout time.Duration // for a request's head, and the first 8 KiB of its body; 10 s
	IdleTimeout   time.Duration // between requests on one connection; 2 min
	ChunkTimeout  time.Duration // for each piece of a body or a reply to move; 30 s
	BodyGrace     time.Duration // of waiting for a body, after which BodyRate must hold; 15 s
	BodyRate      int           // bytes a second that a body must bring on average; 512
	CallTimeout   time.Duration // for a call as a whole, streams excepted; 15 min
	Grace         time.Duration // for calls in flight when the server stops; 20 s
}

// The values of Config.Consistency, and of ?consistency= on a call.
const (
	Strong  = "strong"  // a read sees every write acknowledged before it
	Delayed = "delayed" // a read sees what was newest a while ago, as Cloudflare's reads do
)

// The values of Config.QuotaCode.
const (
	documentedQuota = 3036 // by Cloudflare's table of errors
	observedQuota   = 4006 // in every reply of the real service that is known
)

// Limits that no option changes.
const (
	maxHeaderBytes = 16 << 10 // a request's head; a 10 KB name in the path still gets a reply that names it
	lastWait       = 5 * time.Second
)

func (c Config) withDefaults() Config {
	set(&c.Addr, "127.0.0.1:8810")
	set(&c.Account, "local")
	set(&c.Consistency, Strong)
	set(&c.Delay, 2*time.Second)
	set(&c.QuotaCode, documentedQuota)
	set(&c.Connections, 4096)
	set(&c.Work, max(32, 8*runtime.GOMAXPROCS(0)))
	set(&c.Queue, 4*c.Work)
	set(&c.BodyBytes, 1<<30)
	set(&c.Patience, 10*time.Second)
	set(&c.HeaderTimeout, 10*time.Second)
	set(&c.IdleTimeout, 2*time.Minute)
	set(&c.ChunkTimeout, 30*time.Second)
	set(&c.BodyGrace, 15*time.Second)
	set(&c.BodyRate, 512)
	set(&c.CallTimeout, 15*time.Minute)
	set(&c.Grace, 20*time.Second)
	return c
}

func set[T comparable](field *T, fallback T) {
	var zero T
	if *field == zero {
		*field = fallback
	}
}

// Validate reports everything that is wrong with the configuration at once. hasKeys says whether any API key exists.
func (c Config) Validate(hasKeys bool) error {
	c = c.withDefaults()
	var problems []string
	report := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }

	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		report("--addr %q is not host:port, such as 127.0.0.1:8810", c.Addr)
	} else if c.exposed() {
		if !hasKeys {
			report("--addr %s can be reached by other machines and no API key exists; create an admin key first with: nearside keys create --scope admin --data DIR", c.Addr)
		}
		if c.TLSCert == "" && !c.InsecureHTTP {
			report("--addr %s can be reached by other machines and would send keys in the clear; give --tls-cert and --tls-key, or --insecure-http if something in front of it encrypts", c.Addr)
		}
	}
	for _, addr := range c.Edge {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			report("--workers-edge %q is not host:port, such as 127.0.0.1:443", addr)
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		report("--tls-cert and --tls-key belong together; %q and %q were given", c.TLSCert, c.TLSKey)
	}
	if err := checkAccount(c.Account); err != nil {
		report("default account: %s", err)
	}
	if c.Consistency != Strong && c.Consistency != Delayed {
		report("--consistency %q does not exist; use %s or %s", c.Consistency, Strong, Delayed)
	}
	if c.QuotaCode != documentedQuota && c.QuotaCode != observedQuota {
		report("--quota-code %d does not exist; use %d or %d", c.QuotaCode, documentedQuota, observedQuota)
	}
	for _, origin := range c.Origins {
		if scheme, rest, ok := strings.Cut(origin, "://"); !ok || scheme == "" || rest == "" || strings.ContainsAny(rest, "/?#*") {
			report("origin %q is not scheme://host[:port], such as https://app.example.com", origin)
		}
	}
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"delay", int64(c.Delay)},
		{"connections", int64(c.Connections)}, {"work", int64(c.Work)}, {"queue", int64(c.Queue)}, {"body bytes", c.BodyBytes},
		{"patience", int64(c.Patience)}, {"header timeout", int64(c.HeaderTimeout)}, {"idle timeout", int64(c.IdleTimeout)},
		{"chunk timeout", int64(c.ChunkTimeout)}, {"body grace", int64(c.BodyGrace)}, {"body rate", int64(c.BodyRate)}, {"call timeout", int64(c.CallTimeout)}, {"grace", int64(c.Grace)},
	} {
		if n.value < 0 {
			report("%s is %d; it must be positive", n.name, n.value)
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "the server cannot start: %s", strings.Join(problems, "; ")).Because(errors.New("configuration"))
}

// exposed reports whether other machines can reach the address.
func (c Config) exposed() bool {
	host, _, err := net.SplitHostPort(c.Addr)
	ip := net.ParseIP(host)
	return err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback())
}
