package sound_test

import (
	"math"
	"testing"

	"nearside/llm/sound"
)

func TestCaptionsAreWebVTT(t *testing.T) {
	for name, test := range map[string]struct {
		cues []sound.Cue
		want string
	}{
		"none":   {nil, "WEBVTT\n"},
		"two":    {[]sound.Cue{{0, 1.5, " Hello there."}, {1.5, 3, "Bye."}}, "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHello there.\n\n00:00:01.500 --> 00:00:03.000\nBye.\n"},
		"late":   {[]sound.Cue{{3599.9996, 36_061.0004, "x"}}, "WEBVTT\n\n01:00:00.000 --> 10:01:01.000\nx\n"},
		"markup": {[]sound.Cue{{0, 1, "a <b> & c --> d\n\nNOTE e"}}, "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\na &lt;b&gt; &amp; c --&gt; d NOTE e\n"},
		"silent": {[]sound.Cue{{0, 1, " \n "}}, "WEBVTT\n"},
		"mad": {[]sound.Cue{{-5, math.NaN(), "a"}, {2, 1, "b"}, {1, math.Inf(1), "c"}},
			"WEBVTT\n\n00:00:00.000 --> 00:00:00.001\na\n\n00:00:02.000 --> 00:00:02.001\nb\n\n00:00:02.000 --> 24:00:00.000\nc\n"},
	} {
		if got := sound.WebVTT(test.cues); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
