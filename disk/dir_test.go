package disk_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
)

// TestMain lets the test program be a second process that owns a directory, or writes to it.
func TestMain(m *testing.M) {
	if path := os.Getenv("DISK_TEST_OWNER"); path != "" {
		if _, err := disk.OpenDir(path, disk.Options{Command: "the first"}); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("owned")
		io.Copy(io.Discard, os.Stdin) // until it is killed
	}
	if path := os.Getenv("DISK_TEST_WRITER"); path != "" {
		fmt.Println(keepWriting(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestASecondProcessIsRefusedNamingTheFirstUntilThatIsKilled(t *testing.T) {
	path := t.TempDir()
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), "DISK_TEST_OWNER="+path)
	stdin, err := owner.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 6)
	if _, err := io.ReadFull(stdout, said); err != nil || string(said) != "owned\n" {
		t.Fatalf("%q: %v", said, err)
	}
	_, err = disk.OpenDir(path, disk.Options{})
	if !fault.Is(err, fault.Conflict) {
		t.Fatal(err)
	}
	for _, part := range []string{path, fmt.Sprintf("pid %d,", owner.Process.Pid), "started 20", "command the first"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %q", part, err)
		}
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	owner.Wait() // it reports the kill
	disktest.OpenDir(t, path, disk.Options{})
}

func TestTheSameProcessIsRefusedTwice(t *testing.T) {
	d := disktest.OpenDir(t, t.TempDir(), disk.Options{Clock: func() time.Time { return time.Unix(0, 0) }})
	_, err := disk.OpenDir(d.Path(), disk.Options{})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "started 1970-01-01T00:00:00Z") {
		t.Error(err)
	}
}

func TestADirectoryThatIsNotOursIsRefused(t *testing.T) {
	for _, c := range []struct {
		file, content string
		kind          fault.Kind
		names         []string
	}{
		{"letter.txt", "dear", fault.Corrupt, []string{"letter.txt", "format"}},
		{"format", "nearside data directory, format 2\nsum f9dd96f1\n", fault.Unsupported, []string{"format 2", "up to 1"}},
		{"format", "nearside data directory, format 2\nsum 00000000\n", fault.Corrupt, []string{"format is damaged"}},
		{"format", "", fault.Corrupt, []string{"format is damaged"}},
	} {
		path := t.TempDir()
		write(t, filepath.Join(path, c.file), []byte(c.content))
		_, err := disk.OpenDir(path, disk.Options{})
		if !fault.Is(err, c.kind) {
			t.Errorf("%s %q: %v", c.file, c.content, err)
			continue
		}
		for _, name := range append(c.names, path) {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%q is not in %q", name, err)
			}
		}
	}
}

func TestACatalogueOfModelsMayLieInADirectoryBeforeTheFirstStart(t *testing.T) {
	path := t.TempDir()
	write(t, filepath.Join(path, "models.yaml"), []byte("models: []"))
	for range 2 {
		d, err := disk.OpenDir(path, disk.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if text, err := d.ReadFile("models.yaml"); err != nil || string(text) != "models: []" {
			t.Errorf("%q, %v", text, err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWriteAtomicReplacesAFileWholeOrNotAtAll(t *testing.T) {
	d := disktest.OpenDir(t, t.TempDir(), disk.Options{})
	refusal := errors.New("no")
	put := func(text string, err error) error {
		return d.Sub("deep").Sub("er").WriteAtomic("note", func(w io.Writer) error {
			_, writeErr := io.WriteString(w, text)
			return errors.Join(writeErr, err)
		})
	}
	if err := put("one", nil); err != nil {
		t.Fatal(err)
	}
	if err := put("two", refusal); !errors.Is(err, refusal) {
		t.Error(err)
	}
	deep := d.Sub("deep").Sub("er")
	if b, err := deep.ReadFile("note"); err != nil || string(b) != "one" {
		t.Errorf("%q, %v", b, err)
	}
	if names, err := deep.Names(); err != nil || !slices.Equal(names, []string{"note"}) {
		t.Errorf("%q, %v", names, err)
	}
	if _, err := deep.ReadFile("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestRemoveAllAndOpeningSweepWhatIsLeftOver(t *testing.T) {
	path := t.TempDir()
	d, err := disk.OpenDir(path, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := d.Sub(name).WriteAtomic("file", func(io.Writer) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := d.RemoveAll("a"); err != nil {
			t.Error(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for _, leftover := range []string{"b/file.temp", "c.trash/file"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(path, leftover)), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(path, leftover), []byte("half"))
	}
	d = disktest.OpenDir(t, path, disk.Options{})
	if names, err := d.Names(); err != nil || !slices.Equal(names, []string{"b", "format", "owner"}) {
		t.Errorf("%q, %v", names, err)
	}
	if names, err := d.Sub("b").Names(); err != nil || !slices.Equal(names, []string{"file"}) {
		t.Errorf("%q, %v", names, err)
	}
}

func TestADerivedFileIsReadAndWritten(t *testing.T) {
	d := disktest.OpenDir(t, t.TempDir(), disk.Options{})
	f, err := d.Sub("x").OpenFile("derived", os.O_CREATE|os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []error{
		second(f.Write([]byte("hello "))), second(f.Write([]byte("world"))), second(f.WriteAt([]byte("H"), 0)),
		f.Truncate(8), f.Sync(), f.Close(),
	} {
		if step != nil {
			t.Error(step)
		}
	}
	if f, err = d.Sub("x").OpenFile("derived", os.O_RDONLY); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := io.ReadAll(f); err != nil || string(b) != "Hello wo" {
		t.Errorf("%q, %v", b, err)
	}
}

func second(_ int, err error) error { return err }
