package pdf

import (
	"bytes"
	"io"
	"testing"
)

func TestLZWRefersBackToItself(t *testing.T) { // the example of ISO 32000-2, 7.4.4.2
	got, err := io.ReadAll(newLZW(bytes.NewReader([]byte{0x80, 0x0B, 0x60, 0x50, 0x22, 0x0C, 0x0C, 0x85, 0x01}), true))
	if want := "-----A---B"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestPredictorsAddWhatIsLeftAndAbove(t *testing.T) {
	for kind, want := range map[byte][]byte{
		0: {1, 2, 3, 4, 5, 6}, 1: {1, 3, 6, 4, 9, 15}, 2: {1, 2, 3, 5, 7, 9}, 3: {1, 2, 4, 4, 8, 12}, 4: {1, 3, 6, 5, 10, 16},
	} {
		r, err := predict(dict{"Predictor": 10, "Columns": 3}, bytes.NewReader([]byte{kind, 1, 2, 3, kind, 4, 5, 6}))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Errorf("predictor %d: got %v, %v, want %v", kind, got, err, want)
		}
	}
}

func TestGlyphNamesThatSayNothing(t *testing.T) {
	for _, name := range []string{".notdef", "g123", "cid:5", "uniXYZW", "u110000", "", "a.b.c.d_e_"} {
		if got := glyphText(name); got != "" && name != "a.b.c.d_e_" {
			t.Errorf("%q is %q", name, got)
		}
	}
}
