// Package web has the files of nearside that are no Go: what runs in a browser or in
// Node. They are embedded as they are; nothing is built.
package web

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"time"
)

// WorkersPlugin is the Miniflare plugin that has nearside answer the bindings of a
// Worker. It wants server.json beside it: {"url": …, "secret": …}.
//
//go:embed workers/plugin.cjs
var WorkersPlugin []byte

//go:embed workers
var workers embed.FS

// unstamped is the version in workers/package.json, where a real one is put.
const unstamped = `"version": "0.0.0"`

// packed is when the files of a package were changed, as npm says it of all it packs:
// packages of the same content are the same bytes.
var packed = time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC)

// Package returns the npm package nearside in the version, as `npm pack` makes it: a
// tar archive, compressed.
func Package(version string) ([]byte, error) {
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	archive := tar.NewWriter(compressed)
	files, err := fs.ReadDir(workers, "workers")
	if err != nil {
		return nil, err
	}
	for _, f := range files { // sorted by name
		content, err := workers.ReadFile("workers/" + f.Name())
		if err != nil {
			return nil, err
		}
		if f.Name() == "package.json" {
			content = bytes.Replace(content, []byte(unstamped), fmt.Appendf(nil, `"version": %q`, version), 1)
		}
		header := tar.Header{Name: "package/" + f.Name(), Mode: 0o644, Size: int64(len(content)), ModTime: packed}
		if err := archive.WriteHeader(&header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(content); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := compressed.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// released is a version as npm takes it, behind the v that tags have.
var released = regexp.MustCompile(`^v?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)$`)

// PackageVersion returns the version of the package that belongs to a version of the
// program. One between releases may be a bare commit, which npm would not take.
func PackageVersion(program string) string {
	if m := released.FindStringSubmatch(program); m != nil {
		return m[1]
	}
	if program >= "0" && program < ":" { // a digit, after which npm would want a number
		program = "g" + program
	}
	return "0.0.0-" + program
}
