package server

import (
	"bytes"
	"strings"
	"testing"
)

func TestWhatABodyUnpacksToCountsAgainstTheBudget(t *testing.T) {
	h := start(t, Config{BodyBytes: testLimit / 2}, Route{Method: "POST", Path: "/take", BodyLimit: testLimit, Handle: countAll})
	for encoding, packed := range encodings(t, testLimit) {
		name, _, _ := strings.Cut(encoding, " ")
		h.do("POST", "/take", bytes.NewReader(packed), "Content-Encoding: "+name).want(t, 429, 971, "50,000 bytes")
	}
	if held := h.server.bodies.Load(); held != 0 {
		t.Errorf("%d bytes are still counted", held)
	}
}
