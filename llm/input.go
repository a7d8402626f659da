package llm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"

	"nearside/fault"
	"nearside/llm/chat"
)

// MaxTexts is the most texts of one call
// (developers.cloudflare.com/workers-ai/models/bge-base-en-v1.5, maxItems).
const MaxTexts = 100

// Input is what a call to an embedding model asks for.
type Input struct {
	Texts    []string
	Pooling  string // mean or cls, as asked; "" if not
	Contexts bool   // given as contexts, and answered in their form (bge-m3)
	Query    string // what the contexts are to be ranked by; "" if they are not (bge-m3)
}

// ParseEmbedding reads a JSON body in the given shape. What is wrong with it is
// told as the real service does, naming the place by its path.
func ParseEmbedding(shape Shape, body []byte) (Input, error) {
	fields, err := readObject(body)
	if err != nil {
		return Input{}, err
	}
	switch shape {
	case BGEM3Shape:
		return parseBGEM3(fields)
	case Qwen3Shape:
		return parseQwen3(fields)
	default:
		return parseText(fields)
	}
}

// badInput is the fault of an input that breaks the model's schema.
func badInput(format string, args ...any) *fault.Error {
	return fault.For(ReasonInput, "AiError: Bad input: Error: "+format, args...)
}

func parseText(fields map[string]json.RawMessage) (Input, error) {
	if fields["text"] == nil {
		return Input{}, badInput("required properties at '/' are 'text'")
	}
	texts, err := Texts("/text", fields["text"], MaxTexts)
	if err != nil {
		return Input{}, err
	}
	in := Input{Texts: texts}
	if raw := fields["pooling"]; raw != nil {
		if err := json.Unmarshal(raw, &in.Pooling); err != nil || in.Pooling != "mean" && in.Pooling != "cls" {
			return Input{}, badInput("'/pooling' must be one of 'mean', 'cls', and is %s", chat.Short(raw))
		}
	}
	return in, nil
}

func parseBGEM3(fields map[string]json.RawMessage) (Input, error) {
	if raw := fields["truncate_inputs"]; raw != nil && chat.TypeOf(raw) != "boolean" {
		return Input{}, badInput("Type mismatch of '/truncate_inputs', '%s' not in 'boolean'", chat.TypeOf(raw))
	}
	switch {
	case fields["requests"] != nil:
		return Input{}, badInput("requests are a batch, which is no input by itself; ai/run queues it with ?queueRequest=true")
	case fields["contexts"] != nil:
		in := Input{Contexts: true}
		var err error
		if raw := fields["query"]; raw != nil {
			if in.Query, err = text("/query", raw); err != nil {
				return Input{}, err
			}
		}
		in.Texts, err = contexts(fields["contexts"])
		return in, err
	case fields["text"] != nil:
		texts, err := Texts("/text", fields["text"], MaxTexts)
		return Input{Texts: texts}, err
	default:
		return Input{}, badInput("oneOf at '/' not met, 0 matches: required properties at '/' are 'contexts', required properties at '/' are 'text'")
	}
}

// contexts reads [{"text": …}, …].
func contexts(raw json.RawMessage) ([]string, error) {
	elements, err := elements("/contexts", raw, MaxTexts)
	if err != nil {
		return nil, err
	}
	list := make([]string, len(elements))
	for i, element := range elements {
		path := fmt.Sprintf("/contexts/%d", i)
		var context map[string]json.RawMessage
		if json.Unmarshal(element, &context) != nil || context == nil {
			return nil, badInput("Type mismatch of '%s', '%s' not in 'object'", path, chat.TypeOf(element))
		}
		if context["text"] == nil {
			return nil, badInput("required properties at '%s' are 'text'", path)
		}
		if list[i], err = text(path+"/text", context["text"]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// qwen3Instruction is what qwen3-embedding is told queries are for, unless the caller says otherwise
// (developers.cloudflare.com/workers-ai/models/qwen3-embedding-0.6b).
const qwen3Instruction = "Given a web search query, retrieve relevant passages that answer the query"

// parseQwen3 reads queries and documents. The model was trained on queries with
// their purpose before them, in this form, and on documents as they are
// (huggingface.co/Qwen/Qwen3-Embedding-0.6B).
func parseQwen3(fields map[string]json.RawMessage) (Input, error) {
	instruction := qwen3Instruction
	if raw := fields["instruction"]; raw != nil {
		if chat.TypeOf(raw) != "string" || json.Unmarshal(raw, &instruction) != nil {
			return Input{}, badInput("Type mismatch of '/instruction', '%s' not in 'string'", chat.TypeOf(raw))
		}
	}
	var in Input
	for _, name := range []string{"queries", "documents", "text"} {
		if fields[name] == nil {
			continue
		}
		more, err := Texts("/"+name, fields[name], MaxTexts)
		if err != nil {
			return Input{}, err
		}
		for i := range more {
			if name == "queries" && instruction != "" {
				more[i] = "Instruct: " + instruction + "\nQuery:" + more[i]
			}
		}
		in.Texts = append(in.Texts, more...)
	}
	if len(in.Texts) == 0 {
		return Input{}, badInput("anyOf at '/' not met, 0 matches: required properties at '/' are 'queries', required properties at '/' are 'documents', required properties at '/' are 'text'")
	}
	return in, nil
}

// Texts reads one text, or a list of at most that many. The path says where raw
// stands in the body.
func Texts(path string, raw json.RawMessage, most int) ([]string, error) {
	if chat.TypeOf(raw) == "string" {
		one, err := text(path, raw)
		return []string{one}, err
	}
	if chat.TypeOf(raw) != "array" {
		return nil, badInput("oneOf at '%s' not met, 0 matches: Type mismatch of '%s', '%s' not in 'string', Type mismatch of '%s', '%s' not in 'array'",
			path, path, chat.TypeOf(raw), path, chat.TypeOf(raw))
	}
	elements, err := elements(path, raw, most)
	if err != nil {
		return nil, err
	}
	list := make([]string, len(elements))
	for i, element := range elements {
		if list[i], err = text(fmt.Sprintf("%s/%d", path, i), element); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// elements reads a list of 1 to most elements. Those beyond are counted and not kept.
func elements(path string, raw json.RawMessage, most int) ([]json.RawMessage, error) {
	if chat.TypeOf(raw) != "array" {
		return nil, badInput("Type mismatch of '%s', '%s' not in 'array'", path, chat.TypeOf(raw))
	}
	var kept []json.RawMessage
	count := 0
	for element := range eachElement(raw) {
		if count++; count <= most {
			kept = append(kept, element)
		}
	}
	if count == 0 {
		return nil, badInput("Length of '%s' must be >= 1", path)
	}
	if count > most {
		return nil, badInput("Length of '%s' must be <= %d, and is %d; send the rest in another call", path, most, count)
	}
	return kept, nil
}

// eachElement goes through a valid JSON array.
func eachElement(array json.RawMessage) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		decoder := json.NewDecoder(bytes.NewReader(array))
		if _, err := decoder.Token(); err != nil {
			return
		}
		for decoder.More() {
			var element json.RawMessage
			if decoder.Decode(&element) != nil || !yield(element) {
				return
			}
		}
	}
}

// text reads one text of at least one character.
func text(path string, raw json.RawMessage) (string, error) {
	var s string
	if chat.TypeOf(raw) != "string" || json.Unmarshal(raw, &s) != nil {
		return "", badInput("Type mismatch of '%s', '%s' not in 'string'", path, chat.TypeOf(raw))
	}
	if s == "" {
		return "", badInput("Length of '%s' must be >= 1", path)
	}
	return s, nil
}
