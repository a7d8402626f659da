package server

import (
	"fmt"
	"strings"
	"testing"

	"nearside/fault"
)

const toMarkdownPath = home + "/ai/tomarkdown"

const page = `<html><head><title>Tides</title></head><body><nav>Home</nav><main><h1>Tides</h1><p>High water is <b>later</b> every day.</p></main></body></html>`

func TestFilesBecomeMarkdown(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	a := h.form(toMarkdownPath, "files:tides.html", page, "files[]:notes.md", "# Notes\n\n* one\n* two\n", "files:bad.pdf", "%PDF-1.7\nthis is none", "files:empty.txt", "")
	a.want(t, 200, 0)
	got := resultOf[[]convertedObject](t, a)
	if len(got) != 4 {
		t.Fatalf("%d results: %s", len(got), a.body)
	}
	for i, want := range []struct{ name, data string }{{"tides.html", "# Tides\n\nHigh water is later every day."}, {"notes.md", "# Notes\n\n- one\n- two"}} {
		if g := got[i]; g.Name != want.name || g.Format != "markdown" || g.Data == nil || *g.Data != want.data || g.Tokens == nil || *g.Tokens < 3 || len(g.ID) != 36 {
			t.Errorf("%s: %s", want.name, a.body)
		}
	}
	for _, g := range got[2:] {
		if g.Format != "error" || g.Error == "" || g.Data != nil || !strings.Contains(g.Error, g.Name) {
			t.Errorf("%s: %+v", g.Name, g)
		}
	}
	if a.header.Get("cf-ai-neurons") != "0.000000" {
		t.Errorf("it costs %q", a.header.Get("cf-ai-neurons"))
	}

	a = h.form(toMarkdownPath, "files:tides.html", page, "conversionOptions", `{"output":{"format":"text"},"html":{"cssSelector":"nav"}}`)
	a.want(t, 200, 0, `"format":"text"`, `"data":"Home"`)
}

func TestAWorkersFilesBecomeMarkdown(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	w := newWorker(h)
	w.ai("POST", "/to-everything/markdown/transformer", "", typeJSON, `{"files":[{"name":"a.html","mimeType":"text/html","data":"`+base64ed(page)+`"}],"options":{}}`).
		want(t, 200, 0, `"name":"a.html","mimeType":"text/html","format":"markdown","tokens":`, `"data":"# Tides\n\nHigh water is later every day."`)
	w.ai("GET", "/to-everything/markdown/supported", "", typeJSON, "").want(t, 200, 0, `{"extension":".html","mimeType":"text/html"}`, `{"extension":".png","mimeType":"image/png"}`)
	w.ai("POST", "/to-everything/markdown/transformer", "", typeJSON, `{"files":[{"name":"a.html","data":"%%%"}]}`).want(t, 400, 5006, "/files/0/data")
	w.ai("POST", "/to-everything/markdown/transformer", "", typeJSON, `{"files":[]}`).want(t, 400, 5006, "0 files")
}

func TestPicturesAreDescribedWhereAModelCanLook(t *testing.T) {
	blind, _, _ := modelled(t, Config{})
	blind.form(toMarkdownPath, "files:dot.png", dot).want(t, 200, 0, `"mimeType":"image/png"`, `"data":"a PNG picture of 2 x 2 pixels"`, `nothing here can look at pictures`)
	if many := blind.form(toMarkdownPath, "files:dot.png", dot, "files:dash.png", dot); strings.Count(many.body, "nothing here can look") != 1 {
		t.Errorf("said once for all pictures: %s", many.body)
	}
	h, _, _ := medial(t, Config{})
	a := h.form(toMarkdownPath, "files:dot.png", dot, "conversionOptions", `{"image":{"descriptionLanguage":"de"}}`)
	a.want(t, 200, 0, `"format":"markdown"`, `"data":"The sky is blue.`)
	if a.header.Get("nearside-model") == "" {
		t.Errorf("nobody says who described it: %v", a.header)
	}
}

func TestTheTextsOfOneConversionAreBounded(t *testing.T) {
	for room, says := range map[int]string{3: "more than 3 bytes", 0: "send it in another"} {
		work := conversion{call: &call{Context: t.Context()}, room: room}
		if _, err := work.convert(toConvert{name: "a.txt", content: []byte("four")}); !fault.Is(err, fault.TooLarge) || !strings.Contains(err.Error(), says) {
			t.Errorf("with room for %d bytes: %v", room, err)
		}
	}
}

func TestConversionsThatCannotBeAreRefused(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	many := []string{}
	for i := range maxConverted + 1 {
		many = append(many, fmt.Sprintf("files:%d.txt", i), "x")
	}
	for name, c := range map[string]struct {
		parts []string
		says  string
	}{
		"no files":      {[]string{"other", "x"}, "0 files"},
		"too many":      {many, fmt.Sprint(maxConverted)},
		"no option":     {[]string{"files:a.txt", "x", "conversionOptions", "{"}, "/conversionOptions"},
		"no format":     {[]string{"files:a.txt", "x", "conversionOptions", `{"output":{"format":"pdf"}}`}, "/output/format"},
		"long language": {[]string{"files:a.txt", "x", "conversionOptions", `{"image":{"descriptionLanguage":"` + strings.Repeat("x", 36) + `"}}`}, "36"},
		"long name":     {[]string{"files:" + strings.Repeat("n", maxConvertName+1), "x"}, fmt.Sprint(maxConvertName)},
	} {
		if a := h.form(toMarkdownPath, c.parts...); a.status != 400 || a.code() != 5006 || !strings.Contains(a.body, c.says) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	h.form(toMarkdownPath, many[:2*maxConverted]...).want(t, 200, 0, `"99.txt"`)
	h.post(toMarkdownPath, `{}`).want(t, 400, 5006, "multipart/form-data")
}
