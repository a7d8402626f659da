package server

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"nearside/fault"
)

// Route is one line of the table in routes.go.
type Route struct {
	// Method and Path say which requests: {name} in Path is one segment, unescaped
	// once; {name...}, only at the end, is everything that follows.
	Method, Path string
	// Handle does the work. It returns what it cannot do; the server writes the failure.
	Handle func(s *Server, c *call) error
	// Scope is what the caller's key must allow; public asks for no key at all.
	Scope Scope
	// BySecret says that the secret of the project in the path, in the header that
	// its bindings show it in, does as well as a key.
	BySecret bool
	// Family decides how replies and failures look.
	Family family
	// BodyLimit is the largest body in bytes, packed and unpacked. 0: the route
	// takes no body, and a small one that a client sends all the same is ignored.
	BodyLimit int64
	// ContentTypes are the media types a body may have; nil: the handler looks itself.
	ContentTypes []string
	// Bulk bodies pass through without being kept, for as long as they move:
	// neither the memory of bodies nor the call timeout bounds them.
	Bulk bool
	// Reaches says that a call can reach a model.
	Reaches bool
	// Unqueued calls are answered even when all slots are taken.
	Unqueued bool
}

// ignoredBody is the most that a route without a body passes over.
const ignoredBody = 64 << 10

// limit is the body limit that is enforced.
func (r *Route) limit() int64 {
	if r.BodyLimit == 0 {
		return ignoredBody
	}
	return r.BodyLimit
}

// Reasons a request finds no handler.
const (
	reasonNoRoute  fault.Reason = "no_route"
	reasonMethod   fault.Reason = "method"
	reasonPath     fault.Reason = "path"
	reasonNotBuilt fault.Reason = "not_built"
)

// router finds the route of a raw path. It is a tree with one level a segment;
// a literal segment goes before a parameter.
type router struct {
	root *node
}

type node struct {
	literal map[string]*node
	param   *node
	methods map[string]*entry // ends here
	rest    map[string]*entry // a {name...} starts here
}

// entry is a route with the names of its parameters, in the order of its path.
type entry struct {
	route *Route
	names []string
}

// param is an id of a path under the name its pattern gives it.
type param struct{ name, value string }

func newRouter(table []Route) *router {
	r := &router{root: &node{}}
	for i := range table {
		r.add(&table[i])
	}
	return r
}

func (r *router) add(route *Route) {
	at := r.root
	for _, segment := range strings.Split(strings.TrimPrefix(route.Path, "/"), "/") {
		switch {
		case strings.HasSuffix(segment, "...}"):
			at.rest = put(at.rest, route)
			return
		case strings.HasPrefix(segment, "{"):
			if at.param == nil {
				at.param = &node{}
			}
			at = at.param
		default:
			if at.literal == nil {
				at.literal = map[string]*node{}
			}
			if at.literal[segment] == nil {
				at.literal[segment] = &node{}
			}
			at = at.literal[segment]
		}
	}
	at.methods = put(at.methods, route)
}

// put adds a route to those that end at a node.
func put(methods map[string]*entry, route *Route) map[string]*entry {
	if methods == nil {
		methods = map[string]*entry{}
	}
	if methods[route.Method] != nil {
		panic("server: two routes for " + route.Method + " " + route.Path)
	}
	methods[route.Method] = &entry{route, route.names()}
	return methods
}

// match returns the route of a raw path and its parameters, unescaped. A path
// that exists for other methods only is a fault that lists them in allow.
func (r *router) match(method, rawPath string) (route *Route, params []param, allow []string, err error) {
	segments := strings.Split(strings.TrimPrefix(rawPath, "/"), "/")
	var room [4]string // no route has more parameters
	methods, raw := r.root.find(segments, room[:0])
	if methods == nil {
		return nil, nil, nil, noRoute(rawPath)
	}
	found := methods[method]
	if found == nil && method == "HEAD" {
		found = methods["GET"]
	}
	if found == nil {
		for m := range methods {
			allow = append(allow, m)
		}
		slices.Sort(allow)
		return nil, nil, allow, &fault.Error{Kind: fault.Invalid, Reason: reasonMethod, Message: "Method " + quoteShort(method) + " not available for that URI; it takes " + strings.Join(allow, ", ")}
	}
	params = make([]param, 0, len(found.names))
	for i, name := range found.names {
		value, err := unescape(name, raw[i])
		if err != nil {
			return found.route, nil, nil, err
		}
		params = append(params, param{name, value})
	}
	return found.route, params, nil, nil
}

// find walks the tree; raw collects the segments that parameters stand for. A
// branch that leads nowhere leaves what it collected behind the end of raw.
func (n *node) find(segments, raw []string) (map[string]*entry, []string) {
	if len(segments) == 0 {
		return n.methods, raw
	}
	if next := n.literal[segments[0]]; next != nil {
		if methods, found := next.find(segments[1:], raw); methods != nil {
			return methods, found
		}
	}
	if n.param != nil && segments[0] != "" {
		if methods, found := n.param.find(segments[1:], append(raw, segments[0])); methods != nil {
			return methods, found
		}
	}
	if n.rest != nil {
		return n.rest, append(raw, strings.Join(segments, "/"))
	}
	return nil, nil
}

// names lists the parameters of the route's path, in order.
func (r *Route) names() []string {
	var names []string
	for _, segment := range strings.Split(r.Path, "/") {
		if strings.HasPrefix(segment, "{") {
			names = append(names, strings.TrimSuffix(strings.Trim(segment, "{}"), "..."))
		}
	}
	return names
}

// maxParam is the longest id in a path, in bytes once unescaped. Every id of
// Cloudflare's is shorter (KV keys, the longest, have 512); the precise limits
// are checked where the id is used.
const maxParam = 512

// unescape decodes one id of a path, exactly once, and refuses what no id can be.
func unescape(name, raw string) (string, error) {
	refuse := func(why string) error {
		return fault.For(reasonPath, "Could not route to this path, perhaps your object identifier is invalid: the %s %s %s", name, quoteShort(raw), why)
	}
	value, err := url.PathUnescape(raw)
	switch {
	case err != nil:
		return "", refuse("has an invalid %-escape; write a percent sign as %25")
	case value == "":
		return "", refuse("is empty")
	case len(value) > maxParam:
		return "", refuse("is too long; no id has more than 512 bytes")
	case !utf8.ValidString(value):
		return "", refuse("is not UTF-8")
	case value == "." || value == "..":
		return "", refuse("is a relative path, not an id")
	case strings.ContainsFunc(value, invisible):
		return "", refuse("holds a control or formatting character")
	}
	return value, nil
}

// invisible reports characters that no id may hold: controls (NUL among them)
// and the formatting characters that reorder or hide text.
func invisible(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }

// quoteShort quotes at most the first 64 bytes of s for a message.
func quoteShort(s string) string {
	const most = 64
	if len(s) <= most {
		return quote(s)
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return quote(s[:cut]) + "…"
}
