package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"nearside/fault"
	"nearside/llm"
)

// maxInputs is the most texts of one call to …/embeddings. It is OpenAI's limit
// (platform.openai.com/docs/api-reference/embeddings); Cloudflare documents none for this path.
const maxInputs = 2048

// speaksOpenAI reports whether a path is of the half of the API that OpenAI's clients use.
func speaksOpenAI(path string) bool {
	return strings.HasPrefix(path, "/v1/") || strings.Contains(path, "/ai/v1/")
}

// openAIError is the failure as OpenAI's clients read it. Cloudflare's envelope
// has no such key; beside it, it harms nobody.
type openAIError struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    int     `json:"code"`
}

// addOpenAIError puts the error object into a failure that an OpenAI client will read.
func (c *call) addOpenAIError(envelope []byte, status, code int, message string) []byte {
	if !speaksOpenAI(c.path) {
		return envelope
	}
	encoded, err := encode(openAIError{Message: message, Type: openAIType(status), Code: code})
	if err != nil {
		return envelope // alone it is a whole reply
	}
	return addKey(envelope, "error", encoded)
}

// openAIType is what OpenAI calls failures of a status.
func openAIType(status int) string {
	switch {
	case status == 401 || status == 403:
		return "authentication_error"
	case status == 429:
		return "rate_limit_error"
	case status >= 500:
		return "server_error"
	}
	return "invalid_request_error"
}

// defaultAccount makes a call outside /accounts/ one of the default account, if
// its key opens that.
func (s *Server) defaultAccount(c *call) error {
	if c.account != "" {
		return nil
	}
	c.account = s.config.Account
	if !c.key.anybody() && c.key.Account != c.account {
		return forbidden(reasonAccount, "this key does not open the default account; its own is at /client/v4/accounts/{account}/ai/v1")
	}
	return nil
}

// embeddingsRequest is the body of POST …/embeddings.
type embeddingsRequest struct {
	Model          string          `json:"model"`
	Input          json.RawMessage `json:"input"`
	EncodingFormat string          `json:"encoding_format"`
	Dimensions     *int            `json:"dimensions"`
	DryRun         bool            `json:"dry_run"`
	Options        struct {
		RejectIfBusy bool `json:"rejectIfBusy"`
	} `json:"options"`
}

// embeddingObject is one vector: a list of numbers, or base64 of them.
type embeddingObject struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"`
}

// usageObject counts tokens.
type usageObject struct {
	PromptTokens int `json:"prompt_tokens"`
	TotalTokens  int `json:"total_tokens"`
}

// embeddingList is the reply of POST …/embeddings.
type embeddingList struct {
	Object string            `json:"object"`
	Data   []embeddingObject `json:"data"`
	Model  string            `json:"model"`
	Usage  usageObject       `json:"usage"`
}

// embedding turns texts into vectors as OpenAI's API does.
func embedding(s *Server, l letter) (errand, error) {
	var request embeddingsRequest
	if err := decodeJSON(l.body, &request); err != nil {
		return errand{}, err
	}
	texts, err := request.check(s.parts.Models.Catalogue())
	if err != nil {
		return errand{}, err
	}
	call := llm.Call{Payer: l.payer, ID: l.id, Model: request.Model, DryRun: request.DryRun, RejectIfBusy: request.Options.RejectIfBusy}
	return errand{call: call, endpoint: "v1/embeddings", input: l.body, kind: typeJSON, wrap: asItIs,
		do: func(ctx context.Context) (outcome, error) {
			embedded, err := s.parts.Models.Embed(ctx, call, texts)
			if err != nil {
				return outcome{}, err
			}
			return embeddedAs(request.list(embedded), embedded)
		}}, nil
}

// list puts vectors into the form that was asked for.
func (r embeddingsRequest) list(e llm.Embedded) embeddingList {
	list := embeddingList{Object: "list", Model: r.Model, Usage: usageObject{e.Tokens, e.Tokens}}
	for i, v := range e.Vectors {
		object := embeddingObject{Object: "embedding", Index: i, Embedding: v}
		if r.EncodingFormat == "base64" {
			object.Embedding = packed(v)
		}
		list.Data = append(list.Data, object)
	}
	return list
}

// check returns the texts of a request that can be answered as asked.
func (r embeddingsRequest) check(c *llm.Catalogue) ([]string, error) {
	if r.Model == "" {
		return nil, badInput("required properties at '/' are 'model'")
	}
	model, err := c.Model(r.Model)
	if err != nil {
		return nil, err
	}
	if r.EncodingFormat != "" && r.EncodingFormat != "float" && r.EncodingFormat != "base64" {
		return nil, badInput("'/encoding_format' must be one of 'float', 'base64', and is %s", quoteShort(r.EncodingFormat))
	}
	if r.Dimensions != nil && *r.Dimensions != model.Dimensions {
		return nil, badInput("'/dimensions' is %d; %s makes vectors of %d dimensions, and cutting them would change what they mean. Leave dimensions out", *r.Dimensions, model.ID, model.Dimensions)
	}
	return r.texts()
}

// texts reads input: a text or a list of texts. OpenAI also takes tokens, which
// are numbers of OpenAI's own vocabulary and mean nothing to other models.
func (r embeddingsRequest) texts() ([]string, error) {
	if r.Input == nil {
		return nil, badInput("required properties at '/' are 'input'")
	}
	if holdsTokens(r.Input) {
		return nil, badInput("'/input' holds tokens; they number OpenAI's vocabulary, which no model here shares. Send text (with LangChain: check_embedding_ctx_length=False)")
	}
	return llm.Texts("/input", r.Input, maxInputs)
}

// holdsTokens reports whether input is a list of numbers, or of lists.
func holdsTokens(input json.RawMessage) bool {
	list, isList := bytes.CutPrefix(input, []byte("["))
	list = bytes.TrimLeft(list, " \t\r\n")
	return isList && len(list) > 0 && strings.ContainsRune("-0123456789[", rune(list[0]))
}

// packed is base64 of a vector's numbers as little-endian 32-bit floats.
func packed(v []float32) string {
	raw := make([]byte, 0, 4*len(v))
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// openAIModel is a model as OpenAI's clients list it. When it was made is not known.
type openAIModel struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int    `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func newOpenAIModel(m *llm.Model) openAIModel {
	return openAIModel{ID: m.ID, Object: "model", OwnedBy: author(m.ID)}
}

// listOpenAIModels answers GET …/ai/v1/models and /v1/models with the models that answer here.
func listOpenAIModels(s *Server, c *call) error {
	if err := s.defaultAccount(c); err != nil {
		return err
	}
	list := struct {
		Object string        `json:"object"`
		Data   []openAIModel `json:"data"`
	}{"list", []openAIModel{}}
	survey := s.parts.Models.Survey(c)
	for _, m := range s.parts.Models.Catalogue().Models() {
		if _, missing := survey.Serves(&m); missing == nil {
			list.Data = append(list.Data, newOpenAIModel(&m))
		}
	}
	return c.bare(list)
}

// showOpenAIModel answers GET …/ai/v1/models/{model...} and /v1/models/{model...}.
func showOpenAIModel(s *Server, c *call) error {
	if err := s.defaultAccount(c); err != nil {
		return err
	}
	m, err := s.parts.Models.Catalogue().Model(c.param("model"))
	if err != nil {
		return &fault.Error{Kind: fault.NotFound, Message: fmt.Sprintf("the model %s does not exist; GET models lists those that do", quoteShort(c.param("model")))}
	}
	return c.bare(newOpenAIModel(m))
}
