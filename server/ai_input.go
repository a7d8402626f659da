package server

import (
	"bytes"
	"strings"

	"nearside/fault"
	"nearside/llm"
	"nearside/llm/chat"
)

// maxMediaInput is the largest body of a call to a model for sounds or pictures: an
// hour of MP3 at 128 kbit/s as it is, 48 MB of it in base64, and 18 MB as a list of
// bytes, which has 3.6 characters for each.
const maxMediaInput = 64 << 20

// typeBytes is the media type of bytes of which nothing is known.
const typeBytes = "application/octet-stream"

// bodyLimit is how large a body models of a task take.
func bodyLimit(t llm.Task) int64 {
	switch t {
	case llm.ImageToText, llm.ImageClassification, llm.ObjectDetection, llm.SpeechRecognition, llm.TextToImage:
		return maxMediaInput
	}
	return maxModelInput
}

// modelInput returns the body of a call to m, which read returns, with its content type: typeJSON and
// checked, or what the bytes are.
func (c *call) modelInput(m *llm.Model, read func() ([]byte, error)) (body []byte, kind string, err error) {
	if err := c.incoming.narrow(bodyLimit(m.Task)); err != nil {
		return nil, "", err
	}
	if body, err = read(); err != nil {
		return nil, "", err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, "", fault.For(reasonNoInput, "the body is missing; send the model's input%s", forms(m))
	}
	kind = c.inputKind(m, body)
	if kind == typeJSON {
		err = checkInput(body)
	}
	return body, kind, err
}

// forms says in which forms the input of a model can be sent.
func forms(m *llm.Model) string {
	switch {
	case m.Input == llm.Flux2Shape:
		return " as multipart/form-data with a part prompt"
	case m.Input.TakesBytes():
		return " as JSON, or the file itself with its Content-Type"
	}
	return " as JSON"
}

// inputKind says what a body is. Clients that send a file without a word about it,
// as curl does, are believed where the model takes files and it is not JSON.
func (c *call) inputKind(m *llm.Model, body []byte) string {
	declared := c.mediaType()
	family, _, _ := strings.Cut(declared, "/")
	switch {
	case declared == typeMultipart && m.Input == llm.Flux2Shape:
		return c.header("Content-Type") // which says where the parts end
	case !m.Input.TakesBytes() || declared == typeJSON || family == "multipart":
		return typeJSON
	case family == "audio" || family == "image" || family == "video":
		return declared
	case bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")):
		return typeJSON
	}
	return typeBytes
}

// options reads what stands beside the input of a model: in the body if it is JSON, in the query else.
func (r run) options() (chat.Options, error) {
	if r.kind == typeJSON {
		return chat.ParseOptions(r.body)
	}
	return chat.Options{DryRun: r.beside.Get("dry_run") == "true"}, nil
}
