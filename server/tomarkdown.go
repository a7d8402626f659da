package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"

	"github.com/google/uuid"

	"nearside/doc/convert"
	"nearside/doc/parse"
	"nearside/fault"
	"nearside/llm"
	"nearside/llm/chat"
	"nearside/llm/neuron"
)

// Limits of one conversion. Cloudflare documents none.
const (
	maxConverted     = 100      // files
	maxConvertName   = 1024     // bytes of a file's name
	maxConvertedText = 64 << 20 // bytes that come of all files: they are held until the reply
)

// pictureModel is what describes pictures; if it is not here, one that can read them stands in.
const pictureModel = "@cf/llava-hf/llava-1.5-7b-hf"

// toConvert is a file that is to become Markdown.
type toConvert struct {
	name, kind string
	content    []byte
}

// conversionOptions are the options of toMarkdown
// (developers.cloudflare.com/workers-ai/features/markdown-conversion/conversion-options).
type conversionOptions struct {
	Output struct {
		Format convert.Format `json:"format"`
	} `json:"output"`
	HTML struct {
		Hostname string `json:"hostname"`
		Selector string `json:"cssSelector"`
	} `json:"html"`
	PDF struct {
		Metadata *bool `json:"metadata"`
	} `json:"pdf"`
	Image struct {
		Language string `json:"descriptionLanguage"`
	} `json:"image"`
}

// check refuses what cannot be heeded, and fills in what was left out.
func (o *conversionOptions) check() error {
	if o.Output.Format == "" {
		o.Output.Format = convert.Markdown
	}
	if f := o.Output.Format; f != convert.Markdown && f != convert.Text {
		return badInput("'/output/format' is %s; it can be markdown or text", quoteShort(string(f)))
	}
	if len(o.Image.Language) > 35 { // the longest tag that RFC 5646 asks programs to take
		return badInput("'/image/descriptionLanguage' has %d bytes; it is a language such as de", len(o.Image.Language))
	}
	return nil
}

// convertedObject is a file that became Markdown, or the reason why it did not.
type convertedObject struct {
	ID     string  `json:"id"`
	Name   string  `json:"name"`
	Type   string  `json:"mimeType"`
	Format string  `json:"format"` // markdown, text or error
	Tokens *int    `json:"tokens,omitempty"`
	Data   *string `json:"data,omitempty"`
	Error  string  `json:"error,omitempty"`
}

// toMarkdown answers POST …/ai/tomarkdown: a form with files.
func toMarkdown(s *Server, c *call) error {
	id := c.reachModel()
	files, options, err := c.convertForm()
	if err != nil {
		return inferenceError(err, id)
	}
	return c.replyConverted(id, files, options)
}

// toMarkdownBound answers env.AI.toMarkdown: files in base64.
func toMarkdownBound(s *Server, c *call) error {
	id := c.reachModel()
	var sent struct {
		Files []struct {
			Name string `json:"name"`
			Type string `json:"mimeType"`
			Data string `json:"data"`
		} `json:"files"`
		Options conversionOptions `json:"options"`
	}
	body, err := c.modelBody()
	if err != nil {
		return inferenceError(err, id)
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return inferenceError(badInput("%s", err), id)
	}
	files := make([]toConvert, len(sent.Files))
	for i, f := range sent.Files {
		files[i] = toConvert{name: f.Name, kind: f.Type}
		if files[i].content, err = base64.StdEncoding.DecodeString(f.Data); err != nil {
			return inferenceError(badInput("'/files/%d/data' is not base64", i), id)
		}
	}
	return c.replyConverted(id, files, sent.Options)
}

// supportedTypes answers GET …/ai/tomarkdown/supported.
func supportedTypes(_ *Server, c *call) error {
	return c.reply(append(convert.Supported(), convert.Pictures()...))
}

// convertForm reads the form of a conversion.
func (c *call) convertForm() (files []toConvert, options conversionOptions, err error) {
	media, params, err := mime.ParseMediaType(c.header("Content-Type"))
	if err != nil || media != typeMultipart {
		return nil, options, badInput("the body is %s; send a form (%s) with a part named files for each file", quoteShort(c.header("Content-Type")), typeMultipart)
	}
	body, err := c.body()
	if err != nil {
		return nil, options, err
	}
	source := &watched{r: body}
	form := multipart.NewReader(source, params["boundary"])
	for {
		part, err := form.NextPart()
		switch {
		case source.err != nil:
			return nil, options, source.err
		case errors.Is(err, io.EOF):
			return files, options, nil
		case err != nil:
			return nil, options, errNoForm
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, options, errors.Join(source.err, badInput("the part '%s' of the form ends before its end", shortName(part.FormName())))
		}
		switch part.FormName() {
		case "files", "files[]", "file":
			files = append(files, toConvert{part.FileName(), part.Header.Get("Content-Type"), content})
		case "conversionOptions":
			if err := decodeJSON(content, &options); err != nil {
				return nil, options, badInput("'/conversionOptions': %s", err)
			}
		}
		if len(files) > maxConverted {
			return nil, options, badInput("there are more than %d files; send them in several calls", maxConverted)
		}
	}
}

// conversion is a call whose files are converted.
type conversion struct {
	*call
	id      string
	options conversionOptions
	room    int  // bytes of text that may yet come
	blind   bool // it was said that no model here looks at pictures
	cost    neuron.Micro
}

// replyConverted converts files, one after the other, and answers with what came of each.
func (c *call) replyConverted(id string, files []toConvert, options conversionOptions) error {
	if err := options.check(); err != nil {
		return inferenceError(err, id)
	}
	if len(files) == 0 || len(files) > maxConverted {
		return inferenceError(badInput("there are %d files; send 1 to %d", len(files), maxConverted), id)
	}
	for i, f := range files {
		if len(f.name) > maxConvertName {
			return inferenceError(badInput("the name of file %d has %d bytes; %d are the most", i+1, len(f.name), maxConvertName), id)
		}
	}
	work := conversion{call: c, id: id, options: options, room: maxConvertedText}
	results := make([]convertedObject, len(files))
	for i, f := range files {
		text, err := work.convert(f)
		if c.Err() != nil {
			return context.Cause(c)
		}
		work.room -= len(text)
		results[i] = newConvertedObject(f, options.Output.Format, text, err)
	}
	c.paid(work.cost)
	return c.reply(results)
}

func newConvertedObject(f toConvert, format convert.Format, text string, err error) convertedObject {
	o := convertedObject{ID: uuid.NewString(), Name: f.name, Type: f.kind}
	if o.Type == "" || o.Type == typeBytes { // which says nothing
		o.Type = cmp.Or(convert.MediaType(f.name), typeBytes)
	}
	if err != nil {
		o.Format, o.Error = "error", reasonFor(err)
		return o
	}
	tokens := chat.EstimateText(text)
	o.Format, o.Tokens, o.Data = string(format), &tokens, &text
	return o
}

// reasonFor is why a file was not converted, for the one who sent it.
func reasonFor(err error) string {
	if f := fault.As(err); f != nil && f.Kind != fault.Internal {
		return f.Error()
	}
	return "it cannot be read; the server's log says more"
}

// convert returns what a file says.
func (c *conversion) convert(f toConvert) (string, error) {
	if line, ok := convert.PictureOf(f.content); ok {
		return c.describe(f, line)
	}
	if c.room <= 0 {
		return "", fault.New(fault.TooLarge, "%s: the files before it have %d bytes of text, the most of one call; send it in another", f.name, maxConvertedText)
	}
	file := parse.File{Name: f.name, MediaType: f.kind, Body: bytes.NewReader(f.content), At: bytes.NewReader(f.content), Size: int64(len(f.content))}
	o := c.options
	text, err := convert.File(c, file, convert.Options{
		Format: o.Output.Format, Hostname: o.HTML.Hostname, Selector: o.HTML.Selector, NoMetadata: o.PDF.Metadata != nil && !*o.PDF.Metadata,
		MaxText: c.room,
	})
	if f := fault.As(err); err != nil && (f == nil || f.Kind == fault.Internal) {
		c.server.log.Warn("a file was not converted", "request", c.call.id, "error", err)
	}
	return text, err
}

// describe returns what a model says of a picture. If none here can look at it, it is what the file says of itself.
func (c *conversion) describe(f toConvert, line string) (string, error) {
	picture, err := llm.PictureFile("/files", f.content)
	if err != nil {
		return "", err
	}
	question := "Describe the picture in a few sentences. If there is text in it, write it down."
	if language := c.options.Image.Language; language != "" {
		question += " Answer in the language " + language + "."
	}
	q, err := llm.Describing(picture, question)
	if err != nil {
		return "", err
	}
	words, made, err := c.server.parts.Models.Look(c, llm.Call{Payer: c.payer(), ID: c.id, Model: pictureModel}, q)
	c.cost += made.Neurons
	if f := fault.As(err); f != nil && (f.Reason == llm.ReasonNoBackend || f.Reason == llm.ReasonUnable) {
		if !c.blind {
			c.message(fmt.Sprintf("nothing here can look at pictures: %s", f.Error()))
		}
		c.blind = true
		return line, nil
	}
	if err == nil {
		c.madeBy(outcome{made: made})
	}
	return words, err
}
