package keyword

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"strings"

	"nearside/disk"
	"nearside/fault"
)

// manifestFile names the segments that together are the index.
//
// It is two lines of text: "nearside keyword 1", where the digit is the version, and
// the CRC-32C of the second line as eight hexadecimal digits; then the manifest, JSON.
const (
	manifestFile = "manifest"
	magic        = "nearside keyword 1 "
)

// segmentSuffix ends the names of segments' files, which begin with a number.
const segmentSuffix = ".zap"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type manifest struct {
	Analysis Analysis      `json:"analysis"`
	Version  int           `json:"version"` // of the analysis
	Owner    string        `json:"owner"`
	Covered  uint64        `json:"covered"` // the sequence up to which the segments are whole
	Next     uint64        `json:"next"`    // the number of the next file
	Segments []segmentFile `json:"segments"`
}

type segmentFile struct {
	File string `json:"file"`
	Size int64  `json:"size"`
	Sum  uint32 `json:"crc32c"`
}

func (m *manifest) write(dir *disk.Dir) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return dir.WriteAtomic(manifestFile, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s%08x\n%s\n", magic, crc32.Checksum(body, castagnoli), body)
		return err
	})
}

// readManifest returns nil if there is none.
func readManifest(dir *disk.Dir) (*manifest, error) {
	b, err := dir.ReadFile(manifestFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	head, body, _ := strings.Cut(string(b), "\n")
	sum, known := strings.CutPrefix(head, magic)
	body, ended := strings.CutSuffix(body, "\n")
	if !known || !ended || sum != fmt.Sprintf("%08x", crc32.Checksum([]byte(body), castagnoli)) {
		return nil, fault.New(fault.Corrupt, "%s is damaged, or of another version", dir.Path(manifestFile))
	}
	m := new(manifest)
	if err := json.Unmarshal([]byte(body), m); err != nil {
		return nil, fault.New(fault.Corrupt, "%s is damaged", dir.Path(manifestFile)).Because(err)
	}
	return m, nil
}

// openSegments opens the segments of a manifest, each byte of them verified.
func (m *manifest) openSegments(dir *disk.Dir) (opened []*segment, err error) {
	defer func() {
		if err == nil {
			return
		}
		for _, s := range opened {
			err = errors.Join(err, s.Close())
		}
	}()
	var last uint32
	for i, f := range m.Segments {
		size, sum, err := checksum(dir, f.File)
		if err != nil {
			return opened, err
		}
		if size != f.Size || sum != f.Sum {
			return opened, fault.New(fault.Corrupt, "%s is damaged: its checksum is wrong", dir.Path(f.File))
		}
		s, err := contain(dir.Path(f.File), func() (*segment, error) { return openSegment(dir.Path(f.File), f.File, size, sum) })
		if err != nil {
			return opened, unreadable(dir.Path(f.File), err)
		}
		opened = append(opened, s)
		if i > 0 && s.lowest() <= last {
			return opened, fault.New(fault.Corrupt, "%s holds slots of a segment before it", dir.Path(f.File))
		}
		last = s.highest()
	}
	return opened, nil
}

// checksum reads a file whole and returns its size and CRC-32C.
func checksum(dir *disk.Dir, name string) (int64, uint32, error) {
	f, err := dir.OpenFile(name, os.O_RDONLY)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	h := crc32.New(castagnoli)
	size, err := io.CopyBuffer(h, struct{ io.Reader }{f}, make([]byte, 1<<18))
	return size, h.Sum32(), err
}

// sweep removes the files that a manifest does not name: those of merges that were not finished.
func (m *manifest) sweep(dir *disk.Dir) error {
	names, err := dir.Names()
	if err != nil {
		return err
	}
	named := map[string]bool{manifestFile: true}
	for _, s := range m.Segments {
		named[s.File] = true
	}
	for _, name := range names {
		if !named[name] {
			err = errors.Join(err, dir.RemoveAll(name))
		}
	}
	return err
}
