package sound

import (
	"bytes"
	"encoding/binary"
)

// frame is what the head of an MPEG audio frame says.
type frame struct {
	bytes   int     // with its head
	seconds float64 // that it plays
}

// The tables of MPEG audio, layer III (ISO/IEC 11172-3 and 13818-3).
var (
	kilobits1 = [16]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320} // of MPEG 1
	kilobits2 = [16]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}     // of MPEG 2 and 2.5
	hertz     = [4]int{44_100, 48_000, 32_000}                                            // of MPEG 1; half and a quarter of it in the others
)

// readFrame reads the head of a frame of layer III, the one that MP3 is.
func readFrame(data []byte) (frame, bool) {
	if len(data) < 4 {
		return frame{}, false
	}
	head := binary.BigEndian.Uint32(data)
	version, layer := head>>19&3, head>>17&3
	if head>>21 != 0x7ff || version == 1 || layer != 1 {
		return frame{}, false
	}
	rate, kilobits, samples := hertz[head>>10&3], kilobits1[head>>12&15], 1152
	switch version {
	case 2: // MPEG 2
		rate, kilobits, samples = rate/2, kilobits2[head>>12&15], 576
	case 0: // MPEG 2.5
		rate, kilobits, samples = rate/4, kilobits2[head>>12&15], 576
	}
	if rate == 0 || kilobits == 0 {
		return frame{}, false
	}
	padding := int(head >> 9 & 1)
	return frame{samples*kilobits*1000/8/rate + padding, float64(samples) / float64(rate)}, true
}

func isFrame(data []byte) bool {
	_, ok := readFrame(data)
	return ok
}

// mp3Seconds adds up the frames. What lies between them, tags and damage, is passed over.
func mp3Seconds(file []byte) float64 {
	file = afterTag(file)
	seconds := 0.0
	for first := true; len(file) >= 4; {
		f, ok := readFrame(file)
		if !ok || len(file) > f.bytes+4 && !isFrame(file[f.bytes:]) && !endsHere(file[f.bytes:]) {
			next := bytes.IndexByte(file[1:], 0xff)
			if next < 0 {
				break
			}
			file = file[1+next:]
			continue
		}
		whole := file[:min(f.bytes, len(file))]
		if !first || !aboutTheFile(whole) {
			seconds += f.seconds
		}
		first = false
		file = file[len(whole):]
	}
	return seconds
}

// afterTag passes over an ID3v2 tag, whose length has 7 bits a byte.
func afterTag(file []byte) []byte {
	const head = 10
	if len(file) < head || !bytes.HasPrefix(file, []byte("ID3")) {
		return file
	}
	size := 0
	for _, b := range file[6:head] {
		size = size<<7 | int(b&0x7f)
	}
	return file[min(head+size, len(file)):]
}

// endsHere reports whether a tag follows that stands at the end of files.
func endsHere(data []byte) bool {
	return bytes.HasPrefix(data, []byte("TAG")) || bytes.HasPrefix(data, []byte("APETAGEX"))
}

// aboutTheFile reports whether a frame holds figures in place of sound, as the first one may.
func aboutTheFile(frame []byte) bool {
	const most = 64 // the mark stands behind the side information
	frame = frame[:min(most, len(frame))]
	return bytes.Contains(frame, []byte("Xing")) || bytes.Contains(frame, []byte("Info")) || bytes.Contains(frame, []byte("VBRI"))
}
