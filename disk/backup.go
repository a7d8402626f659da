package disk

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"

	"github.com/ncruces/go-sqlite3"

	"nearside/fault"
)

// image is the state of a database at one sequence: its file, which stays as it
// is while the image is open, overlaid with committed pages of its log.
type image struct {
	file  *File
	log   *File // nil if no page is taken from it
	over  map[uint32]int64
	pages uint32
	head  uint64
}

// image freezes the newest state. Writers go on: their changes stay in the log
// until the image is closed.
//
// The log is reset only by a writer that finds all of it in the database file.
// Either it is all there now, and then the image does not need it, or, for want of
// room or because of a View, it will not be before the image is closed.
func (db *DB) image(ctx context.Context) (*image, error) {
	if err := db.alone(ctx); err != nil {
		return nil, err
	}
	defer db.turn.drop()
	if db.closed {
		return nil, db.closedError()
	}
	if err := db.awake(); err != nil {
		return nil, err
	}
	if db.broken != nil {
		return nil, db.broken // it is open what the log holds
	}
	inLog, copied, err := db.writer.WALCheckpoint("main", sqlite3.CHECKPOINT_PASSIVE)
	full := errors.Is(err, sqlite3.FULL)
	if err != nil && !full {
		return nil, db.explain(err)
	}
	im := &image{head: db.head.Load()}
	if err := im.open(db, full || inLog > copied); err != nil {
		return nil, errors.Join(err, im.close())
	}
	db.copying.Store(true)
	return im, nil
}

// open opens the database file, and its log if that has pages of its own.
func (im *image) open(db *DB, logged bool) (err error) {
	if im.file, err = openFile(db.system.hook, db.path, os.O_RDONLY); err != nil {
		return err
	}
	if logged {
		log, err := readWAL(db.system.hook, db.path+walSuffix)
		if err != nil {
			return err
		}
		im.over = log.frames
		if im.log, err = openFile(db.system.hook, db.path+walSuffix, os.O_RDONLY); err != nil {
			return err
		}
	}
	first := make([]byte, pageSize)
	whole, err := im.read(1, first)
	if err == nil && !whole {
		err = pageError(db.path, 1)
	}
	im.pages = headerPages(first)
	return err
}

// read fills page with the n-th page, n from 1, and reports whether it is whole.
func (im *image) read(n uint32, page []byte) (whole bool, err error) {
	if at, ok := im.over[n]; ok {
		if _, err := im.log.ReadAt(page, at); err != nil {
			return false, err
		}
		sealPage(page) // pages in the log have no checksum of their own
		return true, nil
	}
	if n == lockPage {
		clear(page)
		return true, nil
	}
	_, err = im.file.ReadAt(page, int64(n-1)*pageSize)
	if errors.Is(err, io.EOF) {
		return false, nil // the file is cut short
	}
	return err == nil && pageIsWhole(page), err
}

func (im *image) close() error {
	var errs []error
	for _, f := range []*File{im.file, im.log} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// freeze calls use with an image that is closed afterwards. One at a time.
func (db *DB) freeze(ctx context.Context, use func(im *image) error) error {
	if err := db.copies.take(ctx); err != nil {
		return err
	}
	defer db.copies.drop()
	im, err := db.image(ctx)
	if err != nil {
		return err
	}
	defer db.copying.Store(false)
	return db.explain(errors.Join(use(im), im.close()))
}

// Backup writes a copy of the database, as it is after the mutation whose
// sequence it returns, and verifies each page on the way. Writers go on
// meanwhile, but their log grows until Backup returns. The bytes are a database
// file in themselves; VerifyBackup reads them, Dir.InstallDB makes a database of them.
func (db *DB) Backup(ctx context.Context, w io.Writer) (head uint64, err error) {
	err = db.freeze(ctx, func(im *image) error {
		head = im.head
		return im.copy(ctx, db.path, w)
	})
	return head, err
}

func (im *image) copy(ctx context.Context, path string, w io.Writer) error {
	out := bufio.NewWriterSize(w, 16*pageSize)
	page := make([]byte, pageSize)
	for n := uint32(1); n <= im.pages; n++ {
		if err := ctx.Err(); err != nil {
			return canceled(err)
		}
		whole, err := im.read(n, page)
		if err != nil {
			return err
		}
		if !whole {
			return pageError(path, n)
		}
		if _, err := out.Write(page); err != nil {
			return err
		}
	}
	return out.Flush()
}

func pageError(path string, n uint32) error {
	return fault.New(fault.Corrupt, "%s is damaged: page %d (bytes %d to %d) has a wrong checksum; restore it from a snapshot",
		path, n, int64(n-1)*pageSize, int64(n)*pageSize-1)
}

// VerifyBackup reads what Backup wrote and verifies the checksum of every page
// and the length. name is how messages call it. InstallDB verifies more.
func VerifyBackup(src io.Reader, name string) error {
	return copyPages(io.Discard, src, name)
}

// copyPages copies a database from its first page to its last, all of them verified.
func copyPages(dst io.Writer, src io.Reader, name string) error {
	in := bufio.NewReaderSize(src, 16*pageSize)
	page := make([]byte, pageSize)
	var pages uint32
	for n := uint32(1); ; n++ {
		_, err := io.ReadFull(in, page)
		if err == io.EOF && n > 1 && n-1 == pages {
			return nil
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return fault.New(fault.Corrupt, "%s is cut short: it ends in page %d of %d", name, n, pages)
		}
		if err != nil {
			return err
		}
		if n == 1 {
			if !headerIsOurs(page) {
				return fault.New(fault.Corrupt, "%s is not a database of nearside, or its first page is damaged", name)
			}
			pages = headerPages(page)
		}
		if n > pages {
			return fault.New(fault.Corrupt, "%s is longer than the %d pages it should have", name, pages)
		}
		if !pageIsWhole(page) {
			return pageError(name, n)
		}
		if _, err := dst.Write(page); err != nil {
			return err
		}
	}
}
