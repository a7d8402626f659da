package finetune_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/llm/finetune"
)

func TestDamageOfAFileIsFound(t *testing.T) {
	path := t.TempDir()
	fill := func() (file string) {
		dir := disktest.OpenDir(t, path, disk.Options{})
		s, err := finetune.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		create(t, s, "alice", "mine")
		if err := upload(t.Context(), s, "alice", "mine", finetune.WeightsFile, bytes.NewReader(adapter)); err != nil {
			t.Fatal(err)
		}
		names, err := dir.Sub("finetunes").Names()
		if err != nil || len(names) != 1 {
			t.Fatal(names, err)
		}
		for _, closing := range []func() error{s.Close, dir.Close} {
			if err := closing(); err != nil {
				t.Fatal(err)
			}
		}
		return filepath.Join(path, "finetunes", names[0])
	}
	check := func() []disk.Finding {
		dir, err := disk.OpenDir(path, disk.Options{})
		if err != nil {
			t.Fatal(err)
		}
		found, err := finetune.Check(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := dir.Close(); err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := check(); found != nil {
		t.Errorf("a directory without fine-tunes: %+v", found)
	}
	file := fill()
	if found := check(); found != nil {
		t.Errorf("what is sound: %+v", found)
	}
	for want, damage := range map[string]func() error{
		"checksum differs": func() error {
			flipped := bytes.Clone(adapter)
			flipped[len(flipped)-1] ^= 1
			return os.WriteFile(file, flipped, 0o600)
		},
		"bytes; ":    func() error { return os.WriteFile(file, adapter[:len(adapter)-1], 0o600) },
		"is missing": func() error { return os.Remove(file) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		found := check()
		if len(found) != 1 || found[0].Path != file || !strings.Contains(found[0].Problem, want) || !strings.Contains(found[0].Problem, `adapter_model.safetensors of the fine-tune "mine"`) {
			t.Errorf("%s: %+v", want, found)
		}
		if err := os.WriteFile(file, adapter, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
