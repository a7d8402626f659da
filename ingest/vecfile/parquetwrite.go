package vecfile

import (
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/snappy"
)

// parquetRow is a row of the files that we write.
type parquetRow struct {
	ID        string    `parquet:"id"`
	Values    []float32 `parquet:"values,list"`
	Namespace string    `parquet:"namespace,optional"`
	Metadata  string    `parquet:"metadata,optional"`
	Title     string    `parquet:"title,optional"`
	Text      string    `parquet:"text,optional"`
}

// groupRows bounds the memory of a writer: 61 MB of vectors of 1,536 dimensions.
const groupRows = 10_000

// ParquetWriter writes records as rows of a Parquet file with the columns id, values
// (a list of float32), namespace, metadata (JSON), title and text, compressed by Snappy.
type ParquetWriter struct {
	w   *parquet.GenericWriter[parquetRow]
	row [1]parquetRow
}

// NewParquetWriter writes to w.
func NewParquetWriter(w io.Writer) *ParquetWriter {
	return &ParquetWriter{w: parquet.NewGenericWriter[parquetRow](w, parquet.Compression(&snappy.Codec{}), parquet.MaxRowsPerRowGroup(groupRows), parquet.CreatedBy("nearside", "", ""))}
}

// Write appends a record.
func (p *ParquetWriter) Write(r *Record) error {
	p.row[0] = parquetRow{r.ID, r.Values, r.Namespace, string(r.Metadata), r.Title, r.Text}
	_, err := p.w.Write(p.row[:])
	return err
}

// Close writes the end of the file.
func (p *ParquetWriter) Close() error { return p.w.Close() }
