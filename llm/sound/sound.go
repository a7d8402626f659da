// Package sound knows of sound files what a meter and a transcript need: of what
// type they are, how long they play, and how captions are written.
//
// Kind tells a file's type by its first bytes. Duration reads how long it plays
// from the headers of WAV, FLAC, Ogg (Vorbis and Opus) and MP3; of MP3, which has
// no such header, it adds up the frames. WebVTT writes captions.
//
// Nothing is decoded and nothing is believed: a length that a header claims is
// checked against the bytes that are there, and a file that makes no sense has no
// duration. Other containers (MP4, WebM) are told by name alone.
package sound

import (
	"bytes"
	"encoding/binary"
	"math"
	"time"
)

// Longest is the longest duration that is believed.
const Longest = 24 * time.Hour

// kinds are the types of sound files, by what stands where in them.
var kinds = []struct {
	kind   string
	at     int
	begins string
}{
	{"audio/wav", 8, "WAVE"},
	{"audio/flac", 0, "fLaC"},
	{"audio/ogg", 0, "OggS"},
	{"audio/mpeg", 0, "ID3"},
	{"audio/mp4", 4, "ftyp"},
	{"audio/webm", 0, "\x1a\x45\xdf\xa3"},
}

// Kind returns the media type of a sound file; "" if it is none that is known.
func Kind(file []byte) string {
	for _, k := range kinds {
		if len(file) > k.at && bytes.HasPrefix(file[k.at:], []byte(k.begins)) {
			return k.kind
		}
	}
	if f, ok := readFrame(file); ok && (len(file) <= f.bytes || isFrame(file[f.bytes:])) {
		return "audio/mpeg"
	}
	return ""
}

// Duration returns how long a sound file plays; false if that is not known.
func Duration(file []byte) (time.Duration, bool) {
	var seconds float64
	switch Kind(file) {
	case "audio/wav":
		seconds = wavSeconds(file)
	case "audio/flac":
		seconds = flacSeconds(file)
	case "audio/ogg":
		seconds = oggSeconds(file)
	case "audio/mpeg":
		seconds = mp3Seconds(file)
	}
	if !(seconds > 0 && seconds <= Longest.Seconds()) {
		return 0, false
	}
	return time.Duration(math.Round(seconds * float64(time.Second))), true
}

// wavSeconds reads the chunks of RIFF: "fmt " has the bytes a second, "data" the sound.
func wavSeconds(file []byte) float64 {
	const head, chunkHead = 12, 8
	rate := 0.0
	for at := head; at+chunkHead <= len(file); {
		name, size := string(file[at:at+4]), int(binary.LittleEndian.Uint32(file[at+4:]))
		at += chunkHead
		size = min(size, len(file)-at) // what is streamed claims more than it has
		switch {
		case name == "fmt " && size >= 12:
			rate = float64(binary.LittleEndian.Uint32(file[at+8:]))
		case name == "data" && rate > 0:
			return float64(size) / rate
		}
		at += size + size%2
	}
	return 0
}

// flacSeconds reads the first block of metadata, which is always STREAMINFO.
func flacSeconds(file []byte) float64 {
	const info, whole = 8, 8 + 34
	if len(file) < whole || file[4]&0x7f != 0 {
		return 0
	}
	packed := binary.BigEndian.Uint64(file[info+10:]) // 20 bits rate, 3 channels, 5 bits a sample, 36 samples
	rate, samples := packed>>44, packed&(1<<36-1)
	if rate == 0 {
		return 0
	}
	return float64(samples) / float64(rate)
}

// oggSeconds reads the rate from the first page and the position from the last.
func oggSeconds(file []byte) float64 {
	const pageHead = 27
	last := bytes.LastIndex(file, []byte("OggS"))
	if len(file) < pageHead || last+pageHead > len(file) {
		return 0
	}
	packet := file[min(pageHead+int(file[26]), len(file)):]
	rate, skipped := 0.0, 0.0
	switch {
	case bytes.HasPrefix(packet, []byte("\x01vorbis")) && len(packet) >= 16:
		rate = float64(binary.LittleEndian.Uint32(packet[12:]))
	case bytes.HasPrefix(packet, []byte("OpusHead")) && len(packet) >= 12:
		rate, skipped = 48_000, float64(binary.LittleEndian.Uint16(packet[10:])) // whatever the source had
	}
	position := int64(binary.LittleEndian.Uint64(file[last+6:]))
	if rate == 0 || position < 0 {
		return 0
	}
	return (float64(position) - skipped) / rate
}
