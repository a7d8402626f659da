package server

import (
	"encoding/json"
	"strings"
	"testing"

	"nearside/fault"
)

type sampleBody struct {
	Name   string          `json:"name"`
	Vector []float32       `json:"vector"`
	TopK   int             `json:"topK"`
	Exact  bool            `json:"exact"`
	Filter json.RawMessage `json:"filter"`
	Config struct {
		Dimensions int `json:"dimensions"`
	} `json:"config"`
}

func TestBadJSONIsRefusedInWords(t *testing.T) {
	for body, fragment := range map[string]string{
		"":                                      "empty",
		"  \n":                                  "empty",
		"{":                                     "unexpected end",
		"{} {}":                                 "after top-level value",
		`{"name":"a",}`:                         "byte 13",
		`{"vector":[NaN]}`:                      "near \"NaN",
		`{"vector":[Infinity]}`:                 "near \"Infinity",
		`{"vector":[1e39]}`:                     "vector: expected a number that fits 32-bit",
		`{"vector":"1,2"}`:                      "vector: expected an array, got string",
		`{"topK":"five"}`:                       "topK: expected a whole number, got string",
		`{"topK":1.5}`:                          "topK: expected a whole number, got number 1.5",
		`{"name":7}`:                            "name: expected a string, got number",
		`{"exact":"yes"}`:                       "exact: expected true or false",
		`{"config":{"dimensions":"x"}}`:         "config.dimensions: expected a whole number",
		`{"config":3}`:                          "config: expected an object",
		`[1]`:                                   "the body: expected an object, got array",
		`{"name":"\ud800"}`:                     "lone surrogate",
		`{"name":"\udc00x"}`:                    "lone surrogate",
		`{"name":"\ud83dx"}`:                    "lone surrogate",
		`{"name":"\ud83d\u0041"}`:               "lone surrogate",
		`{"name":"\ud83d\ud83d\ude00"}`:         "lone surrogate",
		"{\"name\":\"a\xffb\"}":                 "not UTF-8",
		"{\"name\":\"\xed\xa0\x80\"}":           "not UTF-8", // a surrogate written out
		`{"name":"\u12"}`:                       "",
		`{"name":"\x"}`:                         "",
		"{\"name\":\"a\nb\"}":                   "",
		strings.Repeat("[", 10_000):             "deeper than 128",
		`{"filter":` + strings.Repeat("[", 200): "deeper than 128",
		strings.Repeat(`{"a":`, maxDepth+1):     "deeper than 128",
	} {
		var v sampleBody
		err := decodeJSON([]byte(body), &v)
		f := fault.As(err)
		if f == nil || f.Kind != fault.Invalid || f.Reason != reasonJSON || !strings.Contains(f.Message, fragment) || len(f.Message) > 300 {
			t.Errorf("%.60q: %v; want a short refusal that says %q", body, err, fragment)
		}
	}
}

func TestGoodJSONIsTaken(t *testing.T) {
	nested := strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1)
	for _, body := range []string{
		`{}`,
		`{"unknown":true,"name":"ok"}`,
		`{"name":"\ud83d\ude00 😀 \\ud800 \"[[["}`,
		`{"filter":` + nested + `}`,
		"\n {\"topK\": 5} \n",
		`{"vector":[3.4e38,-1,0.1]}`,
		`{"name":null}`,
	} {
		if err := decodeJSON([]byte(body), new(sampleBody)); err != nil {
			t.Errorf("%.60q: %v", body, err)
		}
	}
}

func TestBindReadsTheBodyOfACall(t *testing.T) {
	h := start(t, Config{}, Route{Method: "POST", Path: "/bind", BodyLimit: testLimit, Handle: func(_ *Server, c *call) error {
		var v sampleBody
		if err := c.bind(&v); err != nil {
			return err
		}
		return c.reply(v.Name)
	}})
	h.do("POST", "/bind", strings.NewReader(`{"name":"x"}`)).want(t, 200, 0, `"result":"x"`)
	h.do("POST", "/bind", strings.NewReader(`{"name"`)).want(t, 400, 10400, "Failed to parse the request body as JSON")
	h.do("POST", "/bind", nil).want(t, 400, 10400, "empty")
}

func FuzzDecodeJSONTakesOnlyWhatIsWholeAndValid(f *testing.F) {
	for _, seed := range []string{`{}`, `{"name":"\ud83d\ude00"}`, `"\ud800"`, `[[[]]]`, `{"a":1e400}`, "\"\xff\"", `"\`, `"\u`, `{"name":"\uD83D\uDE0"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		if err := decodeJSON(data, &v); err != nil {
			if fault.As(err) == nil {
				t.Fatalf("not a fault: %v", err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q was taken", data)
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(again), "�") && !strings.Contains(string(data), "�") && !strings.Contains(strings.ToLower(string(data)), `\ufffd`) {
			t.Fatalf("%q lost a character and became %q", data, again)
		}
	})
}
