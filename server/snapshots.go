package server

import (
	"fmt"
	"io"
	"time"

	"nearside/fault"
	"nearside/index"
	"nearside/vectorize"
)

// typeSnapshot is the media type of a snapshot as a stream.
const typeSnapshot = "application/octet-stream"

// maxSnapshot is the largest snapshot that can be put back: twenty million
// vectors of 1,536 dimensions have an eighth of it.
const maxSnapshot = 1 << 40

// snapshotObject is a snapshot kept in the data directory.
type snapshotObject struct {
	ID       string          `json:"id"`
	Index    string          `json:"index"`
	Created  string          `json:"created_on"`
	Bytes    int64           `json:"bytes"`
	Sequence *index.Sequence `json:"sequence,omitempty"` // known when it has just been made
}

func newSnapshotObject(n vectorize.Snapshot) snapshotObject {
	return snapshotObject{ID: n.ID, Index: n.Index, Created: n.Created.Format(timeMicros), Bytes: n.Bytes}
}

// contentsObject is what a verified or restored snapshot holds.
type contentsObject struct {
	Index    string         `json:"index"`
	Config   indexConfig    `json:"config"`
	Count    int            `json:"vectorCount"`
	Sequence index.Sequence `json:"sequence"`
	Created  string         `json:"created_on"`
}

func newContentsObject(k vectorize.Contents) contentsObject {
	return contentsObject{k.Index, indexConfig{Dimensions: k.Config.Dimensions, Metric: k.Config.Metric}, k.Count, k.Sequence, k.Created.Format(timeMicros)}
}

// createSnapshot answers POST …/nearside/indexes/{index}/snapshots: a copy, kept in the data directory.
func createSnapshot(s *Server, c *call) error {
	kept, sequence, err := s.parts.Vectorize.KeepSnapshot(c, c.account, c.param(indexParam), time.Now())
	if err != nil {
		return err
	}
	object := newSnapshotObject(kept)
	object.Sequence = &sequence
	return c.reply(object)
}

// listSnapshots answers GET …/nearside/indexes/{index}/snapshots.
func listSnapshots(s *Server, c *call) error {
	kept, err := s.parts.Vectorize.Snapshots(c.account, c.param(indexParam))
	if err != nil {
		return err
	}
	objects := make([]snapshotObject, len(kept))
	for i, n := range kept {
		objects[i] = newSnapshotObject(n)
	}
	return c.reply(objects)
}

// streamSnapshot answers GET …/nearside/indexes/{index}/snapshot: a copy made
// now, of which the server keeps nothing. A reply that is cut short is no snapshot.
func streamSnapshot(s *Server, c *call) error {
	name := c.param(indexParam)
	if _, err := s.parts.Vectorize.Describe(c.account, name); err != nil {
		return err
	}
	c.setHeader("Content-Disposition", fmt.Sprintf(`attachment; filename="%s.snapshot"`, name))
	return c.stream(typeSnapshot, func(w *flow) error {
		_, err := s.parts.Vectorize.WriteSnapshot(c, c.account, name, time.Now(), w)
		return err
	})
}

// putSnapshot answers PUT …/nearside/indexes/{index}/snapshot: a snapshot that
// streamSnapshot once gave, here or on another machine, is put in the place of
// the index's records, or makes the index. With ?dry_run=true it is verified only.
func putSnapshot(s *Server, c *call) error {
	src, err := c.body()
	if err != nil {
		return err
	}
	var contents vectorize.Contents
	if c.queryParam("dry_run") == "true" {
		contents, err = s.parts.Vectorize.Verify(c, src)
	} else {
		contents, err = s.parts.Vectorize.Restore(c, c.account, c.param(indexParam), src)
	}
	if err != nil {
		return sentDamaged(err)
	}
	return c.reply(newContentsObject(contents))
}

// sentDamaged makes damage of the client's: the bytes came from there, and
// nothing that is stored here is damaged.
func sentDamaged(err error) error {
	f := fault.As(err)
	if f == nil || f.Kind != fault.Corrupt {
		return err
	}
	return fault.New(fault.Invalid, "%s. Nothing was changed; send the snapshot again, or another one", f.Message).Because(err)
}

// getSnapshot answers GET …/nearside/indexes/{index}/snapshots/{snapshot} with its bytes.
func getSnapshot(s *Server, c *call) error {
	id := c.param("snapshot")
	kept, err := s.openSnapshot(c)
	if err != nil {
		return err
	}
	c.setHeader("Content-Disposition", fmt.Sprintf(`attachment; filename="%s.snapshot"`, id))
	return c.stream(typeSnapshot, func(w *flow) error {
		_, err := io.Copy(w, kept)
		if closing := kept.Close(); err == nil {
			err = closing
		}
		return err
	})
}

// deleteSnapshot answers DELETE …/nearside/indexes/{index}/snapshots/{snapshot}.
func deleteSnapshot(s *Server, c *call) error {
	if err := s.parts.Vectorize.DeleteSnapshot(c.account, c.param(indexParam), c.param("snapshot")); err != nil {
		return err
	}
	return c.reply(nil)
}

// verifySnapshot answers POST …/snapshots/{snapshot}/verify: it reads every byte, and changes nothing.
func verifySnapshot(s *Server, c *call) error {
	return s.withSnapshot(c, func(kept io.Reader) (vectorize.Contents, error) {
		return s.parts.Vectorize.Verify(c, kept)
	})
}

// restoreSnapshot answers POST …/snapshots/{snapshot}/restore: once verified, its records take the place of the index's.
func restoreSnapshot(s *Server, c *call) error {
	return s.withSnapshot(c, func(kept io.Reader) (vectorize.Contents, error) {
		return s.parts.Vectorize.Restore(c, c.account, c.param(indexParam), kept)
	})
}

func (s *Server) withSnapshot(c *call, do func(io.Reader) (vectorize.Contents, error)) error {
	kept, err := s.openSnapshot(c)
	if err != nil {
		return err
	}
	contents, err := do(kept)
	if closing := kept.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return c.reply(newContentsObject(contents))
}

func (s *Server) openSnapshot(c *call) (io.ReadCloser, error) {
	return s.parts.Vectorize.OpenSnapshot(c.account, c.param(indexParam), c.param("snapshot"))
}
