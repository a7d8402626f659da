package move

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"math"
	"os"
	"strings"

	"nearside/fault"
	"nearside/ingest/vecfile"
)

// each calls do for each record of a listing, and tells how far it is.
func (l *Listing) each(ctx context.Context, progress func(done, total int64), do func(r *vecfile.Record) error) (n int64, err error) {
	for {
		r, err := l.Next(ctx)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if err := do(&r); err != nil {
			return n, err
		}
		if n++; progress != nil && n%pageIDs == 0 {
			progress(n, l.size)
		}
	}
}

// Lines writes the records as lines of JSON, which Vectorize's insert takes, and returns how many there were.
func Lines(ctx context.Context, l *Listing, to io.Writer, progress func(done, total int64)) (int64, error) {
	w := bufio.NewWriterSize(to, 1<<20)
	var line []byte
	n, err := l.each(ctx, progress, func(r *vecfile.Record) error {
		line = append(vecfile.AppendLine(line[:0], r), '\n')
		_, err := w.Write(line)
		return err
	})
	if err == nil {
		err = w.Flush()
	}
	return n, err
}

// Parquet writes the records as rows of a Parquet file, and returns how many there were.
func Parquet(ctx context.Context, l *Listing, to io.Writer, progress func(done, total int64)) (int64, error) {
	w := vecfile.NewParquetWriter(to)
	n, err := l.each(ctx, progress, w.Write)
	if err == nil {
		err = w.Close()
	}
	return n, err
}

// Npy writes the vectors as a NumPy array, the id of each row as a line of ids, and the whole
// record but for its vector as a line of JSON of more. How many rows there are is known last, and stands
// first in an array: the vectors wait in a file in the directory dir.
func Npy(ctx context.Context, l *Listing, dimensions int, dir string, array, ids, more io.Writer, progress func(done, total int64)) (n int64, err error) {
	waiting, err := os.CreateTemp(dir, "export.*.temp")
	if err != nil {
		return 0, err
	}
	defer func() {
		_ = waiting.Close() // it is removed
		_ = os.Remove(waiting.Name())
	}()
	w, idLines, moreLines := bufio.NewWriterSize(waiting, 1<<20), bufio.NewWriter(ids), bufio.NewWriter(more)
	var room []byte
	n, err = l.each(ctx, progress, func(r *vecfile.Record) error {
		if strings.ContainsAny(r.ID, "\r\n") {
			return fault.New(fault.Invalid, "the id %q has a line end, and a file of ids has one a line; export as ndjson or parquet", r.ID)
		}
		room = room[:0]
		for _, v := range r.Values {
			room = binary.LittleEndian.AppendUint32(room, math.Float32bits(v))
		}
		if _, err := w.Write(room); err != nil {
			return err
		}
		if _, err := idLines.WriteString(r.ID + "\n"); err != nil {
			return err
		}
		r.Values = nil
		room = append(vecfile.AppendLine(room[:0], r), '\n')
		_, err := moreLines.Write(room)
		return err
	})
	for _, w := range []*bufio.Writer{w, idLines, moreLines} {
		if err == nil {
			err = w.Flush()
		}
	}
	if err != nil {
		return n, err
	}
	if _, err := waiting.Seek(0, io.SeekStart); err != nil {
		return n, err
	}
	if _, err := array.Write(vecfile.NpyHeader(n, dimensions)); err != nil {
		return n, err
	}
	_, err = io.Copy(array, waiting)
	return n, err
}
