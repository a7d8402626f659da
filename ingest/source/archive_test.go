package source_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"nearside/ingest"
	"nearside/ingest/source"
)

func crc(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

func TestWhatIsPackedIsUnpackedByWhatItIs(t *testing.T) {
	members := []pair{{"b/", ""}, {"b/two.md", "2"}, {"a.md", "1"}, {"link", "-> a.md"}}
	inTar, inZip := tarOf(t, members...), zipOf(t, pair{"b/", ""}, pair{"b/two.md", "2"}, pair{"a.md", "1"})
	both := []string{"b/two.md: two.md: 2", "a.md: a.md: 1"}
	for name, c := range map[string]struct {
		content string
		want    []string
	}{
		"plain.md":     {"# it", []string{": plain.md: # it"}},
		"a.md.gz":      {gzipOf(t, "# it"), []string{": a.md: # it"}},
		"a.md.ZST":     {zstdOf(t, "# it"), []string{": a.md: # it"}},
		"nameless":     {gzipOf(t, "# it"), []string{": nameless: # it"}},
		"two.gz":       {gzipOf(t, "# it") + gzipOf(t, " and"), []string{": two: # it and"}},
		"x.tar":        {inTar, both},
		"x.tgz":        {gzipOf(t, inTar), both},
		"x.tar.zst":    {zstdOf(t, inTar), both},
		"x.zip":        {inZip, both},
		"x.txt":        {inZip, both},
		"prog.zip":     {"#!/bin/sh\n" + inZip, both}, // a program that unpacks itself
		"is.zip":       {"no archive", []string{": is.zip: no archive"}},
		"empty.zip":    {zipOf(t), nil},
		"x.docx":       {inZip, []string{": x.docx: PK"}},
		"renamed.zip":  {zipOf(t, pair{"a", ""}, pair{"[Content_Types].xml", ""}), []string{": renamed.zip: PK"}},
		"book.zip":     {zipOf(t, pair{"mimetype", "application/epub+zip"}), []string{": book.zip: PK"}},
		"in.tar":       {tarOf(t, pair{"in.zip", inZip}, pair{"x.gz", gzipOf(t, "it")}, pair{"a.docx", inZip}), []string{"in.zip!b/two.md: two.md: 2", "in.zip!a.md: a.md: 1", "x.gz: x: it", "a.docx: a.docx: PK"}},
		"odt.tar":      {tarOf(t, pair{"x.bin", zipOf(t, pair{"mimetype", "application/vnd.oasis.opendocument.text"})}), []string{"x.bin: x.bin: PK"}},
		"in.zip":       {zipOf(t, pair{"in.tar.gz", gzipOf(t, inTar)}), []string{"in.tar.gz!b/two.md: two.md: 2", "in.tar.gz!a.md: a.md: 1"}},
		"zstd.zip":     {zipRaw(t, func(h *zip.FileHeader) { h.Method, h.UncompressedSize64, h.CRC32 = 93, 2, crc([]byte("it")) }, pair{"a", zstdOf(t, "it")}), []string{"a: a: it"}},
		"hidden.tar":   {tarOf(t, pair{"./.hid", ""}, pair{"__MACOSX/a", ""}, pair{".git/x", ""}, pair{"./a", "1"}), []string{"./a: a: 1"}},
		"names.tar":    {tarOf(t, pair{"../../etc/passwd", "1"}, pair{"/abs", "2"}, pair{"a", "3"}, pair{"a", "4"}, pair{"a#2", "5"}, pair{"a", "6"}), []string{"../../etc/passwd: passwd: 1", "/abs: abs: 2", "a: a: 3", "a#2: a: 4", "a#2#2: a#2: 5", "a#3: a: 6"}},
		"names.zip":    {zipRaw(t, nil, pair{"../x", "1"}, pair{"caf\x82", "2"}, pair{"a\x00b", "3"}, pair{strings.Repeat("n", 5000), "4"}), []string{"../x: x: 1", "caf%82: caf%82: 2", "a%00b: a%00b: 3", strings.Repeat("n", 4096) + "! its name has 5000 bytes"}},
		"deep.zip":     {zipOf(t, pair{"1.zip", zipOf(t, pair{"2.zip", inZip}, pair{"a", "1"})}), []string{"1.zip!2.zip! 2.zip is an archive within an archive within", "1.zip!a: a: 1"}},
		"twice.gz":     {gzipOf(t, gzipOf(t, "it")), []string{"! twice is compressed twice"}},
		"hidden.gz":    {gzipOf(t, zipOf(t, pair{"a", "1"})), []string{"a: a: 1"}},
		"secret.zip":   {zipRaw(t, func(h *zip.FileHeader) { h.Flags |= 1 }, pair{"a", "1"}), []string{"a! a is encrypted"}},
		"lzma.zip":     {zipRaw(t, func(h *zip.FileHeader) { h.Method = 14 }, pair{"a", "1"}), []string{"a! a was compressed by method 14"}},
		"notext.zip":   {zipRaw(t, func(h *zip.FileHeader) { h.Method = 8 }, pair{"a", "\xff\xff\xff"}, pair{"b", "ok"}), []string{"a! a is damaged", "b! b is damaged"}},
		"checksum.zip": {zipRaw(t, func(h *zip.FileHeader) { h.CRC32++ }, pair{"a", "1"}), []string{"a: a: 1! a is damaged: its checksum"}},
		"longer.zip":   {zipRaw(t, func(h *zip.FileHeader) { h.UncompressedSize64 = 1 }, pair{"a", "123"}), []string{"a! a has more than the 1 bytes"}},
		"shorter.zip":  {zipRaw(t, func(h *zip.FileHeader) { h.UncompressedSize64 = 5 }, pair{"a", "123"}), []string{"a: a: 123! a is cut off"}},
	} {
		got := contents(t, packedItem(t, name, c.content, source.Options{}))
		wants(t, name, got, c.want...)
	}
}

// However an archive is cut off or damaged: nothing panics, and what stands before the cut is read as it was.
func TestWhatStandsBeforeACutStands(t *testing.T) {
	r := rand.New(rand.NewPCG(*seed, 1))
	var members []pair
	var want []string
	for i := range 8 {
		words := make([]byte, 200+r.IntN(3000))
		for j := range words {
			words[j] = "aeiou nrst"[r.IntN(10)]
		}
		members = append(members, pair{fmt.Sprintf("f%d", i), string(words)})
		want = append(want, fmt.Sprintf("f%d: f%d: %s", i, i, words))
	}
	stored := zipRaw(t, nil, members...)
	rounds := 15
	if *long {
		rounds = 150
	}
	for name, whole := range map[string]string{
		"x.tar": tarOf(t, members...), "x.tar.gz": gzipOf(t, tarOf(t, members...)), "x.tar.zst": zstdOf(t, tarOf(t, members...)), "x.zip": zipOf(t, members...), "stored.zip": stored,
	} {
		for range rounds {
			cut := 600 + r.IntN(len(whole)-600)
			got := contents(t, packedItem(t, name, whole[:cut], source.Options{}))
			good := 0
			for good < len(got) && good < len(want) && got[good] == want[good] {
				good++
			}
			if len(got) == 0 || !strings.Contains(got[len(got)-1], "! ") {
				t.Fatalf("seed %d: %s of %d bytes cut at %d: no problem: %.200q", *seed, name, len(whole), cut, got)
			}
			for _, line := range got[good:] {
				if !strings.Contains(line, "! ") {
					t.Fatalf("seed %d: %s cut at %d: %.200q is not what was packed", *seed, name, cut, line)
				}
			}
			if cut > len(whole)*3/4 && good < 3 && !strings.Contains(name, ".tar.") {
				t.Fatalf("seed %d: %s cut at %d of %d: only %d members", *seed, name, cut, len(whole), good)
			}
		}
		for range rounds {
			damaged := []byte(whole)
			for range 1 + r.IntN(3) {
				damaged[r.IntN(len(damaged))] ^= byte(1 + r.IntN(255))
			}
			contents(t, packedItem(t, name, string(damaged), source.Options{})) // must end
		}
	}
}

func TestAnArchiveUnpacksWithinLimits(t *testing.T) {
	zeros := strings.Repeat("\x00", 3<<20)
	few := source.Limits{Free: 1 << 20}
	for name, c := range map[string]struct {
		content string
		limits  source.Limits
		want    []string
	}{
		"bomb.gz":   {gzipOf(t, zeros), few, []string{": bomb: ! it unpacks to more than 250 times its"}},
		"bomb.zst":  {zstdOf(t, zeros), few, []string{": bomb: ! it unpacks to more than 250 times its"}},
		"bomb.zip":  {zipOf(t, pair{"a", "1"}, pair{"b", zeros}, pair{"c", "1"}), few, []string{"a: a: 1", "b: b: ", "! bomb.zip: what comes after its first 1 members was left out: it unpacks"}},
		"large.zip": {zipOf(t, pair{"a", "12345678"}, pair{"b", "12345678"}), source.Limits{Expanded: 10}, []string{"a: a: 12345678", "b! it unpacks to more than 10 B", "! large.zip: what comes after its first 1"}},
		"many.tar":  {tarOf(t, pair{"a", "1"}, pair{"b", "2"}, pair{"c", "3"}), source.Limits{Members: 2}, []string{"a: a: 1", "b: b: 2", "! many.tar: what comes after its first 2 members was left out: it has more than 2"}},
		"two.zip":   {zipOf(t, pair{"in.zip", zipOf(t, pair{"a", zeros})}, pair{"b", "1"}), few, []string{"in.zip!a: a: ", "in.zip! in.zip: what comes after its first 0", "! two.zip: what comes after its first 0"}},
	} {
		got := contents(t, packedItem(t, name, c.content, source.Options{Unpack: c.limits}))
		wants(t, name, got, c.want...)
	}
	got := contents(t, packedItem(t, "x.zip", zipOf(t, pair{"a", "12345"}, pair{"b", "1"}), source.Options{MaxFileSize: 4 << 10, Unpack: source.Limits{}}))
	wants(t, "members within the limit of a file", got, "a: a: 12345", "b: b: 1")
	got = contents(t, packedItem(t, "x.zip", zipOf(t, pair{"a", strings.Repeat("1", 5<<10)}, pair{"b", "1"}), source.Options{MaxFileSize: 4 << 10}))
	wants(t, "a member over the limit of a file", got, "a! a has 5.0 KiB, more than the limit of 4.0 KiB", "b: b: 1")
}

// Many entries of the list can point to the same bytes: what counts is what all of them unpack to.
func TestOverlappingMembersAreABombToo(t *testing.T) {
	archive := []byte(zipOf(t, pair{"a", strings.Repeat("\x00", 1<<20)}))
	at := bytes.Index(archive, []byte("PK\x01\x02"))
	end := bytes.Index(archive, []byte("PK\x05\x06"))
	entry := archive[at:end]
	bomb := bytes.Clone(archive[:at])
	const n = 2000
	for range n {
		bomb = append(bomb, entry...)
	}
	tail := bytes.Clone(archive[end:])
	binary.LittleEndian.PutUint16(tail[8:], n)
	binary.LittleEndian.PutUint16(tail[10:], n)
	binary.LittleEndian.PutUint32(tail[12:], uint32(n*len(entry)))
	bomb = append(bomb, tail...)
	read := int64(0)
	c, err := packedItem(t, "bomb.zip", string(bomb), source.Options{Unpack: source.Limits{Free: 4 << 20}}).Open(t.Context())
	must(t, err)
	defer c.Close()
	last := error(nil)
	must(t, c.Files(t.Context(), func(f ingest.File) error {
		if last = f.Problem; f.Body != nil {
			n, _ := io.Copy(io.Discard, f.Body) // an error comes again as the archive's problem
			read += n
		}
		return nil
	}))
	if read > 40<<20 || last == nil || !strings.Contains(last.Error(), "250 times") {
		t.Errorf("%d bytes were read, then %v", read, last)
	}
}

// An archive that has itself as a member must end. This one is a gzip file that unpacks to a tar with that file in it, as far as one can be
// made: what ends it is the depth, not the bytes.
func TestArchivesWithinArchivesEnd(t *testing.T) {
	in := tarOf(t, pair{"a", "1"})
	for range 10 {
		in = tarOf(t, pair{"in.tar.gz", gzipOf(t, in)}, pair{"a", "1"})
	}
	wants(t, "files", contents(t, packedItem(t, "x.tar", in, source.Options{})), "in.tar.gz!in.tar.gz! in.tar is an archive within", "in.tar.gz!a: a: 1", "a: a: 1")
}

// The memory of reading an archive does not grow with it. With -long the archive has a gigabyte.
func TestALargeZipIsReadInLittleMemory(t *testing.T) {
	members, size := 64, 1<<20
	if *long {
		members = 1024
	}
	path := filepath.Join(t.TempDir(), "large.zip")
	f, err := os.Create(path)
	must(t, err)
	w := zip.NewWriter(f)
	noise := make([]byte, size)
	r := rand.NewChaCha8([32]byte{byte(*seed)})
	for i := range members {
		_, _ = r.Read(noise) // never fails
		m, err := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("docs/%d.txt", i)})
		must(t, err)
		_, err = m.Write(noise)
		must(t, err)
	}
	must(t, w.Close())
	must(t, f.Close())
	src, err := source.File(path, source.Options{})
	must(t, err)
	c, err := items(t, src)[0].Open(t.Context())
	must(t, err)
	defer c.Close()
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	peak, n := uint64(0), 0
	must(t, c.Files(t.Context(), func(f ingest.File) error {
		n++
		if _, err := io.Copy(io.Discard, f.Body); err != nil || f.Problem != nil {
			t.Error(f.Member, err, f.Problem)
		}
		runtime.ReadMemStats(&now)
		peak = max(peak, now.HeapAlloc)
		return nil
	}))
	if grown := int64(peak) - int64(before.HeapAlloc); n != members || grown > 16<<20 {
		t.Errorf("%d members of a MiB each took %d bytes of memory", n, grown)
	}
}

func FuzzArchives(f *testing.F) {
	f.Add("x.zip", []byte(zipOf(f, pair{"a", "aaaaaaaaaaaaaaa"}, pair{"b", "2"})))
	f.Add("x.zip", []byte(zipRaw(f, nil, pair{"a", "1"})))
	f.Add("x.tar", []byte(tarOf(f, pair{"a", "1"})))
	f.Add("x.gz", []byte(gzipOf(f, tarOf(f, pair{"a", "1"}))))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		path := filepath.Join(dir, "f")
		must(t, os.WriteFile(path, data, 0o600))
		src, err := source.File(path, source.Options{Unpack: source.Limits{Expanded: 1 << 20, Members: 100}})
		must(t, err)
		for _, item := range items(t, src) {
			contents(t, item)
		}
	})
}
