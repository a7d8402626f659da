package filter

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"nearside/fault"
)

// Reasons of the faults of this package.
const (
	ReasonFilter   fault.Reason = "filter"            // a filter breaks a rule of the language
	ReasonProperty fault.Reason = "metadata_property" // a property path breaks a rule
)

// The limits of a filter of Cloudflare's
// (developers.cloudflare.com/vectorize/reference/metadata-filtering).
const (
	MaxFilterBytes        = 2047 // of the compact JSON: less than 2,048
	MaxPropertyCharacters = 512
)

// The limits of an extended filter. They bound what answering one can cost.
const (
	MaxExtendedBytes = 64 << 10 // of the compact JSON
	MaxDepth         = 8        // connectives inside each other
	MaxConditions    = 256      // on properties, in all
)

// dialect is what a parser accepts.
type dialect struct {
	operators string // the words of the language, in the order of the documentation
	maxBytes  int    // of the compact JSON
	levels    int    // of objects and arrays inside each other
	shape     string // what the levels are
	extended  bool
}

// cloudflare is Cloudflare's language: properties, operators, lists.
var cloudflare = dialect{
	operators: "$eq, $ne, $in, $nin, $lt, $lte, $gt, $gte",
	maxBytes:  MaxFilterBytes,
	levels:    3,
	shape:     "properties, operators and lists",
}

// extended is nearside's. A connective has two levels: its array, and the filters in it.
var extended = dialect{
	operators: cloudflare.operators + ", $exists, $contains",
	maxBytes:  MaxExtendedBytes,
	levels:    3 + 2*MaxDepth,
	shape:     "connectives, properties, operators and lists",
	extended:  true,
}

// object is a decoded JSON object in the order of its keys. The other decoded
// values are Value (a scalar, uncut; absent for null) and []any.
type object []field

type field struct {
	key   string
	value any
}

// Parse reads a filter of Cloudflare's language: a JSON object that is not empty
// and has at most MaxFilterBytes in its compact form.
func Parse(raw []byte) (Filter, error) { return cloudflare.parse(raw) }

// ParseUpTo is Parse with another limit on the compact form.
func ParseUpTo(maxBytes int, raw []byte) (Filter, error) {
	d := cloudflare
	d.maxBytes = maxBytes
	return d.parse(raw)
}

// ParseExtended reads a filter of the extended language, within MaxExtendedBytes,
// MaxDepth and MaxConditions. Every filter that Parse reads, it reads as the same.
func ParseExtended(raw []byte) (Filter, error) { return extended.parse(raw) }

func (d dialect) parse(raw []byte) (Filter, error) {
	fields, err := d.decode(raw)
	if err != nil {
		return Filter{}, err
	}
	if err := d.checkBytes(len(appendJSON(nil, fields))); err != nil {
		return Filter{}, err
	}
	p := parser{dialect: d}
	root, err := p.conjunction(fields)
	if err != nil {
		return Filter{}, err
	}
	// The canonical spelling of an extended filter can be longer: it says $and for an $or of one.
	if err := d.checkBytes(len(root.object(nil))); err != nil {
		return Filter{}, err
	}
	return Filter{root}, nil
}

func (d dialect) checkBytes(n int) error {
	if n > d.maxBytes {
		return fault.For(ReasonFilter, "filter has %d bytes as compact JSON; at most %d are allowed", n, d.maxBytes)
	}
	return nil
}

// parser turns decoded JSON into a filter.
type parser struct {
	dialect
	depth      int // of the connectives around
	conditions int // read so far
}

// conjunction reads the object of a filter.
func (p *parser) conjunction(o object) (all, error) {
	if len(o) == 0 {
		return nil, fault.For(ReasonFilter, `filter is empty; name at least one property, such as {"genre":"noir"}, or leave the filter out`)
	}
	var parts all
	for _, f := range o {
		if p.extended && strings.HasPrefix(f.key, "$") {
			joined, err := p.connective(f)
			if err != nil {
				return nil, err
			}
			parts = append(parts, joined...)
			continue
		}
		if err := CheckProperty(f.key); err != nil {
			return nil, fault.For(ReasonFilter, "filter: %s", err.Error())
		}
		e, err := p.condition(f.key, f.value)
		if err != nil {
			return nil, err
		}
		parts = append(parts, e)
	}
	return newAll(parts), nil
}

// CheckProperty reports why a path cannot name a metadata property.
func CheckProperty(path string) error {
	if n := utf8.RuneCountInString(path); n > MaxPropertyCharacters {
		return fault.For(ReasonProperty, "property %s has %d characters; at most %d are allowed", Quote(path), n, MaxPropertyCharacters)
	}
	if !utf8.ValidString(path) {
		return fault.For(ReasonProperty, "property %s is not valid UTF-8", Quote(path))
	}
	for segment := range strings.SplitSeq(path, ".") {
		switch {
		case segment == "":
			return fault.For(ReasonProperty, `property %s has an empty name; names between "." must not be empty`, Quote(path))
		case segment[0] == '$':
			return fault.For(ReasonProperty, `property %s: a name must not start with "$"; operators (%s) belong inside a property's object`, Quote(path), cloudflare.operators)
		case strings.Contains(segment, `"`):
			return fault.For(ReasonProperty, `property %s must not contain a quotation mark`, Quote(path))
		}
	}
	return nil
}

// condition turns the value under a property into a node.
func (p *parser) condition(property string, v any) (expr, error) {
	if p.conditions++; p.extended && p.conditions > MaxConditions {
		return nil, fault.For(ReasonFilter, "filter has more than %d conditions; list values with $in or $contains", MaxConditions)
	}
	switch v := v.(type) {
	case Value:
		return newOneOf(property, []Value{v.cut()}, false), nil
	case object:
		if len(v) == 1 {
			if e, err := membership(property, v[0]); e != nil || err != nil {
				return e, err
			}
			if e, err := presence(property, v[0]); p.extended && (e != nil || err != nil) {
				return e, err
			}
		}
		return p.between(property, v)
	default:
		return nil, fault.For(ReasonFilter, `filter on %s: %s is an array; list values with {"$in":[…]}`, Quote(property), showJSON(v))
	}
}

// membership reads $eq, $ne, $in or $nin; nil if it is another operator.
func membership(property string, f field) (expr, error) {
	negated := f.key == "$ne" || f.key == "$nin"
	switch f.key {
	case "$eq", "$ne":
		v, ok := f.value.(Value)
		if !ok {
			return nil, fault.For(ReasonFilter, "filter on %s: %s takes a string, number, boolean or null, not %s", Quote(property), f.key, showJSON(f.value))
		}
		return newOneOf(property, []Value{v.cut()}, negated), nil
	case "$in", "$nin":
		list, ok := f.value.([]any)
		if !ok {
			return nil, fault.For(ReasonFilter, "filter on %s: %s takes an array of strings, numbers, booleans or null, not %s", Quote(property), f.key, showJSON(f.value))
		}
		operands := make([]Value, len(list))
		for i, item := range list {
			v, ok := item.(Value)
			if !ok {
				return nil, fault.For(ReasonFilter, "filter on %s: item %d of %s is %s; only strings, numbers, booleans and null are allowed", Quote(property), i+1, f.key, showJSON(item))
			}
			operands[i] = v.cut()
		}
		return newOneOf(property, operands, negated), nil
	default:
		return nil, nil
	}
}

// presence reads $exists or $contains; nil if it is another operator.
func presence(property string, f field) (expr, error) {
	switch f.key {
	case "$exists":
		v, ok := f.value.(Value)
		if !ok || v.typ != Boolean {
			return nil, fault.For(ReasonFilter, "filter on %s: $exists takes true or false, not %s", Quote(property), showJSON(f.value))
		}
		return exists{property, v == BooleanOf(false)}, nil
	case "$contains":
		list, ok := f.value.([]any)
		if !ok {
			list = []any{f.value}
		}
		texts := make([]Value, len(list))
		for i, item := range list {
			v, ok := item.(Value)
			if !ok || v.typ != String {
				return nil, fault.For(ReasonFilter, "filter on %s: $contains takes a string or an array of strings, not %s", Quote(property), showJSON(f.value))
			}
			texts[i] = v.cut()
		}
		return newContains(property, texts), nil
	default:
		return nil, nil
	}
}

// connective reads what stands under $and, $or or $not.
func (p *parser) connective(f field) (all, error) {
	if p.depth++; p.depth > MaxDepth {
		return nil, fault.For(ReasonFilter, "filter has more than %d connectives ($and, $or, $not) inside each other", MaxDepth)
	}
	defer func() { p.depth-- }()
	switch f.key {
	case keyNot:
		o, ok := f.value.(object)
		if !ok {
			return nil, fault.For(ReasonFilter, `filter: $not takes a filter such as {"genre":"noir"}, not %s`, showJSON(f.value))
		}
		of, err := p.conjunction(o)
		if err != nil {
			return nil, err
		}
		return newNot(of), nil
	case keyAnd, keyOr:
		items, err := p.items(f)
		if err != nil {
			return nil, err
		}
		if f.key == keyAnd {
			return slices.Concat(items...), nil
		}
		return newEither(items), nil
	default:
		return nil, fault.For(ReasonFilter, "filter: there is no connective %s; allowed are $and, $or and $not, and operators (%s) inside a property's object", Quote(f.key), p.operators)
	}
}

// items reads the filters that $and or $or joins.
func (p *parser) items(f field) ([]all, error) {
	list, ok := f.value.([]any)
	if !ok || len(list) == 0 {
		return nil, fault.For(ReasonFilter, `filter: %s takes an array of at least one filter, such as [{"genre":"noir"}], not %s`, f.key, showJSON(f.value))
	}
	items := make([]all, len(list))
	for i, item := range list {
		o, ok := item.(object)
		if !ok {
			return nil, fault.For(ReasonFilter, "filter: item %d of %s is %s; it must be a filter", i+1, f.key, showJSON(item))
		}
		var err error
		if items[i], err = p.conjunction(o); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// between reads one lower bound, one upper bound, or one of each.
func (p *parser) between(property string, o object) (expr, error) {
	s := span{property: property}
	for _, f := range o {
		end := &s.low
		switch f.key {
		case "$gt", "$gte":
		case "$lt", "$lte":
			end = &s.high
		default:
			return nil, p.misplaced(property, f.key, o)
		}
		if !end.value.IsAbsent() {
			return nil, p.pairRefused(property, o)
		}
		v, ok := f.value.(Value)
		if !ok || v.typ != String && v.typ != Number {
			return nil, fault.For(ReasonFilter, "filter on %s: %s takes a string or a number, not %s", Quote(property), f.key, showJSON(f.value))
		}
		*end = bound{value: v.cut(), exclusive: f.key == "$gt" || f.key == "$lt"}
	}
	if len(o) == 0 {
		return nil, fault.For(ReasonFilter, "filter on %s has no operator; allowed are %s", Quote(property), p.operators)
	}
	return s, nil
}

// misplaced says what is wrong with a key that is no range operator.
func (p *parser) misplaced(property, key string, o object) error {
	switch {
	case slices.Contains(strings.Split(p.operators, ", "), key):
		return p.pairRefused(property, o)
	case strings.HasPrefix(key, "$"):
		return fault.For(ReasonFilter, "filter on %s: there is no operator %s; allowed are %s", Quote(property), Quote(key), p.operators)
	default:
		return fault.For(ReasonFilter, `filter on %s: %s is not an operator (%s); for a nested property write the path %s`, Quote(property), Quote(key), p.operators, Quote(property+"."+key))
	}
}

func (p *parser) pairRefused(property string, o object) error {
	keys := make([]string, len(o))
	for i, f := range o {
		keys[i] = f.key
	}
	return fault.For(ReasonFilter, "filter on %s combines %s; only one lower bound ($gt, $gte) with one upper bound ($lt, $lte) can be combined", Quote(property), strings.Join(keys, ", "))
}

// cut returns the value as an index would see it.
func (v Value) cut() Value {
	v.text = cut(v.text)
	return v
}

// Quote quotes a string for a message; a long one is cut.
func Quote(s string) string {
	const most = 80
	if len(s) <= most {
		return strconv.Quote(s)
	}
	return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "…"
}

// showJSON writes a decoded value for a message; a long one is cut.
func showJSON(v any) string {
	const most = 80
	s := string(appendJSON(nil, v))
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
