package disk

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// buildLog builds a write-ahead log whose n-th frame is an image of page n%3+1, and
// commits with every frame whose number is in commits.
func buildLog(frames int, commits ...int) []byte {
	header := binary.BigEndian.AppendUint32(nil, walMagic|1)
	for _, v := range []uint32{walVersion, pageSize, 0, 77, 88} {
		header = binary.BigEndian.AppendUint32(header, v)
	}
	sum := walSum{order: binary.BigEndian}
	seal := func(b []byte) []byte {
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, sum.s1), sum.s2)
	}
	sum.add(header)
	log := seal(header)
	for n := range frames {
		var pages uint32
		for _, c := range commits {
			if c == n {
				pages = 3
			}
		}
		frame := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(n%3+1)), pages)
		page := bytes.Repeat([]byte{byte(n)}, pageSize)
		sum.add(frame)
		sum.add(page)
		log = append(log, append(seal(append(frame, header[16:24]...)), page...)...)
	}
	return log
}

func parseLog(t *testing.T, b []byte) *wal {
	t.Helper()
	w := &wal{frames: map[uint32]int64{}}
	if err := w.read(bytes.NewReader(b), int64(len(b))); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestALogIsReadUpToItsLastWholeCommit(t *testing.T) {
	whole := buildLog(6, 1, 4)
	for _, c := range []struct {
		name   string
		b      []byte
		frames int // up to the end of the last commit
		pages  int // that it covers
	}{
		{"whole", whole, 5, 3},
		{"no commit", buildLog(3), 0, 0},
		{"cut in the second commit", whole[:walHeaderSize+4*frameSize+9], 2, 2},
		{"flipped in the second commit", spoil(whole, walHeaderSize+3*frameSize+5000), 2, 2},
		{"flipped salt of a frame", spoil(whole, walHeaderSize+3*frameSize+9), 2, 2},
		{"flipped after the last commit", spoil(whole, walHeaderSize+5*frameSize+5000), 5, 3},
		{"flipped header", spoil(whole, 20), 0, 0},
		{"flipped byte order", spoil(whole, 3), 0, 0},
		{"only a header", whole[:walHeaderSize], 0, 0},
		{"empty", nil, 0, 0},
	} {
		w := parseLog(t, c.b)
		size := int64(0)
		if c.frames > 0 {
			size = walHeaderSize + int64(c.frames)*frameSize
		}
		if w.size != size || len(w.frames) != c.pages {
			t.Errorf("%s: %d bytes instead of %d, %d pages instead of %d", c.name, w.size, size, len(w.frames), c.pages)
		}
	}
	if at := parseLog(t, whole).frames[1]; at != walHeaderSize+3*frameSize+frameHeaderSize {
		t.Errorf("the last image of page 1 is not at %d", at)
	}
}

func spoil(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

func FuzzReadLog(f *testing.F) {
	f.Add(buildLog(1, 0))
	f.Add(buildLog(1, 0)[:walHeaderSize+100])
	f.Fuzz(func(t *testing.T, b []byte) {
		w := parseLog(t, b)
		if w.size > int64(len(b)) {
			t.Errorf("%d of %d bytes were read", w.size, len(b))
		}
		for page, at := range w.frames {
			if page == 0 || at+pageSize > w.size {
				t.Errorf("page %d is at %d, after the last commit", page, at)
			}
		}
	})
}
