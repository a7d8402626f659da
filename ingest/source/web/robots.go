package web

import (
	"bytes"
	"context"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"nearside/fault"
)

// maxRobots is how much of a robots.txt is read, in bytes: what RFC 9309, 2.5, asks for at least.
const maxRobots = 500 << 10

// maxCrawlDelay is the longest time between two requests that a robots.txt is obeyed in.
const maxCrawlDelay = 30 * time.Second

// Robots is what a site's robots.txt says to one user agent, by RFC 9309.
type Robots struct {
	rules    []robotsRule
	Delay    time.Duration // between two requests, as many sites ask though the RFC does not know it
	Sitemaps []string      // that it names, to all
}

type robotsRule struct {
	pattern string
	allow   bool
}

// ParseRobots reads a robots.txt for a user agent, whose first word addresses it. Every file can be read.
func ParseRobots(data []byte, agent string) *Robots {
	agent, _, _ = strings.Cut(strings.ToLower(agent), " ")
	agent, _, _ = strings.Cut(agent, "/")
	var own, all, r Robots
	addressed, others, inGroup, named := false, false, false, false
	for line := range strings.Lines(string(bytes.TrimPrefix(data[:min(len(data), maxRobots)], []byte("\xEF\xBB\xBF")))) {
		line, _, _ = strings.Cut(line, "#")
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
		switch key {
		case "user-agent":
			if inGroup {
				addressed, others, inGroup = false, false, false
			}
			token := strings.ToLower(value)
			addressed = addressed || token == agent
			others = others || token == "*"
			named = named || token == agent
			continue
		case "sitemap":
			r.Sitemaps = append(r.Sitemaps, value)
			continue
		}
		inGroup = true
		if addressed {
			own.add(key, value)
		}
		if others {
			all.add(key, value)
		}
	}
	if !named {
		own = all
	}
	own.Sitemaps = r.Sitemaps
	return &own
}

// add takes one line of a group.
func (r *Robots) add(key, value string) {
	switch key {
	case "allow", "disallow":
		if value != "" {
			r.rules = append(r.rules, robotsRule{unescapePath(value), key == "allow"})
		}
	case "crawl-delay":
		if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds > 0 {
			r.Delay = time.Duration(min(seconds, maxCrawlDelay.Seconds()) * float64(time.Second))
		}
	}
}

// Allows reports whether a path, with its query, may be asked for: the longest pattern that matches decides, of two as long the one that allows.
func (r *Robots) Allows(path string) bool {
	path = unescapePath(path)
	longest, allow := -1, true
	for _, rule := range r.rules {
		if n := len(rule.pattern); (n > longest || n == longest && rule.allow) && matches(rule.pattern, path) {
			longest, allow = n, rule.allow
		}
	}
	return allow
}

// matches reports whether a path begins as a pattern does, in which "*" is anything and "$" at its end is the path's end.
func matches(pattern, path string) bool {
	pattern, whole := strings.CutSuffix(pattern, "$")
	parts := strings.Split(pattern, "*")
	rest, ok := strings.CutPrefix(path, parts[0])
	if !ok {
		return false
	}
	if len(parts) == 1 {
		return !whole || rest == ""
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		if _, rest, ok = strings.Cut(rest, part); !ok {
			return false
		}
	}
	if whole {
		return strings.HasSuffix(rest, last)
	}
	return strings.Contains(rest, last)
}

// unescapePath writes a path in one way: escapes of letters and the like as what they are, others in capitals, and what is not ASCII escaped.
func unescapePath(path string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' && i+2 < len(path) {
			if v, err := strconv.ParseUint(path[i+1:i+3], 16, 8); err == nil {
				if u := byte(v); u > ' ' && u < 0x7f && !strings.ContainsRune(":/?#[]@!$&'()*+,;=%", rune(u)) {
					b.WriteByte(u)
				} else {
					b.WriteString(strings.ToUpper(path[i : i+3]))
				}
				i += 2
				continue
			}
		}
		if c >= 0x80 {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// Robots returns the rules of an address's site. They are fetched once. A site without a robots.txt allows all; one whose robots.txt
// cannot be had now is an error.
func (c *Client) Robots(ctx context.Context, address string) (*Robots, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%q is no address of a page: %v", address, err)
	}
	site := u.Scheme + "://" + u.Host
	c.mu.Lock()
	known := c.robots[site]
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	var data []byte
	err = c.Get(ctx, site+"/robots.txt", func(_ Page, r io.Reader) (err error) {
		data, err = io.ReadAll(io.LimitReader(r, maxRobots))
		return err
	})
	if err != nil && !fault.Is(err, fault.Gone) && !fault.Is(err, fault.Invalid) {
		return nil, err
	}
	if err != nil {
		data = nil
	}
	rules := ParseRobots(data, c.o.UserAgent)
	c.slower(u.Host, rules.Delay)
	c.mu.Lock()
	c.robots[site] = rules
	c.mu.Unlock()
	return rules, nil
}

// PathOf returns what Robots.Allows takes of an address.
func PathOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "/"
	}
	return u.RequestURI()
}
