package llm

import (
	"bytes"
	"encoding/json"
	"fmt"

	"nearside/llm/chat"
)

// byteLists are the keys under which models take a file as a list of its bytes.
var byteLists = map[string]bool{"image": true, "audio": true, "mask": true}

// nestedFiles are the keys under which models take an object with a file and its
// type, and the key of the file there.
var nestedFiles = map[string]string{"audio": "body", "multipart": "body"}

// ByteList reads a file that came as a list of its bytes, [137, 80, …]. The path
// says where raw, which is valid JSON, stands in the body.
func ByteList(path string, raw json.RawMessage) ([]byte, error) {
	if chat.TypeOf(raw) != "array" {
		return nil, badInput("Type mismatch of '%s', '%s' not in 'array'", path, chat.TypeOf(raw))
	}
	inside := bytes.TrimSpace(raw)
	inside = bytes.TrimSpace(inside[1 : len(inside)-1])
	if len(inside) == 0 {
		return nil, badInput("Length of '%s' must be >= 1", path)
	}
	list := make([]byte, 0, len(inside)/3)
	for more := true; more; {
		var item []byte
		item, inside, more = bytes.Cut(inside, []byte(","))
		value, ok := byteValue(bytes.TrimSpace(item))
		if !ok {
			return nil, wrongByte(fmt.Sprintf("%s/%d", path, len(list)), bytes.TrimSpace(item))
		}
		list = append(list, value)
	}
	return list, nil
}

// byteValue reads 0 to 255.
func byteValue(digits []byte) (byte, bool) {
	if len(digits) == 0 || len(digits) > 3 {
		return 0, false
	}
	n := 0
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = 10*n + int(d-'0')
	}
	return byte(n), n <= 255
}

// wrongByte says what is wrong with an element. A comma within a string or a list
// may have cut it in two; its beginning tells its type all the same.
func wrongByte(path string, item []byte) error {
	if is := chat.TypeOf(item); is != "number" {
		return badInput("Type mismatch of '%s', '%s' not in 'number'", path, is)
	}
	return badInput("'%s' must be a whole number from 0 to 255, and is %s", path, chat.Short(item))
}
