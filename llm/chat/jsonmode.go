package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"nearside/fault"
)

// The limits of checking an answer.
const (
	// maxChecks is how many pairs of a value and a part of the schema are looked at.
	// An ordinary answer has some thousands; a schema whose parts refer to each
	// other twice over has as many as two to the depth.
	maxChecks = 100_000
	// maxExponent bounds numbers: 1e1000000000 is short to write and long to compute with.
	maxExponent = 400
	// maxComplaints is how many faults of an answer are told to the model that made it.
	maxComplaints = 8
)

// errNotJSON is why an answer without JSON was refused.
var errNotJSON = errors.New("the answer is not JSON")

// errLaborious ends a check that would take too long. Checks panic with it, and only Check sees it.
var errLaborious = errors.New("the schema is too laborious to check the answer against")

// Check returns the JSON that an answer holds, if it is what was asked for: the
// answer itself, or the only block of code in it. The error is for Repair and
// Unmet: it quotes the answer.
func (f *Format) Check(answer string) (_ json.RawMessage, err error) {
	raw := unfenced(answer)
	value, err := decode(raw)
	if err != nil {
		return nil, err
	}
	if _, isObject := value.(map[string]any); f.Schema == nil && !isObject {
		return nil, errors.New("the answer must be a JSON object")
	}
	if f.Schema == nil {
		return compact(raw), nil
	}
	schema, err := f.compile()
	if err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			if r != errLaborious {
				panic(r)
			}
			err = errLaborious
		}
	}()
	if err := schema.Validate(value); err != nil {
		return nil, complaints(err)
	}
	return compact(raw), nil
}

// unfenced returns what an answer has besides white space, or the content of the block of
// code that it consists of. A block within other text counts if it is the only one.
func unfenced(answer string) json.RawMessage {
	const fence = "```"
	trimmed := strings.TrimSpace(answer)
	if strings.Count(trimmed, fence) == 2 && !json.Valid([]byte(trimmed)) {
		_, inside, _ := strings.Cut(trimmed, fence)
		inside, _, _ = strings.Cut(inside, fence)
		trimmed = strings.TrimSpace(strings.TrimPrefix(inside, "json"))
	}
	return json.RawMessage(trimmed)
}

// decode returns a JSON text in the form that schemas check.
func decode(raw json.RawMessage) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if !json.Valid(raw) {
		return nil, errNotJSON
	}
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, errNotJSON
	}
	return value, moderate(value)
}

// moderate returns an error if a value holds a number with an exponent beyond all use.
func moderate(value any) error {
	switch value := value.(type) {
	case json.Number:
		_, exponent, _ := strings.Cut(strings.ToLower(value.String()), "e")
		if n, err := strconv.Atoi(exponent); exponent != "" && (err != nil || n > maxExponent || n < -maxExponent) {
			return fmt.Errorf("the number %s has too large an exponent", Short(json.RawMessage(value)))
		}
	case []any:
		for _, v := range value {
			if err := moderate(v); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, v := range value {
			if err := moderate(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// nowhere refuses to load a schema that another refers to.
type nowhere struct{}

// Load implements jsonschema.URLLoader.
func (nowhere) Load(url string) (any, error) {
	return nil, errors.New("it refers to another schema; put that one into $defs")
}

// schemaURL names a caller's schema. Nothing is ever fetched from it.
const schemaURL = "https://nearside.invalid/schema"

// compile returns the schema in the form that checks. The panics of a check that
// takes too long are for Check.
func (f *Format) compile() (*jsonschema.Schema, error) {
	document, err := decode(f.Schema)
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(nowhere{})
	compiler.DefaultDraft(jsonschema.Draft2020)
	checks := 0
	compiler.RegisterVocabulary(&jsonschema.Vocabulary{
		URL: "https://nearside.invalid/budget",
		Compile: func(*jsonschema.CompilerContext, map[string]any) (jsonschema.SchemaExt, error) {
			return (*budget)(&checks), nil
		},
	})
	compiler.AssertVocabs()
	if err := compiler.AddResource(schemaURL, document); err != nil {
		return nil, err
	}
	schema, err := compiler.Compile(schemaURL)
	if err != nil {
		return nil, schemaFault(err)
	}
	return schema, nil
}

// budget counts the checks of one answer. It stands in every part of a schema.
type budget int

// Validate implements jsonschema.SchemaExt.
func (b *budget) Validate(*jsonschema.ValidatorContext, any) {
	if *b++; *b > maxChecks {
		panic(errLaborious)
	}
}

// schemaFault words what is wrong with a schema in one line.
func schemaFault(err error) error {
	var invalid *jsonschema.SchemaValidationError
	if errors.As(err, &invalid) {
		return complaints(invalid.Err)
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(strings.ReplaceAll(line, schemaURL, ""))
}

// complaints words what a value breaks in a schema, one line for each place.
func complaints(err error) error {
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	var lines []string
	english := message.NewPrinter(language.English)
	var walk func(*jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		if len(lines) == maxComplaints {
			return
		}
		if len(e.Causes) == 0 {
			lines = append(lines, fmt.Sprintf("at '/%s': %s", strings.Join(e.InstanceLocation, "/"), e.ErrorKind.LocalizedString(english)))
		}
		for _, cause := range e.Causes {
			walk(cause)
		}
	}
	walk(invalid)
	return errors.New(strings.Join(lines, "\n"))
}

// Repair returns the request that follows one whose answer Check refused: the
// same conversation, the answer, and why it will not do.
func Repair(q *Request, answer string, why error) *Request {
	next := *q
	next.Messages = append([]Message(nil), q.Messages...)
	if q.Messages == nil {
		next.Messages = []Message{{Role: User, Content: q.Prompt}}
		next.Prompt, next.Raw = "", false
	}
	text := "That is not the JSON that was asked for: " + why.Error() + "\nAnswer again, with nothing but the corrected JSON."
	if q.Format != nil && q.Format.Schema != nil {
		text += " It must fit this JSON schema:\n" + string(q.Format.Schema)
	}
	next.Messages = append(next.Messages, Message{Role: Assistant, Content: answer}, Message{Role: User, Content: text})
	next.Tools, next.ToolChoice = nil, ToolAuto
	return &next
}

// Unmet is the fault of a call whose answer, and its repair, Check refused. It
// does not quote the answer.
func Unmet(why error) error {
	what := "the model's answer does not fit the schema"
	switch {
	case errors.Is(why, errNotJSON):
		what = "the model's answer is not JSON, or was cut off at max_tokens"
	case errors.Is(why, errLaborious), errors.Is(why, errNoVerdict):
		what = why.Error()
	}
	return fault.For(ReasonJSONMode,
		"AiError: JSON Mode couldn't be met: %s. Allow more max_tokens, ask for a simpler schema, or use a larger model", what)
}
