// Package bookmark remembers how far a load has come that was ended before it was done, so
// that the next one goes on there.
//
// A Bookmark is a small file in a directory of the user's, one for each load that is
// under way: from what, to where. It is made while the load runs and removed when that
// is done. A mark is believed only if what it was made for is still the same; otherwise,
// or if the file is damaged, the load starts from the beginning, which is never wrong:
// records are put by their ids. A mark never runs ahead of what is stored.
package bookmark

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nearside/disk"
	"nearside/fault"
)

// Mark is how far a load has come.
type Mark struct {
	Version string `json:"version"` // of what is loaded and of where it goes: a mark of another version is not believed
	Rows    int64  `json:"rows"`    // records from the beginning that are done: stored, or refused
	Refused int64  `json:"refused"` // of them
	After   string `json:"after"`   // id of the last of them, where the source has an order of ids
}

// Bookmark is where the mark of one load is kept.
type Bookmark struct {
	path string
	load []string
}

// content is what is in the file.
type content struct {
	Load []string `json:"load"`
	Mark Mark     `json:"mark"`
}

// New names the bookmark of a load: what is loaded, and where it goes.
func New(dir string, load ...string) *Bookmark {
	sum := sha256.Sum256([]byte(strings.Join(load, "\x00")))
	return &Bookmark{filepath.Join(dir, hex.EncodeToString(sum[:])+".json"), load}
}

// Read returns the mark of a version, or one of its beginning.
func (b *Bookmark) Read(version string) Mark {
	start := Mark{Version: version}
	raw, err := os.ReadFile(b.path)
	if err != nil {
		return start
	}
	var c content
	if json.Unmarshal(raw, &c) != nil || !slices.Equal(c.Load, b.load) || c.Mark.Version != version || c.Mark.Rows < 0 {
		return start
	}
	return c.Mark
}

// Write keeps a mark, durably.
func (b *Bookmark) Write(m Mark) error {
	err := disk.WriteFileAtomic(b.path, func(w io.Writer) error { return json.NewEncoder(w).Encode(content{b.load, m}) })
	if err != nil {
		return fault.New(fault.Internal, "how far the load has come cannot be written to %s; name another folder with --state", b.path).Because(err)
	}
	return nil
}

// Remove forgets the load.
func (b *Bookmark) Remove() error {
	if err := os.Remove(b.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
