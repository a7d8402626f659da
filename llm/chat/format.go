package chat

import "strings"

// formatAt reads text.format, which is a response_format with the wrapper left out.
func (o object) formatAt(key string) *Format {
	part, ok := o.part(key)
	if !ok {
		return nil
	}
	switch part.choice("type", "text", "json_object", "json_schema") {
	case "json_object":
		return &Format{}
	case "json_schema":
		part.need("schema")
		return part.schema("schema")
	}
	return nil
}

// format reads how the answer must look: response_format, or guided_json.
func (o object) format() *Format {
	if o.has("guided_json") {
		return o.schema("guided_json")
	}
	part, ok := o.part("response_format")
	if !ok {
		return nil
	}
	switch part.choice("type", "text", "json_object", "json_schema") {
	case "json_object":
		if part.has("json_schema") || part.has("schema") { // some clients narrow it down this way
			return part.wrapped()
		}
		return &Format{}
	case "json_schema":
		return part.wrapped()
	}
	if part.fault == nil {
		part.need("type")
	}
	return nil
}

// wrapped reads json_schema, bare or in OpenAI's wrapper {name, strict, schema}.
// A schema that happens to have the key schema has a type, or says in another
// way what it is.
func (o object) wrapped() *Format {
	if !o.has("json_schema") && o.has("schema") {
		return o.schema("schema")
	}
	o.need("json_schema")
	inner, ok := o.part("json_schema")
	if ok && inner.has("schema") && !inner.has("type") && !inner.has("properties") && !inner.has("$ref") {
		return inner.schema("schema")
	}
	return o.schema("json_schema")
}

// schema reads a JSON schema, which must be one that answers can be checked with.
func (o object) schema(key string) *Format {
	raw := o.raw(key)
	if TypeOf(raw) != "object" {
		o.mismatch(o.at(key), raw, "object")
		return nil
	}
	f := &Format{Schema: compact(raw)}
	if _, err := f.compile(); err != nil {
		o.refuse("'%s' is not a JSON schema that can be checked: %s", o.at(key), strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return f
}
