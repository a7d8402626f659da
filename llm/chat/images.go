package chat

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// ParseImage reads a picture: a data URI, base64 alone, or an array of its bytes.
// The path says where raw stands in the body. Nothing is fetched: an address is refused.
func ParseImage(path string, raw json.RawMessage) (Image, error) {
	r := &reader{}
	if !json.Valid(raw) {
		return Image{}, badInput("'%s' is not JSON", path)
	}
	image := r.image(path, bytes.TrimSpace(raw))
	return image, r.err()
}

// image reads a data URI, base64 alone, or an array of bytes.
func (r *reader) image(path string, raw json.RawMessage) Image {
	switch TypeOf(raw) {
	case "string":
		s := r.textAt(path, raw)
		if decoded, err := decode64(s); err == nil && pictureType(decoded) != unknownType {
			return Image{Type: pictureType(decoded), Bytes: decoded}
		}
		return r.dataURI(path, s)
	case "array":
		return r.imageBytes(path, raw)
	default:
		r.mismatch(path, raw, "string, array")
		return Image{}
	}
}

// dataURI reads data:image/png;base64,… .
func (r *reader) dataURI(path, uri string) Image {
	rest, ok := strings.CutPrefix(uri, "data:")
	if !ok {
		scheme, _, _ := strings.Cut(uri, ":")
		if scheme == "http" || scheme == "https" {
			r.refuse("'%s' is an address; nothing is fetched from the network for a model. Send the picture itself, as data:image/png;base64,…", path)
		} else {
			r.refuse("'%s' must be a data URI, such as data:image/png;base64,…", path)
		}
		return Image{}
	}
	head, data, _ := strings.Cut(rest, ",")
	kind, parameters, _ := strings.Cut(head, ";")
	switch {
	case !strings.HasPrefix(kind, "image/"):
		r.refuse("'%s' must hold a picture: its type begins with image/", path)
	case parameters != "base64" && !strings.HasSuffix(parameters, ";base64"):
		r.refuse("'%s' must be in base64: data:%s;base64,…", path, kind)
	}
	decoded, err := decode64(data)
	if err != nil || len(decoded) == 0 {
		r.refuse("'%s' is not base64", path)
	}
	return Image{Type: kind, Bytes: decoded}
}

// decode64 reads base64 with or without its padding.
func decode64(s string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
}

// imageBytes reads the bytes of a picture as an array of numbers. Their beginning tells its type.
func (r *reader) imageBytes(path string, raw json.RawMessage) Image {
	var numbers []uint16 // not bytes: JSON has those in base64
	if json.Unmarshal(raw, &numbers) != nil || len(numbers) == 0 {
		r.refuse("'%s' must be an array of at least one byte, each a number from 0 to 255", path)
		return Image{}
	}
	image := Image{Bytes: make([]byte, len(numbers))}
	for i, n := range numbers {
		if n > 255 {
			r.refuse("'%s' must be <= 255, and is %d", element(path, i), n)
		}
		image.Bytes[i] = byte(n)
	}
	image.Type = pictureType(image.Bytes)
	return image
}

// pictures are the types that models read, by how their files begin.
var pictures = []struct{ kind, begins string }{
	{"image/png", "\x89PNG\r\n\x1a\n"},
	{"image/jpeg", "\xff\xd8\xff"},
	{"image/gif", "GIF8"},
	{"image/webp", "RIFF"},
	{"image/bmp", "BM"},
}

// unknownType is the type of bytes that begin as no picture does.
const unknownType = "application/octet-stream"

// pictureType tells the type of a picture from its first bytes.
func pictureType(data []byte) string {
	for _, p := range pictures {
		if bytes.HasPrefix(data, []byte(p.begins)) {
			return p.kind
		}
	}
	return unknownType
}
