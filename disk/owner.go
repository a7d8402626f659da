package disk

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nearside/fault"
)

const (
	ownerName  = "owner"
	formatName = "format"

	// FormatVersion is the version of the directory layout that this program writes.
	FormatVersion = 1
)

// takeOwnership locks the data directory for this process and writes down who it is.
func takeOwnership(o Options, path string) (*File, error) {
	f, err := openFile(o.Hook, filepath.Join(path, ownerName), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, explainFile(path, err)
	}
	if err = o.Hook.ask(OpLock, f.path); err == nil {
		var ours bool
		if ours, err = tryLock(f.f); err == nil && !ours {
			err = fault.New(fault.Conflict, "the data directory %s is in use by another process (%s); stop it, or choose another directory",
				path, readOwner(f))
		}
	}
	if err == nil {
		err = writeOwner(f, o)
	}
	if err != nil {
		return nil, errors.Join(explainFile(path, err), f.Close())
	}
	return f, nil
}

// writeOwner describes this process. It is only ever read by people and by
// readOwner, and the lock is what counts, so that it is neither synced nor checksummed.
func writeOwner(f *File, o Options) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	text := fmt.Sprintf("pid %d\nstarted %s\nhost %s\ncommand %s\n",
		os.Getpid(), o.Clock().UTC().Format("2006-01-02T15:04:05Z"), host, strings.ReplaceAll(o.Command, "\n", " "))
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(text), 0)
	return err
}

// readOwner describes the process that holds the lock, as far as it can be known.
func readOwner(f *File) string {
	text := make([]byte, 1024)
	n, err := f.ReadAt(text, 0)
	if (err != nil && err != io.EOF) || n == 0 {
		return "it has not said which"
	}
	return strings.Join(strings.Split(strings.TrimSpace(string(text[:n])), "\n"), ", ")
}

// formatText is the whole content of the format file.
func formatText(version int) string {
	line := fmt.Sprintf("nearside data directory, format %d", version)
	return fmt.Sprintf("%s\nsum %08x\n", line, crc32.Checksum([]byte(line), castagnoli))
}

// readFormat is the inverse of formatText.
func readFormat(text string) (version int, ok bool) {
	_, err := fmt.Sscanf(text, "nearside data directory, format %d\n", &version)
	return version, err == nil && text == formatText(version)
}

// checkFormat refuses a directory that this program cannot read, and marks an
// empty one as ours. Nothing else is written to a directory before its format
// file is durable, so that one with files but without it is not ours, or is damaged.
func (d *Dir) checkFormat() error {
	path := d.Path(formatName)
	text, err := d.ReadFile(formatName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d.adopt()
	case err != nil:
		return err
	}
	version, ok := readFormat(string(text))
	if !ok {
		return fault.New(fault.Corrupt, "%s is damaged; if the directory is one of format %d, write %q into it",
			path, FormatVersion, formatText(FormatVersion))
	}
	if version > FormatVersion {
		return fault.New(fault.Unsupported, "%s was written by a newer nearside (directory format %d, this program reads up to %d); use the newer program",
			d.path, version, FormatVersion)
	}
	return nil
}

// strangers are files that an empty directory may hold: what a file system puts
// there, and the catalogue of models that its owner may put there before the first start.
var strangers = []string{ownerName, "lost+found", "models.yaml"}

// adopt writes the format file of a directory that holds nothing of ours yet.
func (d *Dir) adopt() error {
	names, err := d.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.Contains(strangers, name) && !strings.HasSuffix(name, tempSuffix) {
			return fault.New(fault.Corrupt, "%s holds files (such as %q) but no file %q: it is not a nearside data directory, or it is a damaged one; choose an empty directory",
				d.path, name, formatName)
		}
	}
	return d.WriteAtomic(formatName, func(w io.Writer) error {
		_, err := io.WriteString(w, formatText(FormatVersion))
		return err
	})
}
