package command

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/png"
	"mime/multipart"
)

// call is the body of a call to a model.
type call struct {
	contentType string
	body        []byte
}

// smallCall returns a call that costs little, for models whose input has the given schema.
func smallCall(input string) (call, bool) {
	switch input {
	case "nova", "speech":
		return call{"audio/wav", silence()}, true
	case "flux-2":
		return form(map[string]string{"prompt": "a dot", "width": "256", "height": "256"})
	}
	fields := smallFields(input)
	if fields == nil {
		return call{}, false
	}
	body, err := json.Marshal(fields)
	return call{"application/json", body}, err == nil
}

// fields are what a call says.
type fields map[string]any

func smallFields(input string) fields {
	switch input {
	case "chat", "chat-vision", "chat-completion", "chat-responses", "guard":
		return fields{"messages": []fields{{"role": "user", "content": "Say OK."}}, "max_tokens": 8}
	case "text", "qwen3", "bge-m3":
		return fields{"text": "a cat"}
	case "rerank":
		return fields{"query": "cat", "contexts": []fields{{"text": "a cat"}, {"text": "a dog"}}}
	case "classify":
		return fields{"text": "This is good."}
	case "translate":
		return fields{"text": "Hello", "source_lang": "en", "target_lang": "es"}
	case "translate-indic":
		return fields{"text": "Hello", "target_language": "hin_Deva"}
	case "summarize":
		return fields{"input_text": "The cat sat on the mat. The mat was red. The cat slept.", "max_length": 32}
	case "image-labels", "image-description":
		return fields{"image": numbers(picture())}
	case "moondream":
		return fields{"task": "caption", "image": "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture())}
	case "whisper":
		return fields{"audio": numbers(silence())}
	case "whisper-large":
		return fields{"audio": base64.StdEncoding.EncodeToString(silence())}
	case "melotts":
		return fields{"prompt": "Hi"}
	case "aura":
		return fields{"text": "Hi"}
	case "diffusion", "lucid", "phoenix":
		return fields{"prompt": "a dot", "width": 256, "height": 256, "num_steps": 1}
	case "flux-1":
		return fields{"prompt": "a dot", "steps": 1}
	default:
		return nil
	}
}

// numbers is a file as models take it in JSON.
func numbers(file []byte) []int {
	list := make([]int, len(file))
	for i, b := range file {
		list[i] = int(b)
	}
	return list
}

// picture is a black square, as PNG.
func picture() []byte {
	var out bytes.Buffer
	// Writing to memory does not fail, and a square this small is a valid picture.
	_ = png.Encode(&out, image.NewGray(image.Rect(0, 0, 32, 32)))
	return out.Bytes()
}

// silence is a tenth of a second without a sound, as WAV: 1,600 samples of 16 bits.
func silence() []byte {
	const rate, bytesPerSample = 16_000, 2
	const size = rate * bytesPerSample / 10
	out := make([]byte, 0, 44+size)
	out = append(out, "RIFF"...)
	out = binary.LittleEndian.AppendUint32(out, 36+size)
	out = append(out, "WAVEfmt "...)
	out = binary.LittleEndian.AppendUint32(out, 16)
	for _, n := range []uint16{1, 1} { // linear samples, one channel
		out = binary.LittleEndian.AppendUint16(out, n)
	}
	out = binary.LittleEndian.AppendUint32(out, rate)
	out = binary.LittleEndian.AppendUint32(out, rate*bytesPerSample)
	for _, n := range []uint16{bytesPerSample, 8 * bytesPerSample} {
		out = binary.LittleEndian.AppendUint16(out, n)
	}
	out = append(out, "data"...)
	out = binary.LittleEndian.AppendUint32(out, size)
	return append(out, make([]byte, size)...)
}

// form is a call whose parts are those of a web form.
func form(parts map[string]string) (call, bool) {
	var out bytes.Buffer
	writer := multipart.NewWriter(&out)
	for name, value := range parts {
		if writer.WriteField(name, value) != nil {
			return call{}, false
		}
	}
	if writer.Close() != nil {
		return call{}, false
	}
	return call{writer.FormDataContentType(), out.Bytes()}, true
}
