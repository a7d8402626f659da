package server

import (
	"bytes"
	"encoding/json"
	"fmt"

	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
	"nearside/rag"
	"nearside/vectorize"
)

// maxTexts is the largest body of a batch of texts: a thousand passages of 32 KB.
const maxTexts = 32 << 20

// textTypes are the content types of a batch of texts.
var textTypes = []string{typeJSON, typeNDJSON}

// textObject is a text as it is uploaded.
type textObject struct {
	ID        index.VectorID  `json:"id"`
	Text      string          `json:"text"`
	Title     string          `json:"title"`
	Namespace string          `json:"namespace"`
	Metadata  json.RawMessage `json:"metadata"`
}

// textList is the texts of a batch, read only one further than are allowed.
type textList []textObject

// UnmarshalJSON implements json.Unmarshaler.
func (l *textList) UnmarshalJSON(array []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(array))
	if first, err := decoder.Token(); err != nil || first != json.Delim('[') {
		return badJSON("texts: expected an array")
	}
	for decoder.More() && len(*l) <= rag.MaxTexts {
		var o textObject
		if err := decoder.Decode(&o); err != nil {
			return err
		}
		*l = append(*l, o)
	}
	return nil
}

// text checks what rag cannot see, and compacts the metadata.
func (o textObject) text() (rag.Text, error) {
	t := rag.Text{ID: o.ID, Text: o.Text, Title: o.Title, Namespace: o.Namespace}
	if len(o.Metadata) == 0 || string(o.Metadata) == "null" {
		return t, nil
	}
	if o.Metadata[0] != '{' {
		return t, badJSON(fmt.Sprintf("metadata of id %s: expected an object", quoteShort(string(o.ID))))
	}
	var compact bytes.Buffer
	err := json.Compact(&compact, o.Metadata)
	t.Metadata = compact.Bytes()
	return t, err
}

// upsertTexts answers POST …/nearside/indexes/{index}/texts. With reuse=true a text that the index has under its id is not embedded again.
func upsertTexts(s *Server, c *call) error {
	within, err := vectorize.Within(c.key.Limits)
	if err != nil {
		return err
	}
	texts, err := c.texts()
	if err != nil {
		return err
	}
	reuse, err := c.queryBool("reuse")
	if err != nil {
		return err
	}
	for i := range texts {
		texts[i].Reuse = reuse != nil && *reuse
	}
	receipt, err := s.parts.Texts.Upsert(c, c.payer(), c.param(indexParam), texts, within)
	if err != nil {
		return c.deliver(outcome{made: receipt.Embedded.Generated()}, err, inEnvelope) // the vectors were paid for
	}
	c.embeddedBy(receipt.Embedded)
	type truncated struct {
		ID      index.VectorID `json:"id"`
		Dropped int            `json:"dropped"`
	}
	result := struct {
		MutationID string      `json:"mutationId"`
		Count      int         `json:"count"`
		Tokens     int         `json:"tokens"` // that the model read: none of texts whose vectors were there
		Truncated  []truncated `json:"truncated"`
	}{receipt.Mutation.ID, receipt.Mutation.Changed, receipt.Embedded.Tokens, []truncated{}}
	for _, t := range receipt.Truncated {
		result.Truncated = append(result.Truncated, truncated(t))
	}
	return c.reply(result)
}

// texts reads a batch: {"texts": […]}, or one text a line.
func (c *call) texts() ([]rag.Text, error) {
	body, err := c.readBody()
	if err != nil {
		return nil, err
	}
	var objects textList
	if c.mediaType() == typeNDJSON {
		objects, err = textLines(body)
	} else {
		var request struct {
			Texts textList `json:"texts"`
		}
		err = decodeJSON(body, &request)
		objects = request.Texts
	}
	if err != nil {
		return nil, err
	}
	texts := make([]rag.Text, len(objects))
	for i, o := range objects {
		if texts[i], err = o.text(); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// textLines reads one text a line, one more than are allowed at most.
func textLines(body []byte) (textList, error) {
	var objects textList
	number := 0
	for line := range bytes.Lines(body) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(objects) > rag.MaxTexts {
			break
		}
		var o textObject
		if err := decodeJSON(line, &o); err != nil {
			return nil, fault.For(reasonJSON, "line %d: %s", number, err)
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// passage is a match as a search returns it.
type passage struct {
	ID        index.VectorID  `json:"id"`
	Score     score           `json:"score"`
	Title     string          `json:"title,omitempty"`
	Text      string          `json:"text"`
	Namespace string          `json:"namespace,omitempty"`
	Metadata  json.RawMessage `json:"metadata,omitempty"`
}

// searchRequest is the body of POST …/nearside/indexes/{index}/search.
type searchRequest struct {
	Query          string          `json:"query"`
	TopK           *int            `json:"topK"`
	Namespace      string          `json:"namespace"`
	Filter         json.RawMessage `json:"filter"`
	ReturnMetadata json.RawMessage `json:"returnMetadata"`
	Explain        bool            `json:"explain"`
}

// query checks the request. Metadata is returned unless it is not wanted: passages are for people.
func (r searchRequest) query() (rag.Query, error) {
	q := rag.Query{Text: r.Query, TopK: vectorize.DefaultTopK, Namespace: r.Namespace, Metadata: index.AllMetadata}
	if r.TopK != nil {
		q.TopK = *r.TopK
	}
	var err error
	if len(r.ReturnMetadata) > 0 && string(r.ReturnMetadata) != "null" {
		level, known := levels[string(r.ReturnMetadata)]
		if !known {
			return q, badJSON(`returnMetadata: expected value "none", "indexed" or "all", got ` + quoteShort(string(r.ReturnMetadata)))
		}
		q.Metadata = level
	}
	if len(r.Filter) > 0 && string(r.Filter) != "null" {
		q.Filter, err = filter.ParseExtended(r.Filter)
	}
	return q, err
}

// searchTexts answers POST …/nearside/indexes/{index}/search.
func searchTexts(s *Server, c *call) error {
	age, err := s.age(c.queryParam("consistency"))
	if err != nil {
		return err
	}
	within, err := vectorize.Within(c.key.Limits)
	if err != nil {
		return err
	}
	var request searchRequest
	if err := c.bind(&request); err != nil {
		return err
	}
	q, err := request.query()
	if err != nil {
		return err
	}
	answer, err := s.parts.Texts.Search(c, c.payer(), c.param(indexParam), q, index.Read{Age: age, Within: within})
	if err != nil {
		return c.deliver(outcome{made: answer.Embedded.Generated()}, err, inEnvelope) // the vector was paid for
	}
	c.embeddedBy(answer.Embedded)
	c.queried(answer.Index)
	c.warnUnindexed(answer.Unindexed)
	passages := make([]passage, len(answer.Matches))
	for i, m := range answer.Matches {
		passages[i] = passage{m.ID, score(m.Score), m.Title, m.Text, m.Namespace, m.Metadata}
	}
	result := struct {
		Count    int            `json:"count"`
		Passages []passage      `json:"passages"`
		Explain  *explainObject `json:"explain,omitempty"`
	}{Count: len(passages), Passages: passages}
	if request.Explain {
		result.Explain = newExplainObject(answer.Explain)
	}
	return c.reply(result)
}
