package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strconv"
	"strings"

	"nearside/llm"
	"nearside/llm/backend"
	"nearside/llm/chat"
)

// Limits of the form that flux-2 takes
// (developers.cloudflare.com/workers-ai/models/flux-2-dev).
const (
	mostParts  = 32 // those that mean nothing included
	mostInputs = 4  // pictures to begin from
	leastSide  = 256
	mostSide   = 1920 // pixels
	mostSteps  = 50
)

// paintingForm reads the form of flux-2, which is the body, or in JSON {multipart: {body, contentType}}.
func (r run) paintingForm() (backend.Painting, error) {
	form, kind := r.body, r.kind
	if kind == typeJSON {
		var input struct {
			Multipart struct {
				Body json.RawMessage `json:"body"`
				Type string          `json:"contentType"`
			} `json:"multipart"`
		}
		if err := r.input(&input); err != nil {
			return backend.Painting{}, err
		}
		var err error
		if form, err = formInJSON(input.Multipart.Body); err != nil {
			return backend.Painting{}, err
		}
		kind = input.Multipart.Type
	}
	parts, err := formParts(form, kind)
	if err != nil {
		return backend.Painting{}, err
	}
	return parts.painting()
}

// formInJSON reads a form that JSON carries: as it is, as a list of its bytes, or in base64.
func formInJSON(raw json.RawMessage) ([]byte, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil && strings.HasPrefix(text, "--") { // which base64 does not know
		return []byte(text), nil
	}
	return llm.File("/multipart/body", raw)
}

var errNoForm = badInput("the body is no multipart/form-data, or ends before its end")

// parts are the parts of a form by name.
type parts map[string][]byte

// formParts takes a form apart.
func formParts(form []byte, kind string) (parts, error) {
	_, parameters, err := mime.ParseMediaType(kind)
	boundary := parameters["boundary"]
	if err != nil || boundary == "" {
		// Some clients set the content type by hand and forget it; the first line has it.
		line, _, _ := bytes.Cut(form, []byte("\r\n"))
		if boundary = strings.TrimPrefix(string(line), "--"); boundary == string(line) {
			return nil, errNoForm
		}
	}
	list := parts{}
	reader := multipart.NewReader(bytes.NewReader(form), boundary)
	for count := 0; ; count++ {
		part, err := reader.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return list, nil
		case err != nil:
			return nil, errNoForm
		case count == mostParts:
			return nil, badInput("the form has more than %d parts", mostParts)
		}
		if list[part.FormName()], err = io.ReadAll(part); err != nil {
			return nil, badInput("the part '%s' of the form ends before its end", shortName(part.FormName()))
		}
	}
}

// shortName is the name of a part as far as a message quotes it.
func shortName(name string) string { return strings.Trim(quoteShort(name), `"`) }

// painting reads what a form asks for.
func (p parts) painting() (q backend.Painting, err error) {
	if q.Prompt = string(p["prompt"]); q.Prompt == "" {
		return q, badInput("required properties at '/' are 'prompt'")
	}
	for _, field := range []struct {
		name        string
		into        *int
		least, most int
	}{{"width", &q.Width, leastSide, mostSide}, {"height", &q.Height, leastSide, mostSide}, {"steps", &q.Steps, 1, mostSteps}} {
		n, given, err := p.integer(field.name)
		switch {
		case err != nil:
			return q, err
		case given && n < int64(field.least):
			return q, badInput("'/%s' must be >= %d, and is %d", field.name, field.least, n)
		case given && n > int64(field.most):
			return q, badInput("'/%s' must be <= %d, and is %d", field.name, field.most, n)
		}
		*field.into = int(n)
	}
	if seed, given, err := p.integer("seed"); err != nil {
		return q, err
	} else if given {
		q.Seed = &seed
	}
	if raw, given := p["guidance"]; given {
		guidance, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || !(guidance >= 0 && guidance <= 100) {
			return q, badInput("'/guidance' must be a number from 0 to 100")
		}
		q.Guidance = &guidance
	}
	q.Images, err = p.pictures()
	return q, err
}

// integer reads a part that is a whole number; an empty one is not given.
func (p parts) integer(name string) (n int64, given bool, err error) {
	raw := strings.TrimSpace(string(p[name]))
	if raw == "" {
		return 0, false, nil
	}
	if n, err = strconv.ParseInt(raw, 10, 64); err != nil {
		return 0, false, badInput("Type mismatch of '/%s', 'string' not in 'integer'", name)
	}
	return n, true, nil
}

// pictures reads input_image_0, input_image_1, and so on, in the order of their numbers.
func (p parts) pictures() ([]chat.Image, error) {
	const prefix = "input_image_"
	var names []string
	for name := range p {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) > mostInputs {
		return nil, badInput("the form has %d parts %s…; at most %d are taken", len(names), prefix, mostInputs)
	}
	var list []chat.Image
	for _, name := range names {
		picture, err := llm.PictureFile(fmt.Sprintf("/%s", shortName(name)), p[name])
		if err != nil {
			return nil, err
		}
		list = append(list, picture)
	}
	return list, nil
}
