package disk

import "io"

// WriteFileAtomic writes a file outside any data directory, such as a model's
// weights or a snapshot that somebody asked for: when it returns, the file is
// whole and durable; until then nothing is under its name but what was there before.
func WriteFileAtomic(path string, write func(io.Writer) error) error {
	return writeAtomic(nil, path, write)
}
