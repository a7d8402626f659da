package web_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"nearside/web"
)

// files returns what is in a package.
func files(t *testing.T, pack []byte) map[string]string {
	t.Helper()
	unpacked, err := gzip.NewReader(bytes.NewReader(pack))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for archive := tar.NewReader(unpacked); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		found[header.Name] = string(content)
	}
}

func TestThePackageHasItsVersionAndIsTheSameBytesEachTime(t *testing.T) {
	pack, err := web.Package("1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	again, err := web.Package("1.2.3")
	if err != nil || !bytes.Equal(pack, again) {
		t.Errorf("a second package differs, or failed: %v", err)
	}
	found := files(t, pack)
	if !strings.Contains(found["package/package.json"], `"version": "1.2.3"`) {
		t.Errorf("package.json is %s", found["package/package.json"])
	}
	if found["package/plugin.cjs"] != string(web.WorkersPlugin) {
		t.Error("the plugin is not the one that dev init writes")
	}
	license, err := os.ReadFile("../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	if found["package/LICENSE"] != string(license) {
		t.Error("the licence is not that of the program; copy LICENSE to web/workers")
	}
}

func TestThePackageHasAVersionThatNpmTakes(t *testing.T) {
	for program, want := range map[string]string{
		"v1.2.3": "1.2.3", "1.2.3": "1.2.3", "v1.2.3-4-gabc1234-dirty": "1.2.3-4-gabc1234-dirty",
		"dev": "0.0.0-dev", "0123456": "0.0.0-g0123456", "abc1234-dirty": "0.0.0-abc1234-dirty", "9ab1234": "0.0.0-g9ab1234",
	} {
		if got := web.PackageVersion(program); got != want {
			t.Errorf("%s: %s, want %s", program, got, want)
		}
	}
}
