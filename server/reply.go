package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"nearside/fault"
	"nearside/llm/neuron"
)

// Media types of replies.
const (
	typeJSON = "application/json"
	typeSSE  = "text/event-stream"
	typeText = "text/plain; charset=utf-8"
)

// resultInfo is the envelope's result_info, for lists that have pages.
type resultInfo struct {
	Page       int `json:"page"`
	PerPage    int `json:"per_page"`
	Count      int `json:"count"`
	TotalCount int `json:"total_count"`
	TotalPages int `json:"total_pages"`
}

// reply writes a success: result in Cloudflare's envelope, in the family's field order.
func (c *call) reply(result any) error { return c.replyInfo(result, nil) }

// replyInfo is reply with a result_info; nil leaves it out.
func (c *call) replyInfo(result, info any) error {
	encoded, err := encode(result)
	if err != nil {
		return err
	}
	out := c.success(len(encoded), func(to []byte) []byte { return append(to, encoded...) })
	if info != nil {
		encoded, err := encode(info)
		if err != nil {
			return err
		}
		out = addKey(out, "result_info", encoded)
	}
	c.write(c.status, typeJSON, out)
	return nil
}

// replyAppended is reply for a result that is appended to the reply in place;
// size is a guess at its length.
func (c *call) replyAppended(size int, result func(to []byte) []byte) error {
	c.write(c.status, typeJSON, c.success(size, result))
	return nil
}

// success makes the envelope of a success.
func (c *call) success(size int, result func(to []byte) []byte) []byte {
	messages := c.messages()
	if c.family().bare() {
		return result(make([]byte, 0, size))
	}
	return envelope(make([]byte, 0, size+len(messages)+envelopeBytes), c.family(), true, noItems, messages, result)
}

// bare writes v as JSON without an envelope.
func (c *call) bare(v any) error {
	encoded, err := encode(v)
	if err != nil {
		return err
	}
	c.warn()
	c.write(c.status, typeJSON, encoded)
	return nil
}

// message adds a remark for the person behind the client: to the envelope's
// messages and to the header nearside-warning. It must precede the reply.
func (c *call) message(text string) {
	c.warnings = append(c.warnings, text)
	c.remarks = append(c.remarks, remark{Code: codeRemark, Message: text})
}

// messages encodes the remarks for the envelope, and sets the header.
func (c *call) messages() []byte {
	c.warn()
	if len(c.remarks) == 0 {
		return noItems
	}
	var out bytes.Buffer
	out.WriteByte('[')
	for i, r := range c.remarks {
		if i > 0 {
			out.WriteByte(',')
		}
		item, err := encode(r)
		if err != nil {
			panic(err) // a struct of a number and a string always encodes
		}
		out.Write(item)
	}
	out.WriteByte(']')
	return out.Bytes()
}

func (c *call) warn() {
	if len(c.warnings) > 0 {
		c.setHeader("nearside-warning", headerSafe(strings.Join(c.warnings, "; ")))
	}
}

// headerSafe keeps printable ASCII and escapes the rest, so that no remark can break a header.
func headerSafe(text string) string {
	quoted := strconv.QuoteToASCII(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// remark is an item of the envelope's errors and messages.
type remark struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// noItems are the errors of a success, and the messages of most replies.
var noItems = []byte("[]")

// envelopeBytes is more than an envelope has around its result and its items.
const envelopeBytes = 64

// envelope appends the object that Cloudflare wraps replies in. Workers AI puts the result first.
func envelope(to []byte, f family, success bool, errs, messages []byte, result func(to []byte) []byte) []byte {
	to = append(to, '{')
	if f == workersAI {
		to = append(to, `"result":`...)
		to = append(result(to), ',')
	}
	to = append(to, `"success":`...)
	to = strconv.AppendBool(to, success)
	to = append(to, `,"errors":`...)
	to = append(to, errs...)
	to = append(to, `,"messages":`...)
	to = append(to, messages...)
	if f != workersAI {
		to = append(to, `,"result":`...)
		to = result(to)
	}
	return append(to, '}')
}

// addKey adds a key to an object that is not empty.
func addKey(object []byte, key string, value []byte) []byte {
	object = append(object[:len(object)-1], `,"`...)
	object = append(object, key...)
	object = append(object, `":`...)
	object = append(object, value...)
	return append(object, '}')
}

// encode is json.Marshal without the escapes that only HTML needs.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fault.New(fault.Internal, "the reply cannot be written as JSON").Because(err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// judge says what a failure is on the wire, and logs what the client is not told.
func (c *call) judge(err error) (f *fault.Error, status, code int, message string) {
	f = c.diagnose(err)
	status, code, message = c.family().answer(f)
	if f.Reason == neuron.ReasonExhausted {
		code = c.server.config.QuotaCode
	}
	switch f.Kind {
	case fault.Internal:
		c.server.log.Error("internal error", "request", c.id, "route", c.pattern(), "error", err)
		message += " (request " + c.id + ")"
	case fault.Corrupt:
		c.server.log.Error("damaged data", "request", c.id, "route", c.pattern(), "error", err)
	}
	return f, status, code, message
}

// fail writes the failure that err is.
func (c *call) fail(err error) {
	f, status, code, message := c.judge(err)
	c.fault = f
	if f.RetryAfter > 0 {
		c.setHeader("Retry-After", strconv.Itoa(max(1, int((f.RetryAfter+999_999_999).Seconds()))))
	}
	if status == 401 {
		c.setHeader("WWW-Authenticate", "Bearer")
	}
	if c.family() == edgeDoor {
		c.write(status, typeText, []byte(message))
		return
	}
	if body := c.family().boundFailure(c, status, code, message); body != nil {
		c.warn()
		c.write(status, typeJSON, body)
		return
	}
	errs, encoding := encode([]remark{{Code: code, Message: message}})
	if encoding != nil {
		errs = noItems
	}
	out := envelope(nil, c.family(), false, errs, c.messages(), func(to []byte) []byte { return append(to, c.family().noResult()...) })
	c.write(status, typeJSON, c.addOpenAIError(out, status, code, message))
}

// diagnose returns the fault that err is, or became when the call's context ended.
func (c *call) diagnose(err error) *fault.Error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errHungUp) {
		switch cause := context.Cause(c); {
		case cause == nil: // some work's own time was over, and it did not say so in words
			return fault.New(fault.Internal, "").Because(err)
		case errors.Is(cause, errDrained):
			return errDrained
		case errors.Is(cause, context.DeadlineExceeded):
			return &fault.Error{Kind: fault.Canceled, Reason: reasonTimeout, Message: "the call took longer than " + c.server.config.CallTimeout.String()}
		default:
			return &fault.Error{Kind: fault.Canceled, Reason: reasonHungUp, Message: "the client hung up"}
		}
	}
	if f := fault.As(err); f != nil {
		return f
	}
	return fault.New(fault.Internal, "").Because(err)
}

func (c *call) family() family {
	switch {
	case c.route != nil:
		return c.route.Family
	case c.binding != "":
		return bindingFamily(c.binding)
	case c.atEdge():
		return edgeDoor
	}
	return familyOf(c.path)
}

// writeStatus ends the call with a status and no body.
func (c *call) writeStatus(status int) { c.write(status, "", nil) }

// write hands a whole reply to fasthttp, which sends it when the handler has returned.
func (c *call) write(status int, contentType string, body []byte) {
	c.status = status
	response := c.fiber.Response()
	response.SetStatusCode(status)
	if contentType != "" {
		response.Header.SetContentType(contentType)
	}
	response.SetBodyRaw(body)
}
