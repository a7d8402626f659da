package llm

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"nearside/fault"
	"nearside/llm/chat"
)

// MaxValues is the most JSON values of a body, those within lists and objects
// included. The bytes of a file do not count. Each wrong one costs the schema some
// ten microseconds.
const MaxValues = 100_000

// Validate checks the JSON body of one call against the schema of the model's
// input. What is wrong is told as the real service does, all faults at once, each
// with its path. A key whose value is null counts as absent. Keys that the schema
// does not know are nobody's business.
func (m *Model) Validate(body []byte) error {
	fields, err := readObject(body)
	if err != nil {
		return err
	}
	instance, count := map[string]any{}, 0
	for name, raw := range fields {
		if chat.TypeOf(raw) == "null" {
			continue
		}
		if instance[name], err = plain(name, raw); err != nil {
			return err
		}
		if count += values(instance[name]); count > MaxValues {
			return tooMany()
		}
	}
	compiled, err := schemas()[m.Input].compiled()
	if err != nil {
		return fault.New(fault.Internal, "the schema of %s cannot be used", m.ID).Because(err)
	}
	err = compiled.Validate(instance)
	if err == nil {
		return nil
	}
	wrong, ok := err.(*jsonschema.ValidationError)
	if !ok {
		return fault.New(fault.Internal, "the schema of %s cannot be used", m.ID).Because(err)
	}
	return badInput("%s", join(told(wrong)))
}

// readObject reads a body, which must be a JSON object.
func readObject(body []byte) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		if json.Valid(body) {
			return nil, badInput("Type mismatch of '/', '%s' not in 'object'", chat.TypeOf(body))
		}
		return nil, badInput("the body is not JSON").Because(err)
	}
	return fields, nil
}

// plain decodes a value for the schema. Numbers become float64: what does not fit
// into one fits no range of ours either.
func plain(name string, raw json.RawMessage) (any, error) {
	if byteLists[name] && chat.TypeOf(raw) == "array" {
		// A schema would look at every byte of a picture for microseconds.
		_, err := ByteList("/"+name, raw)
		return []any{}, err
	}
	if inner := nestedFiles[name]; inner != "" && chat.TypeOf(raw) == "object" {
		return plainFile(name, inner, raw)
	}
	if separators(raw) > MaxValues { // each would take up more memory than it takes in the body
		return nil, tooMany()
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, badInput("'/%s' holds a number that is too large", chat.Short(json.RawMessage(name))).Because(err)
	}
	return v, nil
}

// tooMany is the fault of a body with more values than are looked at.
func tooMany() error {
	return badInput("the body holds more than %d values; send less in one call", MaxValues)
}

// plainFile decodes an object that has a file in it as a list of its bytes, which
// are looked at without a schema.
func plainFile(name, inner string, raw json.RawMessage) (any, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, badInput("'/%s' is not JSON", name).Because(err)
	}
	var file any
	if list := fields[inner]; chat.TypeOf(list) == "array" {
		if _, err := ByteList("/"+name+"/"+inner, list); err != nil {
			return nil, err
		}
		delete(fields, inner)
		file = []any{}
	}
	instance := map[string]any{}
	for key, value := range fields {
		v, err := plain(key, value)
		if err != nil {
			return nil, err
		}
		instance[key] = v
	}
	if file != nil {
		instance[inner] = file
	}
	return instance, nil
}

// separators counts the commas between the values of valid JSON, those within them included.
func separators(raw json.RawMessage) int {
	count, inText := 0, false
	for i := 0; i < len(raw); i++ {
		switch b := raw[i]; {
		case b == '"':
			inText = !inText
		case b == '\\':
			i++ // what follows is no end of a text
		case b == ',' && !inText:
			count++
		}
	}
	return count
}

// values counts a value and those within it.
func values(v any) int {
	count := 1
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			count += values(item)
		}
	case map[string]any:
		for _, item := range v {
			count += values(item)
		}
	}
	return count
}

// mostFaults is how many faults one message tells.
const mostFaults = 10

// join puts faults into one sentence, each once.
func join(faults []string) string {
	var distinct []string
	for _, f := range faults {
		if !slices.Contains(distinct, f) {
			distinct = append(distinct, f)
		}
		if len(distinct) == mostFaults {
			distinct = append(distinct, "and more")
			break
		}
	}
	return strings.Join(distinct, ", ")
}

// told words a fault, or those below it that make it up.
func told(e *jsonschema.ValidationError) []string {
	at := pointer(e.InstanceLocation)
	switch k := e.ErrorKind.(type) {
	case *kind.AllOf, *kind.Reference:
		return toldAll(e.Causes)
	case *kind.Schema, *kind.Group:
		// The library walks an object's keys in any order.
		causes := slices.Clone(e.Causes)
		slices.SortStableFunc(causes, func(a, b *jsonschema.ValidationError) int {
			return slices.Compare(a.InstanceLocation, b.InstanceLocation)
		})
		return toldAll(causes)
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			return []string{fmt.Sprintf("oneOf at '%s' not met, %d matches: these exclude each other", at, len(k.Subschemas))}
		}
		return []string{fmt.Sprintf("oneOf at '%s' not met, 0 matches: %s", at, join(toldAll(e.Causes)))}
	case *kind.AnyOf:
		return []string{fmt.Sprintf("anyOf at '%s' not met, 0 matches: %s", at, join(toldAll(e.Causes)))}
	default:
		return []string{toldOne(at, e.ErrorKind)}
	}
}

func toldAll(causes []*jsonschema.ValidationError) []string {
	var all []string
	for _, cause := range causes {
		all = append(all, told(cause)...)
	}
	return all
}

// toldOne words a fault of the value at a path.
func toldOne(at string, wrong jsonschema.ErrorKind) string {
	switch k := wrong.(type) {
	case *kind.Required:
		return fmt.Sprintf("required properties at '%s' are %s", at, quoted(k.Missing))
	case *kind.Type:
		return fmt.Sprintf("Type mismatch of '%s', '%s' not in %s", at, k.Got, quoted(k.Want))
	case *kind.Minimum:
		return bound(at, ">=", k.Want, k.Got)
	case *kind.Maximum:
		return bound(at, "<=", k.Want, k.Got)
	case *kind.MinLength:
		return fmt.Sprintf("Length of '%s' must be >= %d", at, k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("Length of '%s' must be >= %d", at, k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("Length of '%s' must be <= %d, and is %d", at, k.Want, k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("Length of '%s' must be <= %d, and is %d", at, k.Want, k.Got)
	case *kind.Enum:
		var words []string
		for _, w := range k.Want {
			words = append(words, fmt.Sprint(w))
		}
		got, _ := json.Marshal(k.Got) // it came from JSON
		return fmt.Sprintf("'%s' must be one of %s, and is %s", at, quoted(words), chat.Short(got))
	case *kind.Pattern:
		// The only pattern there is: pictures are not fetched from the network.
		return fmt.Sprintf("'%s' must be a data URI, such as data:image/png;base64,…", at)
	default:
		return fmt.Sprintf("'%s': %s", at, wrong.LocalizedString(message.NewPrinter(language.English)))
	}
}

// bound words that a number is too small or too large.
func bound(at, relation string, limit, is *big.Rat) string {
	message := fmt.Sprintf("'%s' must be %s %s", at, relation, decimal(limit))
	if digits := decimal(is); len(digits) <= 20 {
		message += ", and is " + digits
	}
	return message
}

// decimal writes a number with as many digits as it needs, up to six after the point.
func decimal(r *big.Rat) string {
	return strings.TrimSuffix(strings.TrimRight(r.FloatString(6), "0"), ".")
}

// quoted lists names, each in quotes.
func quoted(names []string) string { return "'" + strings.Join(names, "', '") + "'" }

// pointer writes a path as JSON pointers are written; the body itself is '/'.
func pointer(path []string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	for _, step := range path {
		b.WriteByte('/')
		b.WriteString(escape.Replace(step))
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}
