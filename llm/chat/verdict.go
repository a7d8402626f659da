package chat

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
)

// verdict is what a model that judges conversations (llama-guard) says, as JSON.
type verdict struct {
	Safe       bool     `json:"safe"`
	Categories []string `json:"categories"`
}

// hazard is the name of a category: S1 to S14 of llama-guard-3, O1 to O6 of the first one.
var hazard = regexp.MustCompile(`^[A-Z]\d{1,2}$`)

// Verdict reads the words of a model that judges conversations: "safe", or "unsafe"
// and in the line below the categories, with commas between them. It returns
// {safe, categories}, which is what a caller gets who asks for JSON.
func Verdict(words string) (json.RawMessage, error) {
	v := verdict{Categories: []string{}}
	first, rest, _ := strings.Cut(strings.TrimSpace(words), "\n")
	switch strings.TrimSpace(first) {
	case "safe":
		v.Safe = true
	case "unsafe":
	default:
		return nil, errNoVerdict
	}
	for category := range strings.FieldsFuncSeq(rest, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }) {
		if v.Safe || !hazard.MatchString(category) {
			return nil, errNoVerdict
		}
		v.Categories = append(v.Categories, category)
	}
	return encode(v), nil
}

// errNoVerdict is why an answer is no verdict.
var errNoVerdict = errors.New("the model's answer is neither safe nor unsafe")
