package web

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"nearside/fault"
)

// hosts are those that may be asked, with their ports.
type hosts map[string]map[string]bool

// add allows a host, "example.com" or "example.com:8080".
func (h hosts) add(host string) error {
	name, port, err := splitHost(host)
	if err != nil {
		return err
	}
	if h[name] == nil {
		h[name] = map[string]bool{}
	}
	if port != "" {
		h[name][port] = true
		return nil
	}
	h[name]["80"], h[name]["443"] = true, true
	return nil
}

// splitHost reads a host as people write it.
func splitHost(host string) (name, port string, err error) {
	u, err := url.Parse("//" + host)
	if err != nil || u.Hostname() == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		if bare, err := netip.ParseAddr(host); err == nil { // IPv6 without brackets
			return bare.String(), "", nil
		}
		return "", "", fault.New(fault.Invalid, "%q is no host; give a name such as example.com, or example.com:8080", host)
	}
	return canonical(u.Hostname()), u.Port(), nil
}

// canonical writes a host's name in one way: lower case, ASCII, without a dot at the end.
func canonical(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.String()
	}
	if ascii, err := idna.Lookup.ToASCII(name); err == nil {
		return ascii
	}
	return name
}

// Normalize returns an address as it is compared and sorted: with a lower-case host, without a default port, a
// fragment, or bytes that must be escaped. It refuses what is no address of a page.
func Normalize(address string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		return "", fault.New(fault.Invalid, "%q is no address of a page: %v", address, err)
	}
	u.Scheme = strings.ToLower(u.Scheme)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fault.New(fault.Invalid, "%q is no address of a page; it begins with http:// or https://", address)
	case u.Hostname() == "":
		return "", fault.New(fault.Invalid, "%q names no host", address)
	case u.User != nil:
		return "", fault.New(fault.Invalid, "the address %q has a name and a password in it; leave them out, pages are fetched without", u.Redacted())
	}
	name, port := canonical(u.Hostname()), u.Port()
	if !hostName.MatchString(name) && !isIPv6(name) {
		return "", fault.New(fault.Invalid, "%q is no address of a page: %q is no host's name", address, name)
	}
	if u.Host = name; strings.Contains(name, ":") {
		u.Host = "[" + name + "]"
	}
	if port != "" && port != defaultPort(u.Scheme) {
		u.Host += ":" + port
	}
	if u.Path == "" {
		u.Path = "/"
	}
	u.Fragment, u.RawFragment, u.ForceQuery = "", "", false
	u.RawQuery = escapeQuery(u.RawQuery)
	return u.String(), nil
}

// hostName matches what a host's name is made of, in the form that canonical gives it.
var hostName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$`)

// isIPv6 reports whether a name is an IPv6 address. One with a zone is for this machine only, and none.
func isIPv6(name string) bool {
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Is6() && addr.Zone() == ""
}

// escapeQuery escapes the bytes of a query that may not stand in one.
func escapeQuery(query string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
			continue
		}
		b.WriteByte(query[i])
	}
	return b.String()
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// Allows returns why an address may not be asked, nil if it may.
func (c *Client) Allows(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fault.New(fault.Invalid, "%q is no address of a page: %v", address, err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return refused("%s is not fetched: only http and https without a password are", u.Redacted())
	}
	name, port := canonical(u.Hostname()), u.Port()
	if port == "" {
		port = defaultPort(u.Scheme)
	}
	if c.hosts[name][port] {
		return nil
	}
	allow := name
	if port != "80" && port != "443" {
		allow = net.JoinHostPort(name, port)
	}
	return refused("%s is on %s, a host that is not allowed; if it is to be asked: --allow-host %s", address, allow, allow)
}

// HostOf returns the host of an address, with its port if that is not the usual one: what Options.Hosts takes.
func HostOf(address string) (string, error) {
	address, err := Normalize(address)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	return u.Host, nil
}

// resolve looks a name up as the system does.
func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// dial connects to a host, at an address that was checked.
func (c *Client) dial(ctx context.Context, network, hostPort string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	addrs, err := c.lookUp(ctx, canonical(host))
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	for _, addr := range addrs {
		var conn net.Conn
		if conn, err = dialer.DialContext(ctx, network, netip.AddrPortFrom(addr, uint16(number)).String()); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// lookUp returns the addresses of a host. If one of them is private, and the host was not named as one that may be, there are none: a
// host that is public and private at once is up to no good.
func (c *Client) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	addrs := []netip.Addr{}
	if literal, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, literal)
	} else if addrs, err = c.o.Resolve(ctx, host); err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, fault.New(fault.Unavailable, "the host %s has no addresses", host)
	}
	for _, addr := range addrs {
		if why := Private(addr); why != "" && !c.private[host] {
			return nil, refused("the host %s has the address %s, which is %s; if it is to be asked: --allow-private %s", host, addr, why, host)
		}
	}
	return addrs, nil
}
