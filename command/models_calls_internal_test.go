package command

import (
	"bytes"
	"image/png"
	"mime"
	"mime/multipart"
	"strings"
	"testing"
	"time"

	"nearside/llm/sound"
)

func TestThereIsASmallCallForEveryModelThatSomethingMayServe(t *testing.T) {
	files := filesWith(t, "", "")
	c, err := files.load()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range c.Models() {
		small, ok := smallCall(string(m.Input))
		if served := m.Unserved() == nil; ok != served {
			t.Errorf("%s: a small call %t, want %t", m.ID, ok, served)
			continue
		}
		if ok && small.contentType == "application/json" {
			if err := m.Validate(small.body); err != nil {
				t.Errorf("%s: %v", m.ID, err)
			}
			if len(small.body) > 200<<10 {
				t.Errorf("%s: %d bytes are not small", m.ID, len(small.body))
			}
		}
	}
}

func TestTheSmallFilesAreWhatTheyClaim(t *testing.T) {
	if _, err := png.Decode(bytes.NewReader(picture())); err != nil {
		t.Error(err)
	}
	wav := silence()
	if size := int(wav[40]) | int(wav[41])<<8 | int(wav[42])<<16; string(wav[:4]) != "RIFF" || string(wav[8:16]) != "WAVEfmt " || size != len(wav)-44 {
		t.Errorf("% x", wav[:44])
	}
	if length, known := sound.Duration(wav); !known || length != 100*time.Millisecond {
		t.Errorf("silence of %s", length)
	}
	small, ok := smallCall("flux-2")
	_, parameters, err := mime.ParseMediaType(small.contentType)
	if !ok || err != nil {
		t.Fatal(small.contentType, err)
	}
	read, err := multipart.NewReader(bytes.NewReader(small.body), parameters["boundary"]).ReadForm(1 << 20)
	if err != nil || strings.Join(read.Value["prompt"], "") != "a dot" {
		t.Errorf("%v, %v", read, err)
	}
}
