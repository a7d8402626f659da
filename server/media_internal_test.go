package server

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	_ "image/jpeg" // what phoenix answers with
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"nearside/llm"
	"nearside/llm/backend"
	"nearside/llm/backend/backendtest"
	"nearside/llm/openai"
)

const (
	whisper    = "@cf/openai/whisper"
	turbo      = "@cf/openai/whisper-large-v3-turbo"
	nova3      = "@cf/deepgram/nova-3"
	nemotron   = "@cf/nvidia/nemotron-speech-streaming-en-0.6b"
	melotts    = "@cf/myshell-ai/melotts"
	aura       = "@cf/deepgram/aura-1"
	schnell    = "@cf/black-forest-labs/flux-1-schnell"
	flux2dev   = "@cf/black-forest-labs/flux-2-dev"
	klein      = "@cf/black-forest-labs/flux-2-klein-9b"
	lucid      = "@cf/leonardo/lucid-origin"
	phoenix    = "@cf/leonardo/phoenix-1.0"
	sdxl       = "@cf/stabilityai/stable-diffusion-xl-base-1.0"
	llava      = "@cf/llava-hf/llava-1.5-7b-hf"
	moondream3 = "@cf/moondream/moondream3.1-9B-A2B"
	resnet     = "@cf/microsoft/resnet-50"
)

// medial is modelled with every model for pictures and sounds, which the server openai has.
func medial(t *testing.T, config Config) (*harness, servers, Parts) {
	t.Helper()
	h, s, parts := modelled(t, config)
	for _, m := range parts.Models.Catalogue().Models() {
		switch m.Task {
		case llm.SpeechRecognition, llm.TextToSpeech, llm.TextToImage, llm.ImageToText:
			for _, b := range m.Backends {
				if b.Kind == llm.OpenAI {
					s.openai.Add(backendtest.Model{Name: b.Model})
				}
			}
		}
	}
	return h, s, parts
}

// mediaCharges is a call for every task on pictures and sounds whose model has a price.
var mediaCharges = map[string]chargeTest{
	"a picture described":   {path: home + "/ai/run/" + moondream3, body: `{"task":"query","image":"data:image/png;base64,` + base64ed(dot) + `","question":"why is the sky blue"}`, media: true},
	"speech written down":   {path: home + "/ai/run/" + whisper, body: `{"audio":` + numbered("a cat") + `}`, media: true},
	"speech in base64":      {path: home + "/ai/run/" + turbo, body: `{"audio":"` + base64ed("a cat") + `","initial_prompt":"a cat"}`, media: true},
	"speech for nova":       {path: home + "/ai/run/" + nova3, body: `{"audio":{"body":"` + base64ed("a cat") + `","contentType":"audio/mpeg"}}`, media: true},
	"a text read aloud":     {path: home + "/ai/run/" + aura, body: `{"text":"a cat"}`, media: true},
	"a text in JSON":        {path: home + "/ai/run/" + melotts, body: `{"prompt":"a cat"}`, media: true},
	"a picture painted":     {path: home + "/ai/run/" + schnell, body: `{"prompt":"a cat"}`, media: true},
	"a JPEG painted":        {path: home + "/ai/run/" + phoenix, body: `{"prompt":"a cat","width":32,"height":32}`, media: true},
	"a picture from a form": {path: home + "/ai/run/" + klein, body: `{"multipart":{"body":"--x\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na cat\r\n--x--\r\n","contentType":"multipart/form-data; boundary=x"}}`, media: true},
}

// second is a backend before openai that has every model of the media charges, and fails.
const second = `
backends:
  - {name: second, kind: openai, url: %q}
models:
`

func TestAfterAFailoverMediaAreChargedOnce(t *testing.T) {
	source, err := os.ReadFile("../models.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range mediaCharges {
		h, s, parts := medial(t, Config{})
		failing := backendtest.New(t)
		failing.Add(backendtest.Model{Name: "m"})
		id := strings.TrimPrefix(c.path, home+"/ai/run/")
		m, err := parts.Models.Catalogue().Model(id)
		if err != nil {
			t.Fatal(err)
		}
		last := m.Backends[len(m.Backends)-1].Model
		mine := fmt.Sprintf(second+"  - {id: %q, backends: [{kind: second, model: m}, {kind: openai, model: %q}]}\n", failing.URL, id, last)
		catalogue, err := llm.LoadFiles(llm.Source{Name: "models.yaml", Bytes: source}, llm.Source{Name: "mine.yaml", Bytes: []byte(mine)})
		if err != nil {
			t.Fatal(err)
		}
		var backends []backend.Backend
		for name, server := range map[string]*backendtest.Server{"second": failing, "openai": s.openai} {
			b, err := openai.New(openai.Options{Name: name, URL: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			guard := backend.NewGuard(b, backend.Limits{Failures: 1000})
			t.Cleanup(func() { _ = guard.Close() }) // what it closes is gone anyway
			backends = append(backends, guard)
		}
		if err := parts.Models.Swap(catalogue, backends); err != nil {
			t.Fatal(err)
		}
		for _, lie := range []backendtest.Lie{backendtest.Status500, backendtest.Status503, backendtest.CloseAfterHeaders} {
			failing.Lie(lie)
			before := charged(t, parts)
			a := h.post(c.path, c.body)
			a.want(t, 200, 0)
			if cost := charged(t, parts) - before; cost == 0 || a.told(t) != cost.String() || a.header.Get("nearside-route") != "failover" || a.header.Get("nearside-backend") != "openai" {
				t.Errorf("%s, %s: told %s, charged %s, headers %v", name, lie, a.told(t), cost, a.header)
			}
		}
		if parts.Ledger.Reservations() != 0 {
			t.Errorf("%s: %d reservations are left", name, parts.Ledger.Reservations())
		}
	}
}

// run sends a body of any type to a model.
func (h *harness) run(model, contentType, body string) answer {
	h.t.Helper()
	return h.do("POST", home+"/ai/run/"+model, strings.NewReader(body), "Content-Type: "+contentType)
}

// dot is a picture, and numbered how JSON has its bytes.
var dot = string(backendtest.Picture(2, 2))

func numbered(file string) string {
	var list []string
	for _, b := range []byte(file) {
		list = append(list, fmt.Sprint(b))
	}
	return "[" + strings.Join(list, ",") + "]"
}

func base64ed(file string) string { return base64.StdEncoding.EncodeToString([]byte(file)) }

// formOf is the body of a form, and its content type.
func formOf(t *testing.T, fields map[string]string, files ...string) (contentType, body string) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for name, value := range fields {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	for i, file := range files {
		part, err := w.CreateFormFile(fmt.Sprintf("input_image_%d", i), "image.png")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte(file)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), out.String()
}

const (
	whisperReply = `{"result":{"text":"hello there","word_count":2,"words":[{"word":"hello","start":0,"end":0.7},{"word":"there","start":0.8,"end":1.5}],"vtt":"WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nhello there\n"},"success":true,"errors":[],"messages":[]}`
	turboReply   = `{"result":{"transcription_info":{"language":"en","duration":1.5,"duration_after_vad":1.5},"text":"hello there","word_count":2,` +
		`"segments":[{"start":0,"end":1.5,"text":" hello there","temperature":0.2,"avg_logprob":-0.25,"compression_ratio":0.75,"no_speech_prob":0.125,"words":[{"word":"hello","start":0,"end":0.7},{"word":"there","start":0.8,"end":1.5}]}],` +
		`"vtt":"WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nhello there\n"},"success":true,"errors":[],"messages":[]}`
	novaReplied    = `{"result":{"results":{"channels":[{"alternatives":[{"transcript":"hello there","confidence":0.7788007830714049,"words":[{"word":"hello","start":0,"end":0.7},{"word":"there","start":0.8,"end":1.5}]}]}]}},"success":true,"errors":[],"messages":[]}`
	nemotronReply  = `{"result":{"text":"hello there","duration":1.5},"success":true,"errors":[],"messages":[]}`
	describedReply = `{"result":{"description":"The sky is blue."},"success":true,"errors":[],"messages":[]}`
)

func TestMediaAreAnsweredInTheShapesOfTheirModels(t *testing.T) {
	h, s, parts := medial(t, Config{})
	spoken := string(backendtest.Sound)
	square := func(side int) string { return string(backendtest.Picture(side, side)) }
	s.ollama.Add(backendtest.Model{Name: "llava:7b-v1.5-q4_0"})
	backends := map[bool]string{true: "ollama", false: "openai"}
	inJSON := func(picture string) string {
		return `{"result":{"image":"` + base64ed(picture) + `"},"success":true,"errors":[],"messages":[]}`
	}
	formType, formBody := formOf(t, map[string]string{"prompt": "a cat", "width": "512", "height": "256", "seed": "7", "steps": "2"})
	bare := formBody[2:strings.Index(formBody, "\r\n")]
	for name, test := range map[string]struct {
		model, contentType, body string
		kind, want               string
	}{
		"whisper, a list of bytes":     {whisper, typeJSON, `{"audio":[1,2,255],"source_lang":"en"}`, typeJSON, whisperReply},
		"whisper, the file":            {whisper, "audio/mpeg", spoken, typeJSON, whisperReply},
		"whisper, octets":              {whisper, typeBytes, spoken, typeJSON, whisperReply},
		"whisper, curl --data-binary":  {whisper, "application/x-www-form-urlencoded", spoken, typeJSON, whisperReply},
		"whisper, curl -d":             {whisper, "application/x-www-form-urlencoded", ` {"audio":[1]}`, typeJSON, whisperReply},
		"turbo":                        {turbo, typeJSON, `{"audio":"` + base64ed(spoken) + `","task":"transcribe","language":null}`, typeJSON, turboReply},
		"turbo, base64 without an end": {turbo, typeJSON, `{"audio":"` + strings.TrimRight(base64ed(spoken), "=") + `"}`, typeJSON, turboReply},
		"nova":                         {nova3, "audio/wav", spoken, typeJSON, novaReplied},
		"nova, JSON":                   {nova3, typeJSON, `{"audio":{"body":[1,2],"contentType":"audio/mpeg"}}`, typeJSON, novaReplied},
		"nova, base64":                 {nova3, typeJSON, `{"audio":{"body":"SUQz","contentType":"audio/mpeg"},"language":"en"}`, typeJSON, novaReplied},
		"nemotron":                     {nemotron, "audio/wav", spoken, typeJSON, nemotronReply},
		"nemotron, JSON":               {nemotron, typeJSON, `{"audio":"SUQz"}`, typeJSON, nemotronReply},
		"melotts":                      {melotts, typeJSON, `{"prompt":"hello","lang":"en"}`, typeJSON, `{"result":{"audio":"` + base64ed(spoken) + `"},"success":true,"errors":[],"messages":[]}`},
		"aura":                         {aura, typeJSON, `{"text":"hello","speaker":"angus"}`, "audio/mpeg", spoken},
		"aura as flac":                 {aura, typeJSON, `{"text":"hello","encoding":"flac"}`, "audio/flac", spoken},
		"aura as wav":                  {aura, typeJSON, `{"text":"hello","encoding":"linear16"}`, "audio/wav", spoken},
		"flux-1":                       {schnell, typeJSON, `{"prompt":"a cat"}`, typeJSON, inJSON(square(1024))},
		"flux-2, a form":               {flux2dev, formType, formBody, typeJSON, inJSON(string(backendtest.Picture(512, 256)))},
		"flux-2, no boundary":          {flux2dev, typeMultipart, formBody, typeJSON, inJSON(string(backendtest.Picture(512, 256)))},
		"flux-2, a form in JSON":       {klein, typeJSON, `{"multipart":{"body":` + quoted(t, formBody) + `,"contentType":"` + formType + `"}}`, typeJSON, inJSON(string(backendtest.Picture(512, 256)))},
		"flux-2, bytes in JSON":        {klein, typeJSON, `{"multipart":{"body":` + numbered(formBody) + `,"contentType":"multipart/form-data; boundary=` + bare + `"}}`, typeJSON, inJSON(string(backendtest.Picture(512, 256)))},
		"lucid":                        {lucid, typeJSON, `{"prompt":"a cat","width":256,"height":512}`, typeJSON, inJSON(string(backendtest.Picture(256, 512)))},
		"sdxl":                         {sdxl, typeJSON, `{"prompt":"a cat","width":256,"num_steps":20,"guidance":7.5}`, "image/png", string(backendtest.Picture(256, 1024))},
		"sdxl from a picture":          {sdxl, typeJSON, `{"prompt":"a cat","image":` + numbered(dot) + `,"mask":` + numbered(dot) + `,"strength":0.5}`, "image/png", square(64)},
		"sdxl from base64":             {sdxl, typeJSON, `{"prompt":"a cat","image_b64":"` + base64ed(dot) + `"}`, "image/png", square(64)},
		"llava, a list of bytes":       {llava, typeJSON, `{"image":` + numbered(dot) + `,"prompt":"what is it?","max_tokens":20}`, typeJSON, describedReply},
		"llava, the file":              {llava, "image/png", dot, typeJSON, describedReply},
		"llava, a data URI":            {llava, typeJSON, `{"image":"data:image/png;base64,` + base64ed(dot) + `"}`, typeJSON, describedReply},
		"moondream, a question": {moondream3, typeJSON, `{"task":"query","image":"data:image/png;base64,` + base64ed(dot) + `","question":"is it black?"}`, typeJSON,
			`{"result":{"finish_reason":"stop","metrics":{"input_tokens":3,"output_tokens":5},"answer":"The sky is blue."},"success":true,"errors":[],"messages":[]}`},
		"moondream, a caption": {moondream3, typeJSON, `{"task":"caption","image":"data:image/png;base64,` + base64ed(dot) + `","length":"short"}`, typeJSON,
			`{"result":{"finish_reason":"stop","metrics":{"input_tokens":7,"output_tokens":5},"caption":"The sky is blue."},"success":true,"errors":[],"messages":[]}`},
	} {
		before := charged(t, parts)
		a := h.run(test.model, test.contentType, test.body)
		if a.status != 200 || a.header.Get("Content-Type") != test.kind || a.body != test.want {
			t.Errorf("%s: got %d, %q: %.600s\nwant %q: %.600s", name, a.status, a.header.Get("Content-Type"), a.body, test.kind, test.want)
			continue
		}
		if cost := charged(t, parts) - before; a.header.Get("cf-ai-neurons") != cost.String() || a.header.Get("nearside-backend") != backends[test.model == llava] || len(a.header.Get("cf-ai-req-id")) != 36 {
			t.Errorf("%s: charged %s, headers %v", name, cost, a.header)
		}
	}
}

// What stands beside a file that is the whole body is in the query.
func TestWhatIsAskedBesideAFileReachesTheBackend(t *testing.T) {
	h, s, _ := medial(t, Config{})
	for query, want := range map[string]struct{ path, asked string }{
		"?language=de&initial_prompt=Zahlen":    {"/v1/audio/transcriptions", "name=\"prompt\"\r\n\r\nZahlen\r\n"},
		"?source_lang=fr":                       {"/v1/audio/transcriptions", "name=\"language\"\r\n\r\nfr\r\n"},
		"?source_lang=fr&target_lang=en":        {"/v1/audio/translations", "name=\"language\"\r\n\r\nfr\r\n"},
		"?task=translate":                       {"/v1/audio/translations", "filename=\"audio.flac\""},
		"?source_lang=en&target_lang=en&dry=no": {"/v1/audio/transcriptions", "name=\"language\"\r\n\r\nen\r\n"},
	} {
		before := len(s.openai.Asked(want.path))
		h.run(whisper+query, "audio/x-flac", "fLaC").want(t, 200, 0)
		asked := s.openai.Asked(want.path)
		if len(asked) != before+1 || !strings.Contains(string(asked[len(asked)-1]), want.asked) {
			t.Errorf("%s: %d calls of %s: %.600s", query, len(asked)-before, want.path, asked)
		}
	}
	h.run(llava+"?prompt=what+is+it%3F", "image/png", dot).want(t, 200, 0)
	if asked := s.openai.Asked("/v1/chat/completions"); len(asked) != 1 || !strings.Contains(string(asked[0]), "what is it?") {
		t.Errorf("asked %.300s", asked)
	}
}

// Words belong to the segment that they begin in, also where their times are no order.
func TestWordsStandInTheirSegments(t *testing.T) {
	heard := backend.Transcript{
		Text:     "a b c d",
		Segments: []backend.Segment{{Start: 0.5, End: 2, Text: "a b"}, {Start: 2, End: 3}, {Start: 3, End: 4, Text: "c d"}},
		Words:    []backend.Word{{Start: 0, End: 1, Word: "a"}, {Start: 1, End: 2.5, Word: "b"}, {Start: 3, End: 3.5, Word: "c"}, {Start: 1, End: 4, Word: "d"}},
	}
	var got []string
	for _, s := range whisperSegments(heard, words(heard)) {
		line := ""
		for _, w := range s.Words {
			line += w.Word
		}
		got = append(got, line)
	}
	if strings.Join(got, "|") != "ab||cd" {
		t.Errorf("got %q", got)
	}
	untimed := whisperSegments(backend.Transcript{Text: "a", Duration: time.Second}, nil)
	if len(untimed) != 1 || untimed[0].End != 1 || len(whisperSegments(backend.Transcript{}, nil)) != 0 {
		t.Errorf("got %+v", untimed)
	}
}

func FuzzForm(f *testing.F) {
	f.Add([]byte("--x\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na cat\r\n--x--\r\n"), "multipart/form-data; boundary=x")
	f.Add([]byte("--x\r\nContent-Disposition: form-data; name=\"width\"\r\n\r\n99999999999999999999\r\n--x--\r\n"), "multipart/form-data")
	f.Fuzz(func(t *testing.T, form []byte, kind string) {
		parts, err := formParts(form, kind)
		if err != nil {
			return
		}
		if q, err := parts.painting(); err == nil && (q.Prompt == "" || q.Width > mostSide || q.Height > mostSide || len(q.Images) > mostInputs) {
			t.Errorf("%+v", q)
		}
	})
}

func quoted(t *testing.T, s string) string {
	t.Helper()
	out, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestPhoenixAnswersWithJPEG(t *testing.T) {
	h, _, _ := medial(t, Config{})
	a := h.run(phoenix, typeJSON, `{"prompt":"a cat","width":64,"height":32,"num_steps":2,"negative_prompt":"dogs"}`)
	picture, format, err := image.Decode(strings.NewReader(a.body))
	if err != nil || a.header.Get("Content-Type") != "image/jpeg" || format != "jpeg" || picture.Bounds().Dx() != 64 || picture.Bounds().Dy() != 32 {
		t.Errorf("got %d, %v, %s, %v", a.status, a.header, format, err)
	}
}

// The worked example: 4 tiles × (4.80 + 4 steps × 9.60). The others are the price list's, by hand.
func TestMediaCostWhatCloudflareChargesForThem(t *testing.T) {
	h, s, _ := medial(t, Config{})
	formType, big := formOf(t, map[string]string{"prompt": "a cat", "width": "1024", "height": "1024", "steps": "10"}, dot)
	for name, test := range map[string]struct {
		model, contentType, body, want string
		lie                            backendtest.Lie
		warning                        string
	}{
		"four tiles in four steps":                  {model: schnell, body: `{"prompt":"a cat"}`, want: "172.800000"},
		"four tiles in one step":                    {model: schnell, body: `{"prompt":"a cat","steps":1}`, want: "57.600000"},
		"a tile of lucid in 20 steps":               {model: lucid, body: `{"prompt":"a cat","width":512,"height":512}`, want: "876.000000"},
		"flux-2-dev from a picture":                 {model: flux2dev, contentType: formType, body: big, want: "1687.500000"},   // 10 steps × (18.75 + 4 × 37.50)
		"flux-2-klein from a picture":               {model: klein, contentType: formType, body: big, want: "1545.454545"},      // (0.015 + 0.002) / 0.000011
		"a second and a half of speech":             {model: whisper, body: `{"audio":[1]}`, want: "1.028500"},                  // 41.14 / 40
		"of nova":                                   {model: nova3, contentType: "audio/wav", body: "sound", want: "11.818182"}, // 0.0052 / 0.000011 / 40
		"nobody tells the length, but the words do": {model: whisper, body: `{"audio":[1]}`, lie: backendtest.NoUsage, want: "1.028500", warning: "is estimated"},
		"only the number of words does":             {model: whisper, body: `{"audio":[1]}`, lie: backendtest.NoTimes, want: "0.548533", warning: "is estimated"},             // 0.8 s
		"the file does":                             {model: whisper, contentType: "audio/mpeg", body: string(backendtest.Sound), lie: backendtest.NoTimes, want: "1.790961"}, // 2.612 s
		"silence is paid by its bytes":              {model: whisper, contentType: "audio/mpeg", body: strings.Repeat("x", 48_000), lie: backendtest.Empty, want: "1.028500"},
		"11 characters":                             {model: aura, body: `{"text":"hällo wörld"}`, want: "15.000000"}, // 11 × 0.015 / 1000 / 0.000011
		"speech by its length":                      {model: melotts, body: `{"prompt":"hello"}`, want: "0.811026"},   // 2.612 s of 18.63 a minute
		"a description is free":                     {model: llava, contentType: "image/png", body: dot, want: "0.000000"},
	} {
		s.openai.Lie(test.lie)
		if test.contentType == "" {
			test.contentType = typeJSON
		}
		a := h.run(test.model, test.contentType, test.body)
		if a.status != 200 || a.header.Get("cf-ai-neurons") != test.want {
			t.Errorf("%s: got %d, %q neurons, want %s: %.200s", name, a.status, a.header.Get("cf-ai-neurons"), test.want, a.body)
		}
		if warning := a.header.Get("nearside-warning"); !strings.Contains(warning, test.warning) || test.warning == "" && strings.Contains(warning, "estimated") {
			t.Errorf("%s: the warning is %q", name, warning)
		}
	}
}

func TestAMediumFromAGatewaysCacheIsWhatItWasAndFree(t *testing.T) {
	h, s, parts := medial(t, Config{})
	for _, c := range [][3]string{{schnell, typeJSON, `{"prompt":"a cat"}`}, {aura, typeJSON, `{"text":"a cat"}`}, {whisper, "audio/wav", "a cat"}} {
		ask := func(query string) answer {
			return h.do("POST", home+"/ai/run/"+c[0]+query, strings.NewReader(c[2]), "Content-Type: "+c[1], "cf-aig-gateway-id: mine", "cf-aig-cache-ttl: 60")
		}
		first := ask("")
		before, asked := charged(t, parts), len(s.openai.Requests())
		again := ask("")
		if first.status != 200 || again.body != first.body || again.header.Get("Content-Type") != first.header.Get("Content-Type") || again.told(t) != "0.000000" || charged(t, parts) != before || len(s.openai.Requests()) != asked {
			t.Errorf("%s: %d, then %d %v", c[0], first.status, again.status, again.header)
		}
		if c[1] != typeJSON && ask("?language=de").told(t) == "0.000000" {
			t.Errorf("%s: what the query says is no part of the cache's key", c[0])
		}
	}
}

// hostileMedia are calls that are refused before anything is asked of a backend.
func hostileMedia(t *testing.T) map[string]struct {
	model, contentType, body string
	status, code             int
	fragment                 string
} {
	noPrompt, formNoPrompt := formOf(t, map[string]string{"width": "512"})
	tooWide, formTooWide := formOf(t, map[string]string{"prompt": "x", "width": "1921"})
	noNumber, formNoNumber := formOf(t, map[string]string{"prompt": "x", "height": "tall"})
	noPicture, formNoPicture := formOf(t, map[string]string{"prompt": "x"}, "this is a text")
	crowd, formCrowd := formOf(t, map[string]string{"prompt": "x"}, dot, dot, dot, dot, dot)
	many := map[string]string{"prompt": "x"}
	for i := range mostParts {
		many[fmt.Sprintf("part%d", i)] = "x"
	}
	parts, formParts := formOf(t, many)
	uri := `"data:image/png;base64,` + base64ed(dot) + `"`
	return map[string]struct {
		model, contentType, body string
		status, code             int
		fragment                 string
	}{
		"no body":                            {whisper, "audio/wav", "", 400, 3003, "or the file itself"},
		"no audio":                           {whisper, typeJSON, `{}`, 400, 5006, "required properties at '/' are 'audio'"},
		"empty audio":                        {whisper, typeJSON, `{"audio":[]}`, 400, 5006, "Length of '/audio' must be >= 1"},
		"a byte of 256":                      {whisper, typeJSON, `{"audio":[0,256]}`, 400, 5006, "'/audio/1' must be a whole number from 0 to 255, and is 256"},
		"a byte of -1":                       {whisper, typeJSON, `{"audio":[-1]}`, 400, 5006, "'/audio/0' must be a whole number from 0 to 255"},
		"a byte of 1.5":                      {nova3, typeJSON, `{"audio":{"body":[1.5],"contentType":"audio/wav"}}`, 400, 5006, "'/audio/body/0'"},
		"a list for a byte":                  {whisper, typeJSON, `{"audio":[[1]]}`, 400, 5006, "Type mismatch of '/audio/0', 'array' not in 'number'"},
		"half a list":                        {whisper, typeJSON, `{"audio":[1,2`, 400, 5006, ""},
		"audio that is a text":               {whisper, typeJSON, `{"audio":7}`, 400, 5006, "'/audio'"},
		"no base64":                          {turbo, typeJSON, `{"audio":"no base64!"}`, 400, 5004, "'/audio' is not base64"},
		"empty base64":                       {turbo, typeJSON, `{"audio":"===="}`, 400, 5006, "Length of '/audio' must be >= 1"},
		"bytes for base64":                   {turbo, typeJSON, `{"audio":[1]}`, 400, 5006, "'/audio', 'array' not in 'string'"},
		"an unknown task":                    {turbo, typeJSON, `{"audio":"SUQz","task":"sing"}`, 400, 5006, "'/task' must be one of 'transcribe', 'translate'"},
		"a stream in JSON":                   {nova3, typeJSON, `{"audio":{"body":{},"contentType":"audio/wav"}}`, 400, 5006, "JSON carries no stream"},
		"nova without a type":                {nova3, typeJSON, `{"audio":{"body":[1]}}`, 400, 5006, "'contentType'"},
		"a form for a sound":                 {whisper, tooWide, formTooWide, 400, 5006, ""},
		"a huge nested list":                 {nova3, typeJSON, `{"audio":{"contentType":"x","body":"SUQz","more":[` + strings.Repeat("0,", 200_000) + `0]}}`, 400, 5006, "more than 100000 values"},
		"a list of a million lists":          {sdxl, typeJSON, `{"prompt":"x","extra":[` + strings.Repeat("[],", 1_000_000) + `0]}`, 400, 5006, "more than 100000 values"},
		"websocket only":                     {"@cf/deepgram/flux", typeJSON, `{"audio":"x"}`, 501, 10501, "WebSocket"},
		"the end of a turn":                  {"@cf/pipecat-ai/smart-turn-v2", typeJSON, `{"audio":"x"}`, 501, 10501, "has a form of its own"},
		"detection":                          {"@cf/facebook/detr-resnet-50", "image/png", dot, 501, 10501, "object-detection pipeline"},
		"vectors of pictures":                {"@cf/openai/clip-vit-base-patch32", "image/png", dot, 501, 10501, "turns pictures into vectors"},
		"a decision":                         {"@cf/cloudflare/clef", typeJSON, `{}`, 501, 10501, "runs at Cloudflare alone"},
		"a text for a picture":               {llava, "image/png", "this is a text", 400, 5006, "'/' is no picture"},
		"bytes that are no picture":          {resnet, typeJSON, `{"image":[1,2,3]}`, 400, 5006, "'/image' is no picture"},
		"an address":                         {moondream3, typeJSON, `{"task":"caption","image":"https://example.com/x.png"}`, 400, 5006, "nothing is fetched"},
		"no question":                        {moondream3, typeJSON, `{"task":"query","image":` + uri + `}`, 400, 5006, "required properties at '/' are 'question'"},
		"points":                             {moondream3, typeJSON, `{"task":"point","image":` + uri + `,"target":"x"}`, 501, 10501, "/v1/point"},
		"boxes":                              {moondream3, typeJSON, `{"task":"detect","image":` + uri + `,"target":"x"}`, 501, 10501, "/v1/detect"},
		"a task of moondream's that is none": {moondream3, typeJSON, `{"task":"guess","image":` + uri + `}`, 400, 5006, "'/task' must be one of"},
		"nothing to say":                     {melotts, typeJSON, `{"prompt":""}`, 400, 5006, "Length of '/prompt' must be >= 1"},
		"nothing to speak":                   {aura, typeJSON, `{}`, 400, 5006, "required properties at '/' are 'text'"},
		"an encoding that is none":           {aura, typeJSON, `{"text":"x","encoding":"midi"}`, 400, 5006, "'/encoding' must be one of 'linear16'"},
		"an encoding that nobody has":        {aura, typeJSON, `{"text":"x","encoding":"mulaw"}`, 501, 10501, "take mp3, linear16"},
		"too many steps":                     {schnell, typeJSON, `{"prompt":"x","steps":9}`, 400, 5006, "'/steps' must be <= 8, and is 9"},
		"too many steps of sdxl":             {sdxl, typeJSON, `{"prompt":"x","num_steps":21}`, 400, 5006, "'/num_steps' must be <= 20"},
		"too wide":                           {sdxl, typeJSON, `{"prompt":"x","width":100000}`, 400, 5006, "'/width' must be <= 2048"},
		"a picture that is none":             {sdxl, typeJSON, `{"prompt":"x","image":[1]}`, 400, 5006, "'/image' is no picture"},
		"a mask that is none":                {sdxl, typeJSON, `{"prompt":"x","image":` + numbered(dot) + `,"mask":[256]}`, 400, 5006, "'/mask/0'"},
		"a form without a prompt":            {klein, noPrompt, formNoPrompt, 400, 5006, "required properties at '/' are 'prompt'"},
		"a form that is too wide":            {klein, tooWide, formTooWide, 400, 5006, "'/width' must be <= 1920, and is 1921"},
		"a form without a number":            {klein, noNumber, formNoNumber, 400, 5006, "Type mismatch of '/height', 'string' not in 'integer'"},
		"a form without a picture":           {klein, noPicture, formNoPicture, 400, 5006, "'/input_image_0' is no picture"},
		"a form of five pictures":            {klein, crowd, formCrowd, 400, 5006, "at most 4"},
		"a form of many parts":               {klein, parts, formParts, 400, 5006, "more than 32 parts"},
		"half a form":                        {klein, noNumber, formNoNumber[:len(formNoNumber)-9], 400, 5006, "ends before its end"},
		"no form":                            {klein, typeMultipart, "hello", 400, 5006, "no multipart/form-data"},
		"JSON for a form":                    {klein, typeJSON, `{"prompt":"x"}`, 400, 5006, "'multipart'"},
		"a form in JSON that is none":        {klein, typeJSON, `{"multipart":{"body":"!","contentType":"multipart/form-data"}}`, 400, 5004, "'/multipart/body' is not base64"},
	}
}

func TestHostileMediaAreRefusedInTimeAndCostNothing(t *testing.T) {
	h, s, parts := medial(t, Config{})
	for name, test := range hostileMedia(t) {
		a := h.run(test.model, test.contentType, test.body)
		if a.status != test.status || a.code() != test.code || !strings.Contains(a.body, test.fragment) || a.header.Get("cf-ai-neurons") != "" {
			t.Errorf("%s: got %d with code %d, want %d with %d: %.400s", name, a.status, a.code(), test.status, test.code, a.body)
		}
	}
	if charged(t, parts) != 0 || parts.Ledger.Reservations() != 0 {
		t.Errorf("charged %s, %d reservations", charged(t, parts), parts.Ledger.Reservations())
	}
	for _, r := range s.openai.Requests() {
		if r.Method != http.MethodGet {
			t.Errorf("the backend was asked %s", r.Path)
		}
	}
}

func TestABodyForATextModelIsNotAsLargeAsAFileMayBe(t *testing.T) {
	h, _, _ := medial(t, Config{})
	large := strings.Repeat("x", maxModelInput+1)
	h.run(llama, typeJSON, large).want(t, 413, 3006)
	h.run(whisper, typeBytes, large).want(t, 200, 0, "hello there")
}

// What a backend says that makes no sense is not passed on, and not paid.
func TestABackendThatLiesAboutMediaIsNotBelieved(t *testing.T) {
	h, s, parts := medial(t, Config{})
	for _, lie := range []backendtest.Lie{backendtest.WrongType, backendtest.Empty, backendtest.Garbage, backendtest.Status500, backendtest.CloseMidway} {
		s.openai.Lie(lie)
		for _, call := range [][2]string{{aura, `{"text":"x"}`}, {melotts, `{"prompt":"x"}`}, {schnell, `{"prompt":"x"}`}, {phoenix, `{"prompt":"x"}`}, {whisper, `{"audio":[1]}`}} {
			if lie == backendtest.Empty && call[0] == whisper {
				continue // which is silence
			}
			if a := h.run(call[0], typeJSON, call[1]); a.status != 503 || a.code() != 7009 || a.header.Get("cf-ai-neurons") != "" {
				t.Errorf("%s, %s: %d %.300s", lie, call[0], a.status, a.body)
			}
		}
	}
	if charged(t, parts) != 0 || parts.Ledger.Reservations() != 0 {
		t.Errorf("charged %s, %d reservations", charged(t, parts), parts.Ledger.Reservations())
	}
}

func TestWithoutABackendForThemMediaSayWhichWouldDo(t *testing.T) {
	h, _, parts := modelled(t, Config{})
	for model, want := range map[string]string{
		whisper: "/v1/audio/transcriptions, such as LocalAI", aura: "/v1/audio/speech, such as LocalAI", sdxl: "/v1/images/generations, such as LocalAI",
		llava: "llava:7b-v1.5-q4_0", resnet: "chats and reads pictures",
	} {
		body := map[string]string{whisper: `{"audio":[1]}`, aura: `{"text":"x"}`, sdxl: `{"prompt":"x"}`, llava: `{"image":` + numbered(dot) + `}`, resnet: `{"image":` + numbered(dot) + `}`}[model]
		h.run(model, typeJSON, body).want(t, 503, 7009, want, "nearside models list")
	}
	if charged(t, parts) != 0 {
		t.Errorf("charged %s", charged(t, parts))
	}
}

// seer is a model of the catalogue that chats and reads pictures; this is its name in Ollama.
const seer = "llama3.2-vision"

func TestAModelThatReadsPicturesStandsInAndIsNamed(t *testing.T) {
	h, s, parts := modelled(t, Config{})
	s.ollama.Add(backendtest.Model{Name: seer})
	for _, model := range []string{llava, "@cf/unum/uform-gen2-qwen-500m"} {
		a := h.run(model, "image/png", dot)
		a.want(t, 200, 0, `"result":{"description":"The sky is blue."}`, "stands in for "+model)
		if a.header.Get("nearside-route") != "substitute" || a.header.Get("nearside-model") != seer {
			t.Errorf("headers %v", a.header)
		}
	}
	s.ollama.Answer(backendtest.Answer{Pieces: []string{`{"labels":[{"label":"square","score":0.5},`, `{"label":"night","score":0.75}]}`}})
	a := h.run(resnet, typeJSON, `{"image":`+numbered(dot)+`}`)
	a.want(t, 200, 0, `"result":[{"label":"night","score":0.6},{"label":"square","score":0.4}]`, "stands in for "+resnet, "its own judgement")
	if a.header.Get("nearside-route") != "substitute" || a.told(t) != charged(t, parts).String() || a.told(t) != "0.228055" {
		t.Errorf("headers %v, charged %s", a.header, charged(t, parts))
	}
	asked := s.ollama.Asked("/api/chat")
	if last := string(asked[len(asked)-1]); !strings.Contains(last, base64ed(dot)) {
		t.Errorf("asked without the picture: %.300s", last)
	}
}

func TestTheListOfModelsAgreesWithWhatMediaRun(t *testing.T) {
	standsIn := func(s servers) {
		s.ollama.Add(backendtest.Model{Name: seer})
		s.ollama.Answer(backendtest.Answer{Pieces: []string{`{"labels":[{"label":"square","score":1}]}`}})
	}
	for name, prepare := range map[string]func(servers){
		"a server that has them all": func(servers) {},
		"one that stands in, too":    standsIn,
		"one that stands in, alone":  func(s servers) { standsIn(s); s.openai.Down() },
		"nobody":                     func(s servers) { s.ollama.Down(); s.openai.Down() },
	} {
		h, s, parts := medial(t, Config{})
		prepare(s)
		survey := parts.Models.Survey(t.Context())
		for _, m := range parts.Models.Catalogue().Models() {
			small, ok := smallMedia[m.Input]
			if !ok {
				continue
			}
			by, missing := survey.Serves(&m)
			a := h.run(m.ID, small[0], small[1])
			if runs := a.status == 200; runs != (missing == nil) || runs && (a.header.Get("nearside-backend") != string(by.Backend) || a.header.Get("nearside-route") != string(by.Route)) {
				t.Errorf("%s: %s is listed as %+v, %v; run: %d %.200s", name, m.ID, by, missing, a.status, a.body)
			}
		}
	}
}

// smallMedia is a call for each shape of input.
var smallMedia = map[llm.Shape][2]string{
	llm.WhisperShape:          {typeBytes, "sound"},
	llm.WhisperLargeShape:     {typeJSON, `{"audio":"SUQz"}`},
	llm.NovaShape:             {"audio/wav", "sound"},
	llm.SpeechShape:           {"audio/wav", "sound"},
	llm.MelottsShape:          {typeJSON, `{"prompt":"x"}`},
	llm.AuraShape:             {typeJSON, `{"text":"x"}`},
	llm.DiffusionShape:        {typeJSON, `{"prompt":"x"}`},
	llm.LucidShape:            {typeJSON, `{"prompt":"x"}`},
	llm.PhoenixShape:          {typeJSON, `{"prompt":"x","width":16,"height":16}`},
	llm.Flux1Shape:            {typeJSON, `{"prompt":"x"}`},
	llm.Flux2Shape:            {typeMultipart, "--x\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na cat\r\n--x--\r\n"},
	llm.ImageDescriptionShape: {"image/png", dot},
	llm.ImageLabelsShape:      {"image/png", dot},
	llm.ImageObjectsShape:     {"image/png", dot},
	llm.ImageEmbeddingShape:   {"image/png", dot},
	llm.MoondreamShape:        {typeJSON, `{"task":"caption","image":"data:image/png;base64,` + base64ed(dot) + `"}`},
	llm.TurnShape:             {typeBytes, "sound"},
}

func TestEveryTaskHasADoerOrSaysWhyNot(t *testing.T) {
	models, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range models.Models() {
		if served := m.Unserved() == nil; served != (doers[m.Task] != nil) && m.Task != llm.SpeechRecognition {
			t.Errorf("%s, for %s, is served %t, and done %t", m.ID, m.Task, served, doers[m.Task] != nil)
		}
	}
}

func TestThePriceOfMediaCanBeAskedWithoutRunningThem(t *testing.T) {
	h, s, parts := medial(t, Config{})
	s.ollama.Add(backendtest.Model{Name: seer})
	formType, body := formOf(t, map[string]string{"prompt": "a cat", "width": "1024", "height": "1024", "steps": "10"}, dot)
	for name, a := range map[string]struct {
		answer answer
		want   string
	}{
		"a picture":       {h.run(schnell, typeJSON, `{"prompt":"a cat","dry_run":true}`), `"model":"` + schnell + `","units":{"512x512_tile":4,"step":16},"neurons":172.800000`},
		"a form":          {h.do("POST", home+"/ai/run/"+flux2dev+"?dry_run=true", strings.NewReader(body), "Content-Type: "+formType), `"neurons":1687.500000`},
		"an MP3":          {h.do("POST", home+"/ai/run/"+whisper+"?dry_run=true", bytes.NewReader(backendtest.Sound), "Content-Type: audio/mpeg"), `"units":{"audio_milliseconds":2612},"neurons":1.790961`},
		"a text to speak": {h.run(aura, typeJSON, `{"text":"hällo wörld","dry_run":true}`), `"units":{"input_characters":11},"neurons":15.000000`},
		"labels":          {h.run(resnet, typeJSON, `{"image":`+numbered(dot)+`,"dry_run":true}`), `"images":1`},
	} {
		a.answer.want(t, 200, 0, `"dry_run":true`, a.want)
		if a.answer.header.Get("cf-ai-neurons") != "" {
			t.Errorf("%s: told a cost", name)
		}
	}
	for _, r := range append(s.openai.Requests(), s.ollama.Requests()...) {
		if r.Method != http.MethodGet {
			t.Errorf("a backend was asked %s", r.Path)
		}
	}
	if charged(t, parts) != 0 {
		t.Errorf("charged %s", charged(t, parts))
	}
}
