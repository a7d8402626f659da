package command

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"nearside/fault"
	"nearside/llm"
)

// catalogueName is the user's own catalogue in a data directory.
const catalogueName = "models.yaml"

// catalogueFiles say what the model catalogue is read from.
type catalogueFiles struct {
	base []byte // models.yaml as it is built in
	data string // the data directory; "" = none
	file string // one more file; "" = none
}

func (f *catalogueFiles) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.file, "models-file", "", "models, prices and backends of your own, merged onto the built-in models.yaml and the data directory's")
}

// load reads the built-in catalogue, then models.yaml of the data directory if it
// is there, then the file that the user names. Each goes before those read earlier.
func (f *catalogueFiles) load() (*llm.Catalogue, error) {
	sources := []llm.Source{{Name: catalogueName + " (built in)", Bytes: f.base}}
	if f.data != "" {
		path := filepath.Join(f.data, catalogueName)
		own, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fault.New(fault.Invalid, "%s cannot be read", path).Because(err)
		}
		if err == nil {
			sources = append(sources, llm.Source{Name: path, Bytes: own})
		}
	}
	if f.file != "" {
		own, err := os.ReadFile(f.file)
		if err != nil {
			return nil, fault.New(fault.Invalid, "--models-file %s cannot be read", f.file).Because(err)
		}
		sources = append(sources, llm.Source{Name: f.file, Bytes: own})
	}
	return llm.LoadFiles(sources...)
}
