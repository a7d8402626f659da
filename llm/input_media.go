package llm

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"nearside/fault"
	"nearside/llm/chat"
)

// ReasonBase64 is a file in base64 that is none.
const ReasonBase64 fault.Reason = "model_base64"

// TakesBytes reports whether a file may be sent to models of the shape as the whole
// body, instead of JSON.
func (s Shape) TakesBytes() bool {
	return slices.Contains([]Shape{
		ImageDescriptionShape, ImageLabelsShape, ImageObjectsShape, ImageEmbeddingShape,
		WhisperShape, WhisperLargeShape, NovaShape, SpeechShape, TurnShape,
	}, s)
}

// pictureTypes are the types of pictures that are passed on to models.
var pictureTypes = []string{"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"}

// Picture reads a picture: a list of its bytes, base64, or a data URI. The path says
// where raw stands in the body. Nothing is fetched: an address is refused.
func Picture(path string, raw json.RawMessage) (chat.Image, error) {
	if chat.TypeOf(raw) == "array" {
		file, err := ByteList(path, raw)
		if err != nil {
			return chat.Image{}, err
		}
		return PictureFile(path, file)
	}
	image, err := chat.ParseImage(path, raw)
	if err != nil {
		return chat.Image{}, err
	}
	return PictureFile(path, image.Bytes)
}

// PictureFile reads a picture from its bytes, which tell its type.
func PictureFile(path string, file []byte) (chat.Image, error) {
	kind := http.DetectContentType(file)
	if !slices.Contains(pictureTypes, kind) {
		return chat.Image{}, badInput("'%s' is no picture: %d bytes that begin as none of PNG, JPEG, GIF, WebP and BMP", path, len(file))
	}
	return chat.Image{Type: kind, Bytes: file}, nil
}

// Base64 reads a file in base64, with or without its padding.
func Base64(path, text string) ([]byte, error) {
	file, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "=\r\n"))
	if err != nil {
		return nil, fault.For(ReasonBase64, "AiError: wrong data type for base64 input: '%s' is not base64", path)
	}
	if len(file) == 0 {
		return nil, badInput("Length of '%s' must be >= 1", path)
	}
	return file, nil
}

// File reads a file that came in JSON: as a list of its bytes, or in base64.
func File(path string, raw json.RawMessage) ([]byte, error) {
	switch chat.TypeOf(raw) {
	case "array":
		return ByteList(path, raw)
	case "string":
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, badInput("'%s' is no text", path).Because(err)
		}
		return Base64(path, text)
	default:
		return nil, badInput("Type mismatch of '%s', '%s' not in 'array', 'string'; JSON carries no stream: send the file as the whole body with its Content-Type, as a list of its bytes, or in base64", path, chat.TypeOf(raw))
	}
}

// ParseLooking reads the JSON input of a model that describes pictures, {image,
// prompt?, …}: the picture goes with the prompt, or with a request to describe it.
func ParseLooking(body []byte) (*chat.Request, error) {
	fields, err := readObject(body)
	if err != nil {
		return nil, err
	}
	picture, err := Picture("/image", fields["image"])
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(fields, func(key string, raw json.RawMessage) bool {
		return slices.Contains([]string{"image", "messages", "stream"}, key) || chat.TypeOf(raw) == "null" || string(raw) == `""`
	})
	return looking(picture, fields)
}

// describe is what a model is asked about a picture when nobody asks.
const describe = "Describe the picture."

// longDescription is how many tokens a description has at most unless the caller
// says otherwise (developers.cloudflare.com/workers-ai/models/llava-1.5-7b-hf).
const longDescription = 512

// looking makes a request about a picture of what stands beside it.
func looking(picture chat.Image, fields map[string]json.RawMessage) (*chat.Request, error) {
	if fields["prompt"] == nil {
		fields["prompt"] = json.RawMessage(`"` + describe + `"`)
	}
	rest, err := json.Marshal(fields)
	if err != nil {
		return nil, badInput("the body is not JSON").Because(err)
	}
	q, err := chat.ParseNative(rest)
	if err != nil {
		return nil, err
	}
	q.Messages = []chat.Message{{Role: chat.User, Content: q.Prompt, Images: []chat.Image{picture}}}
	q.Prompt, q.Raw = "", false
	if fields["max_tokens"] == nil {
		q.MaxTokens = longDescription
	}
	return q, nil
}

// Describing asks about a picture; without a question, for a description.
func Describing(picture chat.Image, question string) (*chat.Request, error) {
	fields := map[string]json.RawMessage{}
	if question != "" {
		asked, err := json.Marshal(question)
		if err != nil {
			return nil, badInput("'/prompt' cannot be written as JSON").Because(err)
		}
		fields["prompt"] = asked
	}
	return looking(picture, fields)
}
