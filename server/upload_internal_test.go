package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"nearside/fault"
	"nearside/index"
	"nearside/vectorize"
)

// twoLines is an upload whose records every encoding must bring across.
const twoLines = `{"id":"a","values":[1,-2.5,3e2],"namespace":null,"metadata":{"genre":"noir","tags":["x","y"]}}
{"id":"b \"ü\" 😀","values":[0.1,0,-0],"namespace":"eu"}`

var twoRecords = []index.Record{
	{ID: "a", Values: []float32{1, -2.5, 300}, Metadata: json.RawMessage(`{"genre":"noir","tags":["x","y"]}`)},
	{ID: `b "ü" 😀`, Values: []float32{0.1, 0, 0}, Namespace: "eu"},
}

func newUpload() upload {
	return upload{operation: "upsert", dimensions: 3, limits: vectorize.Cloudflare()}
}

// part is one part of a form; its header is written as it stands.
type part struct{ header, body string }

// form encodes parts and returns the body and its content type.
func form(t testing.TB, parts ...part) (string, string) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for _, p := range parts {
		head := textproto.MIMEHeader{}
		for line := range strings.SplitSeq(p.header, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			head.Set(name, value)
		}
		body, err := w.CreatePart(head)
		if err == nil {
			_, err = io.WriteString(body, p.body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), w.FormDataContentType()
}

func literalOf(t testing.TB, text string) string {
	t.Helper()
	raw, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestEveryEncodingBringsTheSameRecords(t *testing.T) {
	lines := strings.Split(twoLines, "\n")
	object := `{"vectors":[` + lines[0] + `,` + lines[1] + `]}`
	wrangler := "Content-Disposition: form-data; name=\"vectors\"; filename=\"vectors.ndjson\"\nContent-Type: application/x-ndjson"
	type encoding struct{ name, body, contentType string }
	list := []encoding{
		{"lines", twoLines, typeNDJSON},
		{"lines with an end", twoLines + "\n", typeNDJSON},
		{"lines as Windows ends them, blank ones among them", "\r\n" + lines[0] + "\r\n\r\n  \r\n" + lines[1] + "\r\n\r\n", typeNDJSON},
		{"lines after a byte order mark", "\ufeff" + twoLines, typeNDJSON},
		{"lines called JSON", twoLines, "application/json"},
		{"a JSON string", literalOf(t, twoLines), typeNDJSON},
		{"a JSON string called JSON, with an end", " " + literalOf(t, twoLines+"\n") + "\n", "application/json; charset=utf-8;"},
		{"a JSON string of escapes", `"` + escaped(twoLines) + `"`, "application/json"},
		{"an object", object, "application/json"},
		{"an object called lines", object, typeNDJSON},
		{"an object on many lines with more keys", "{\n \"n\": [1, {\"id\": 2}],\n\"vectors\" : [ " + lines[0] + " ,\n\n" + lines[1] + "\n] , \"more\": \"}\" }\n", "application/json"},
		{"an object within a JSON string", literalOf(t, object), "application/json"},
		{"values broken across lines in an object", strings.ReplaceAll(object, ",-2.5,", ",\n-2.5\n,"), "application/json"},
	}
	for name, header := range map[string]string{
		"wrangler's form":            wrangler,
		"a form without part type":   `Content-Disposition: form-data; name="vectors"; filename="x"`,
		"a form without file name":   `Content-Disposition: form-data; name="vectors"`,
		"the Go SDK's nameless form": "Content-Disposition: form-data; name=\"\"; filename=\"anonymous_file\"\nContent-Type: application/octet-stream",
		"a form of another name":     `Content-Disposition: form-data; name="file"; filename=""`,
	} {
		body, contentType := form(t, part{header, twoLines})
		list = append(list, encoding{name, body, contentType})
	}
	body, contentType := form(t, part{`Content-Disposition: form-data; name="note"`, "not vectors"},
		part{`Content-Disposition: form-data; name="first"; filename="f"`, "no records here"}, part{wrangler, literalOf(t, twoLines)},
		part{`Content-Disposition: form-data; name="last"; filename="l"`, `{"id":"z"}`})
	list = append(list, encoding{"the part called vectors among others", body, contentType})
	for _, e := range list {
		for _, size := range []string{"whole", "byte by byte"} {
			t.Run(e.name+" "+size, func(t *testing.T) {
				var r io.Reader = strings.NewReader(e.body)
				if size != "whole" {
					r = iotest.OneByteReader(r)
				}
				u := newUpload()
				if err := u.decode(r, e.contentType); err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(u.records, twoRecords) {
					t.Errorf("got %+v\nwant %+v", u.records, twoRecords)
				}
			})
		}
	}
}

// escaped writes every character of text as a \u escape.
func escaped(text string) string {
	var out strings.Builder
	for _, r := range text {
		if r < 0x10000 {
			fmt.Fprintf(&out, `\u%04x`, r)
			continue
		}
		r -= 0x10000
		fmt.Fprintf(&out, `\u%04X\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
	}
	return out.String()
}

func TestWhatCannotBeReadIsRefusedWithItsPlace(t *testing.T) {
	good := `{"id":"a","values":[1,2,3]}`
	line := func(bad string) string { return good + "\n\n" + bad + "\n" + good }
	for _, c := range []struct{ name, body, want string }{
		{"not JSON", line(`nonsense`), "line 3: expected an object at byte 0, near \"nonsense\""},
		{"an array", line(`[1,2,3]`), "line 3: expected an object"},
		{"cut short", line(`{"id":"x","values":[1,2`), "line 3: \"values\": expected a comma or ], but it ends"},
		{"two on a line", line(good + good), "line 3: expected nothing more at byte 27"},
		{"no id", line(`{"values":[1,2,3]}`), `line 3: "id" is missing`},
		{"a number as id", line(`{"id":7,"values":[1,2,3]}`), `line 3: "id": expected a string`},
		{"NaN", line(`{"id":"x","values":[1,NaN,3]}`), `line 3: "values": position 1: expected a number at byte 22, near "NaN,3]}" (NaN and Infinity are not numbers in JSON)`},
		{"Infinity", line(`{"id":"x","values":[Infinity,2,3]}`), `"values": position 0`},
		{"minus Infinity", line(`{"id":"x","values":[1,2,-Infinity]}`), `"values": position 2`},
		{"too large for float32", line(`{"id":"x","values":[1,1e39,3]}`), `line 3: "values": position 1: "1e39" does not fit a 32-bit float; the largest is about 3.4e38`},
		{"too small for float32", line(`{"id":"x","values":[-1e39,1,3]}`), `position 0: "-1e39" does not fit`},
		{"null among values", line(`{"id":"x","values":[1,null,3]}`), `"values": position 1`},
		{"a string among values", line(`{"id":"x","values":[1,"2",3]}`), `"values": position 1`},
		{"nested values", line(`{"id":"x","values":[[1,2,3]]}`), `"values": position 0`},
		{"values as object", line(`{"id":"x","values":{"0":1}}`), `"values": expected an array of numbers`},
		{"a leading zero", line(`{"id":"x","values":[01,2,3]}`), `"values": expected a comma or ]`},
		{"a plus sign", line(`{"id":"x","values":[+1,2,3]}`), `"values": position 0`},
		{"a bare point", line(`{"id":"x","values":[.5,2,3]}`), `"values": position 0`},
		{"hexadecimal", line(`{"id":"x","values":[0x1,2,3]}`), `"values": expected a comma or ]`},
		{"an underscore", line(`{"id":"x","values":[1_0,2,3]}`), `"values": expected a comma or ]`},
		{"an open exponent", line(`{"id":"x","values":[1e,2,3]}`), `"values": position 0`},
		{"a comma at the end", line(`{"id":"x","values":[1,2,]}`), `"values": position 2`},
		{"a lone surrogate in the id", line(`{"id":"\ud800","values":[1,2,3]}`), `half a character (a lone surrogate)`},
		{"a lone surrogate in metadata", line(`{"id":"x","values":[1,2,3],"metadata":{"a":["\udc00"]}}`), `half a character (a lone surrogate)`},
		{"a lone surrogate in a namespace", line(`{"id":"x","values":[1,2,3],"namespace":"\ud83dx"}`), `half a character (a lone surrogate)`},
		{"bytes that are not UTF-8", line("{\"id\":\"\xff\",\"values\":[1,2,3]}"), `not UTF-8`},
		{"metadata that is no object", line(`{"id":"x","values":[1,2,3],"metadata":[1]}`), `"metadata": expected an object`},
		{"metadata that is not JSON", line(`{"id":"x","values":[1,2,3],"metadata":{"a":tru}}`), `"metadata": the value at byte 38 is not valid JSON`},
		{"metadata 10,000 deep", line(`{"id":"x","values":[1,2,3],"metadata":{"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}}`), "nests deeper than 128"},
		{"an unknown key 10,000 deep", line(`{"id":"x","values":[1,2,3],"more":` + strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000) + `}`), "nests deeper than 128"},
		{"10,000 open brackets", line(strings.Repeat("[", 10_000)), "line 3: expected an object"},
		{"a namespace that is a number", line(`{"id":"x","values":[1,2,3],"namespace":1}`), `"namespace": expected a string`},
		{"a stream's inside instead of its bytes", `{"_readableState":{"highWaterMark":65536},"fd":null,"path":"vectors.ndjson","flags":"r"}`, `line 1: "id" is missing`},
		{"a string without end", literalOf(t, good)[:20], "the string has no end"},
		{"more after a string", literalOf(t, good) + `"x"`, "expected nothing after its end"},
		{"a raw line end in a string", `"` + "\n" + `"`, "0x0a must be escaped"},
		{"half a character around the lines", `"{\"id\":\"\ud83d\",\"values\":[1,2,3]}"`, "half a character (a lone surrogate)"},
		{"half a character within the lines", literalOf(t, `{"id":"\ud83d","values":[1,2,3]}`), "half a character (a lone surrogate)"},
		{"an unknown escape", `"\x"`, "no escape of a JSON string"},
		{"an object without end", `{"vectors":[` + good, "vectors[0]: unexpected EOF"},
		{"a bad record in an object", `{"vectors":[` + good + `,{"id":1}]}`, `item 2: "id": expected a string`},
		{"a bare word in an object", `{"vectors":[` + good + `,]}`, `vectors[1]: expected a value`},
		{"vectors that are no array", `{"vectors":{}}`, `"id" is missing`},
		{"a line without end", good + "\n" + strings.Repeat(" ", maxLine+uploadBuffer), "line 2 is longer than 16777216 bytes"},
		{"an item without end", `{"vectors":["` + strings.Repeat("x", maxLine), "vectors[0]: it is longer than"},
		{"more after an object", `{"vectors":[` + good + `]}{}`, "expected nothing after its end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := newUpload()
			err := u.decode(strings.NewReader(c.body), typeNDJSON)
			f := fault.As(err)
			if f == nil || f.Reason != reasonUpload || !strings.HasPrefix(f.Message, "failed to parse upsert vectors request in json format: ") || !strings.Contains(f.Message, c.want) {
				t.Fatalf("got %v\nwant …%s", err, c.want)
			}
			if len(f.Message) > 400 {
				t.Errorf("the message has %d bytes", len(f.Message))
			}
		})
	}
}

func TestFormsThatCannotBeReadAreRefused(t *testing.T) {
	whole, contentType := form(t, part{`Content-Disposition: form-data; name="vectors"`, twoLines})
	empty, emptyType := form(t, part{`Content-Disposition: form-data; name="note"`, twoLines})
	for _, c := range []struct{ name, body, contentType, want string }{
		{"cut in a part", whole[:len(whole)/2], contentType, ""},
		{"cut at a line", whole[:strings.Index(whole, "\n{\"id\":\"b")], contentType, "multipart"},
		{"without end", strings.TrimSuffix(whole, "--\r\n"), contentType, "multipart"},
		{"without boundary", whole, "multipart/form-data", "boundary"},
		{"of another boundary", whole, "multipart/form-data; boundary=other", "multipart"},
		{"without vectors", empty, emptyType, `neither a part called "vectors" nor a file`},
		{"empty", "", contentType, "multipart"},
	} {
		u := newUpload()
		err := u.decode(strings.NewReader(c.body), c.contentType)
		if f := fault.As(err); f == nil || f.Reason != reasonUpload || !strings.Contains(f.Message, c.want) {
			t.Errorf("a form %s: %v", c.name, err)
		}
	}
}

func TestDiscardPassesOverWhatCannotBeReadAndNothingElse(t *testing.T) {
	good := `{"id":"a","values":[1,2,3]}`
	u := newUpload()
	u.discard = true
	if err := u.decode(strings.NewReader("nonsense\n"+good+"\n\n{\"id\":1}\n"+good+"\n{"), typeNDJSON); err != nil {
		t.Fatal(err)
	}
	if len(u.records) != 2 || !reflect.DeepEqual(u.discarded, []int{1, 4, 6}) {
		t.Errorf("%d records, discarded %v", len(u.records), u.discarded)
	}
	// A vector of the wrong length can be read: it is not for discard to hide it.
	u = newUpload()
	u.discard = true
	err := u.decode(strings.NewReader(good+"\n"+`{"id":"x","values":[`+strings.Repeat("1,", 1536)+`1]}`), typeNDJSON)
	if f := fault.As(err); f == nil || f.Reason != index.ReasonDimensions || !strings.Contains(f.Message, `invalid vector for id="x", expected 3 dimensions, and got 1537 dimensions`) {
		t.Errorf("got %v", err)
	}
}

func TestABatchTooLargeIsCountedAndNotKept(t *testing.T) {
	for _, n := range []int{4999, 5000, 5001, 20_000} {
		u := newUpload()
		err := u.decode(strings.NewReader(strings.Repeat(`{"id":"a","values":[1,2,3]}`+"\n", n)), typeNDJSON)
		if n <= 5000 {
			if err != nil || len(u.records) != n {
				t.Errorf("%d records: %d, %v", n, len(u.records), err)
			}
			continue
		}
		want := fmt.Sprintf("max batch size is 5000, got %d", n)
		if f := fault.As(err); f == nil || f.Reason != vectorize.ReasonBatch || !strings.Contains(f.Message, want) || len(u.records) > 5000 {
			t.Errorf("%d records: %d kept, %v", n, len(u.records), err)
		}
	}
	for _, empty := range []string{"", "\n \r\n", `""`, `{"vectors":[]}`, `"\n"`} {
		u := newUpload()
		if f := fault.As(u.decode(strings.NewReader(empty), typeNDJSON)); f == nil || f.Reason != vectorize.ReasonBatch {
			t.Errorf("%q: %v", empty, f)
		}
	}
}

func TestAFaultOfTheBodyIsNotTakenForItsContent(t *testing.T) {
	late := tooLarge(100, 0)
	whole, contentType := form(t, part{`Content-Disposition: form-data; name="vectors"`, twoLines})
	for _, c := range []struct{ body, contentType string }{
		{twoLines, typeNDJSON}, {literalOf(t, twoLines), typeNDJSON}, {`{"vectors":[` + twoLines, typeNDJSON}, {whole, contentType},
	} {
		for at := range c.body {
			u := newUpload()
			u.discard = true
			err := u.decode(io.MultiReader(strings.NewReader(c.body[:at]), iotest.ErrReader(late)), c.contentType)
			if !errors.Is(err, late) {
				t.Fatalf("after %d bytes of %.30q: %v", at, c.body, err)
			}
		}
	}
}

func TestMetadataIsKeptAsCloudflareMeasuresIt(t *testing.T) {
	for sent, kept := range map[string]string{
		`{ "a" : [ 1.0 , "x y" ] , "b" : { } }`:       `{"a":[1.0,"x y"],"b":{}}`,
		`{"a":"\u00fc\ud83d\ude00\/"}`:                `{"a":"ü😀/"}`,
		`{"a":"\u0001\u001F\n\t\r\b\f\"\\\u2028<>&"}`: "{\"a\":\"\\u0001\\u001f\\n\\t\\r\\b\\f\\\"\\\\\u2028<>&\"}",
		`null`: ``,
	} {
		u := newUpload()
		if err := u.decode(strings.NewReader(`{"id":"a","values":[1,2,3],"metadata":`+sent+`}`), typeNDJSON); err != nil {
			t.Fatal(err)
		}
		if got := string(u.records[0].Metadata); got != kept {
			t.Errorf("%s is kept as %s, want %s", sent, got, kept)
		}
	}
}

func TestRecordsDoNotShareMemory(t *testing.T) {
	u := newUpload()
	if err := u.decode(strings.NewReader(strings.Repeat(`{"id":"a","values":[1,2,3]}`+"\n", 200)), typeNDJSON); err != nil {
		t.Fatal(err)
	}
	for i := range u.records {
		grown := append(u.records[i].Values, 99)
		grown[0] = float32(i)
		u.records[i].Values[1] = float32(i)
	}
	for i, r := range u.records {
		if r.Values[0] != 1 || r.Values[1] != float32(i) || r.Values[2] != 3 {
			t.Fatalf("record %d has %v", i, r.Values)
		}
	}
}

func TestDecodingHoldsLittleMoreThanTheRecords(t *testing.T) {
	const dimensions, n = 768, 2000
	text := `{"id":"a","values":[` + strings.TrimSuffix(strings.Repeat("-0.123456789012345,", dimensions), ",") + "]}\n"
	for name, body := range map[string]func() io.Reader{
		"lines": func() io.Reader { return &repeat{text: text, left: n * len(text)} },
		"a JSON string": func() io.Reader {
			return io.MultiReader(strings.NewReader(`"`), &repeat{text: escapeLine(text), left: n * len(escapeLine(text))}, strings.NewReader(`"`))
		},
	} {
		allocated := allocatedBy(t, func() {
			u := upload{operation: "upsert", dimensions: dimensions, limits: vectorize.Cloudflare()}
			if err := u.decode(body(), typeNDJSON); err != nil {
				t.Fatal(err)
			}
		})
		if most := uint64(n*dimensions*4) * 5 / 4; allocated > most {
			t.Errorf("%s: %d MB of text took %d bytes in all, want at most %d", name, n*len(text)>>20, allocated, most)
		}
	}
}

func escapeLine(line string) string {
	raw, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	return string(raw[1 : len(raw)-1])
}

// allocatedBy is how many bytes f allocates in all, freed or not.
func allocatedBy(t *testing.T, f func()) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// repeat is a text again and again.
type repeat struct {
	text string
	at   int
	left int
}

// Read implements io.Reader.
func (r *repeat) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.left)], r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	r.left -= n
	return n, nil
}

// FuzzUpload feeds the decoder bodies of all shapes: it must not panic, must not
// keep what the index could not hold, and must read back what it wrote.
func FuzzUpload(f *testing.F) {
	lines := strings.Split(twoLines, "\n")
	wrangler, contentType := form(f, part{"Content-Disposition: form-data; name=\"vectors\"; filename=\"vectors.ndjson\"", twoLines})
	for _, seed := range []struct{ body, contentType string }{
		{twoLines, typeNDJSON}, {literalOf(f, twoLines), "application/json"}, {`{"vectors":[` + lines[0] + `,` + lines[1] + `]}`, "application/json"},
		{wrangler, contentType}, {`"` + escaped(lines[1]) + `"`, typeNDJSON}, {`{"id":"x","values":[1e39,NaN]}`, typeNDJSON}, {"\ufeff\r\n" + lines[0], ""},
	} {
		f.Add([]byte(seed.body), seed.contentType, false)
		f.Add([]byte(seed.body), seed.contentType, true)
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType string, discard bool) {
		u := newUpload()
		u.discard = discard
		err := u.decode(bytes.NewReader(body), contentType)
		if err != nil {
			if fault.As(err) == nil || fault.KindOf(err) == fault.Internal {
				t.Fatalf("not a fault for the client: %v", err)
			}
			return
		}
		if len(u.records) == 0 {
			return // all of it was discarded
		}
		var again bytes.Buffer
		for _, r := range u.records {
			if r.Metadata != nil && (!json.Valid(r.Metadata) || r.Metadata[0] != '{') {
				t.Fatalf("metadata %q", r.Metadata)
			}
			line, err := json.Marshal(map[string]any{"id": r.ID, "values": append([]float32{}, r.Values...), "namespace": r.Namespace, "metadata": r.Metadata})
			if err != nil {
				t.Fatal(err)
			}
			again.Write(append(line, '\n'))
		}
		second := newUpload()
		if err := second.decode(&again, typeNDJSON); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		for i := range u.records {
			a, b := u.records[i], second.records[i]
			if a.ID != b.ID || a.Namespace != b.Namespace || !bytes.Equal(compactOrNil(a.Metadata), compactOrNil(b.Metadata)) || len(a.Values) != len(b.Values) {
				t.Fatalf("read %+v, again %+v", a, b)
			}
		}
	})
}

func compactOrNil(metadata []byte) []byte {
	if metadata == nil {
		return nil
	}
	return compact(nil, metadata)
}

func BenchmarkUpload768(b *testing.B) {
	text := `{"id":"a","values":[` + strings.TrimSuffix(strings.Repeat("-0.12345678,", 768), ",") + `],"metadata":{"genre":"noir"}}` + "\n"
	body := strings.Repeat(text, 1000)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		u := upload{operation: "upsert", dimensions: 768, limits: vectorize.Cloudflare()}
		if err := u.decode(strings.NewReader(body), typeNDJSON); err != nil {
			b.Fatal(err)
		}
	}
}
