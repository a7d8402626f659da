package sound_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"nearside/llm/sound"
)

// wav is a file that plays for so many bytes at so many a second, and claims a length of data.
func wav(rate, size int, claims uint32) []byte {
	out := append([]byte("RIFF\x00\x00\x00\x00WAVELIST\x03\x00\x00\x00abc\x00fmt "), 16, 0, 0, 0, 1, 0, 1, 0)
	out = binary.LittleEndian.AppendUint32(out, uint32(rate/2))
	out = binary.LittleEndian.AppendUint32(out, uint32(rate))
	out = append(out, 2, 0, 16, 0)
	out = append(out, "data"...)
	out = binary.LittleEndian.AppendUint32(out, claims)
	return append(out, make([]byte, size)...)
}

func flac(rate, samples uint64) []byte {
	out := append([]byte("fLaC"), 0x80, 0, 0, 34)
	out = append(out, make([]byte, 10)...)
	out = binary.BigEndian.AppendUint64(out, rate<<44|samples)
	return append(out, make([]byte, 16)...)
}

// page is a page of Ogg with one packet.
func page(position int64, packet string) []byte {
	out := append([]byte("OggS"), 0, 0)
	out = binary.LittleEndian.AppendUint64(out, uint64(position))
	out = append(out, make([]byte, 12)...)
	return append(append(out, 1, byte(len(packet))), packet...)
}

// mp3 is so many frames of MPEG 1 with 128 kbit/s and 44,100 Hz: 1,152 samples in 417 bytes each.
func mp3(frames int) []byte {
	frame := append([]byte{0xff, 0xfb, 0x90, 0x00}, make([]byte, 413)...)
	return bytes.Repeat(frame, frames)
}

// mp3two is so many frames of MPEG 2 with 64 kbit/s and 22,050 Hz: 576 samples in 208 bytes each.
func mp3two(frames int) []byte {
	frame := append([]byte{0xff, 0xf3, 0x80, 0x00}, make([]byte, 204)...)
	return bytes.Repeat(frame, frames)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestTheLengthOfASoundIsReadFromItsFile(t *testing.T) {
	vorbis := "\x01vorbis\x00\x00\x00\x00\x01" + "\x40\x1f\x00\x00" // 8,000 Hz
	opus := "OpusHead\x01\x01\x38\x01"                              // 312 samples are skipped
	info := append([]byte{0xff, 0xfb, 0x90, 0x00}, append([]byte(strings.Repeat("\x00", 32)+"Xing"), make([]byte, 377)...)...)
	for name, test := range map[string]struct {
		file []byte
		kind string
		want time.Duration // 0: not known
	}{
		"wav":                    {wav(32_000, 48_000, 48_000), "audio/wav", 1500 * time.Millisecond},
		"wav that was streamed":  {wav(32_000, 48_000, 0xffffffff), "audio/wav", 1500 * time.Millisecond},
		"wav without a rate":     {wav(0, 48_000, 48_000), "audio/wav", 0},
		"wav of a month":         {wav(1, 3_000_000, 3_000_000), "audio/wav", 0},
		"wav without data":       {wav(32_000, 0, 0)[:50], "audio/wav", 0},
		"flac":                   {flac(16_000, 40_000), "audio/flac", 2500 * time.Millisecond},
		"flac of unknown length": {flac(16_000, 0), "audio/flac", 0},
		"flac cut off":           {flac(16_000, 40_000)[:30], "audio/flac", 0},
		"vorbis":                 {join(page(0, vorbis), page(20_000, "sound")), "audio/ogg", 2500 * time.Millisecond},
		"opus":                   {join(page(0, opus), page(96_312, "sound")), "audio/ogg", 2 * time.Second},
		"ogg without an end":     {join(page(0, opus), page(-1, "sound")), "audio/ogg", 0},
		"ogg of something else":  {page(48_000, "\x80theora and more"), "audio/ogg", 0},
		"ogg cut off":            {page(0, opus)[:20], "audio/ogg", 0},
		"mp3":                    {mp3(100), "audio/mpeg", 2612244898},
		"mp3 with figures":       {join(info, mp3(100)), "audio/mpeg", 2612244898},
		"mp3 with tags":          {join([]byte("ID3\x04\x00\x00\x00\x00\x01\x00"), make([]byte, 128), mp3(100), []byte("TAG"), make([]byte, 125)), "audio/mpeg", 2612244898},
		"mp3 with damage":        {join(mp3(50), []byte("damage \xff\xff\xff"), mp3(50)), "audio/mpeg", 2586122449}, // the frame before it is lost
		"mp3 of MPEG 2":          {mp3two(100), "audio/mpeg", 2612244898},
		"a tag alone":            {[]byte("ID3 a sound"), "audio/mpeg", 0},
		"mp4":                    {[]byte("\x00\x00\x00\x20ftypM4A "), "audio/mp4", 0},
		"webm":                   {[]byte("\x1a\x45\xdf\xa3"), "audio/webm", 0},
		"nothing":                {nil, "", 0},
		"a text":                 {[]byte("hello, world"), "", 0},
	} {
		got, known := sound.Duration(test.file)
		if sound.Kind(test.file) != test.kind || got != test.want || known != (test.want > 0) {
			t.Errorf("%s: a %q of %s (%t), want a %q of %s", name, sound.Kind(test.file), got, known, test.kind, test.want)
		}
	}
}

func FuzzDuration(f *testing.F) {
	for _, seed := range [][]byte{wav(8, 4, 4), flac(1, 1), page(1, "OpusHead\x01\x01\x38\x01"), mp3(2), mp3two(3), []byte("ID3")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if d, known := sound.Duration(file); d < 0 || d > sound.Longest || known != (d > 0) {
			t.Errorf("%s, %t", d, known)
		}
	})
}
