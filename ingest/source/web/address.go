package web

import "net/netip"

// ranges are the addresses that are not of the public internet, as the IANA IPv4 and IPv6 Special-Purpose Address
// Registries list them, and those by which clouds tell machines their secrets.
var ranges = []struct {
	prefix netip.Prefix
	what   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "of this network"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "of a carrier's own network"},
	{netip.MustParsePrefix("127.0.0.0/8"), "this machine"},
	{netip.MustParsePrefix("168.63.129.16/32"), "a cloud's own"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved"},
	{netip.MustParsePrefix("192.0.2.0/24"), "for documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "of a relay"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("198.18.0.0/15"), "for benchmarks"},
	{netip.MustParsePrefix("198.51.100.0/24"), "for documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "for documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},

	{netip.MustParsePrefix("::/128"), "no address"},
	{netip.MustParsePrefix("::1/128"), "this machine"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "of a translator"},
	{netip.MustParsePrefix("100::/64"), "a sink"},
	{netip.MustParsePrefix("2001::/23"), "reserved"}, // Teredo and others
	{netip.MustParsePrefix("2001:db8::/32"), "for documentation"},
	{netip.MustParsePrefix("3fff::/20"), "for documentation"},
	{netip.MustParsePrefix("5f00::/16"), "of a segment"},
	{netip.MustParsePrefix("fc00::/7"), "private"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("fec0::/10"), "private"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// carriers are the IPv6 prefixes that have an IPv4 address in them, and at which byte.
var carriers = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("::/96"), 12},
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, // NAT64
	{netip.MustParsePrefix("2002::/16"), 2},     // 6to4
}

// Private returns what an address is that is not of the public internet, "" of one that is. An
// IPv4 address within an IPv6 one counts as itself.
func Private(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() {
		return "no address"
	}
	for _, r := range ranges {
		if r.prefix.Contains(addr) {
			return r.what
		}
	}
	for _, c := range carriers {
		if c.prefix.Contains(addr) {
			b := addr.As16()
			return Private(netip.AddrFrom4([4]byte(b[c.at:])))
		}
	}
	return ""
}
