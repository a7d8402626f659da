package jobs_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
	"nearside/jobs"
)

func openSpool(t *testing.T, path string, most int64) *jobs.Spool {
	t.Helper()
	s, err := jobs.OpenSpool(disktest.OpenDir(t, path, disk.Options{}).Sub("spool"), most)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, p *jobs.Parcel, content string) jobs.Spooled {
	t.Helper()
	f, err := p.Put(strings.NewReader(content), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAParcelIsReadAsItCameAlsoByTheNextProcess(t *testing.T) {
	path := t.TempDir()
	var parcel string
	t.Run("before", func(t *testing.T) {
		s := openSpool(t, path, 100)
		p := s.NewParcel()
		first, second := put(t, p, "hello"), put(t, p, "")
		const hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // sha256sum
		if first != (jobs.Spooled{Name: "0", Size: 5, Digest: hello}) || second.Name != "1" || second.Size != 0 {
			t.Errorf("%+v, %+v", first, second)
		}
		put(t, s.NewParcel(), "another")
		parcel = p.Name
	})
	s := openSpool(t, path, 100)
	if s.Bytes() != 12 {
		t.Errorf("it holds %d bytes", s.Bytes())
	}
	if err := s.Keep(map[string]bool{parcel: true}); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(s.Path(parcel, "0")); string(content) != "hello" || err != nil || s.Bytes() != 5 {
		t.Errorf("%q, %v, %d bytes", content, err, s.Bytes())
	}
	if err := s.Remove(parcel); err != nil || s.Bytes() != 0 {
		t.Errorf("%v, %d bytes", err, s.Bytes())
	}
	if _, err := os.Stat(s.Path(parcel, "0")); err == nil {
		t.Error("a file of a parcel that was removed is there")
	}
}

func TestTheSpoolHasRoomForSoMuch(t *testing.T) {
	s := openSpool(t, t.TempDir(), 10)
	p := s.NewParcel()
	if _, err := p.Put(strings.NewReader("123456"), 5); !fault.Is(err, fault.TooLarge) || !strings.Contains(err.Error(), "5 bytes") {
		t.Errorf("a file that is too large: %v", err)
	}
	if err := p.Drop(); err != nil || s.Bytes() != 0 {
		t.Errorf("%v, %d bytes", err, s.Bytes())
	}
	p = s.NewParcel()
	put(t, p, "12345678")
	other := s.NewParcel()
	if _, err := other.Put(strings.NewReader("123"), 5); !fault.Is(err, fault.Busy) || !strings.Contains(err.Error(), "at most 10") {
		t.Errorf("more than there is room for: %v", err)
	}
	if err := errors.Join(other.Drop(), p.Drop()); err != nil {
		t.Fatal(err)
	}
	put(t, s.NewParcel(), "1234567890")
}

func TestAFileThatBreaksOffIsNotInTheParcel(t *testing.T) {
	path := t.TempDir()
	s := openSpool(t, path, 100)
	p := s.NewParcel()
	broken := errors.New("the client hung up")
	if _, err := p.Put(io.MultiReader(strings.NewReader("half"), &failing{broken}), 50); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if f := put(t, p, "whole"); f.Name != "0" {
		t.Errorf("%+v", f)
	}
}

// failing is a reader that fails.
type failing struct{ err error }

// Read implements io.Reader.
func (f *failing) Read([]byte) (int, error) { return 0, f.err }
