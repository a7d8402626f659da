package disk

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// WriteFileAtomic makes or replaces a file that lies in no data directory, such
// as a downloaded model: when it returns nil the whole content is durable under
// its name; after an error the file is what it was. Missing directories are made.
//
// Processes that write the same file at once do not disturb each other: the last
// to finish wins. A crash may leave a file named "*.temp" beside it.
func WriteFileAtomic(path string, write func(io.Writer) error) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := mkdirAll(nil, filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*"+tempSuffix)
	if err != nil {
		return err
	}
	if err = (&File{path: f.Name(), f: f}).fill(write); err == nil {
		err = rename(nil, f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, remove(nil, f.Name()))
	}
	return nil
}
