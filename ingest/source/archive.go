package source

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"nearside/doc/parse"
	"nearside/fault"
	"nearside/ingest"
)

// packed is something that may have to be unpacked.
type packed struct {
	name   string // of the file or, in an archive, as the archive has it; as a path is written
	member string // within the item; "" = the item itself
	media  string
	body   io.Reader
	at     io.ReaderAt // the same bytes; may be nil
	size   int64       // of at
}

// unpacker hands out the files of one item.
type unpacker struct {
	ctx    context.Context
	budget *budget
	hidden bool
	yield  func(ingest.File) error
	seen   map[[16]byte]int32 // how often members' names came, by their hashes
	inside []string           // the archives that it is in
}

// unpack hands out a file: itself, what it unpacks to, or its members.
func unpack(ctx context.Context, p packed, o *Options, yield func(ingest.File) error) error {
	u := &unpacker{ctx: ctx, hidden: o.Hidden, yield: yield, seen: map[[16]byte]int32{}}
	u.budget = &budget{Limits: o.Unpack, maxFile: o.MaxFileSize, packed: func() int64 { return p.size }}
	if p.at == nil {
		raw := &counted{r: p.body}
		p.body, u.budget.packed = raw, func() int64 { return raw.n }
	}
	p.body = whileReader{ctx, p.body}
	return u.file(p, false)
}

// file hands out a file, which was unpacked from a compressed one or was not.
func (u *unpacker) file(p packed, uncompressed bool) error {
	head, body, err := begin(p.body)
	if err != nil {
		return u.failure(p.member, damaged(p.name, err))
	}
	p.body = body
	is := kindOf(head, p)
	switch {
	case is == isPlain:
		return u.yield(ingest.File{Member: p.member, File: parse.File{Name: path.Base(p.name), MediaType: p.media, Body: p.body, At: p.at, Size: p.size}})
	case (is == isGzip || is == isZstd) && uncompressed:
		return u.failure(p.member, fault.New(fault.Invalid, "%s is compressed twice; unpack it once", p.name))
	case is == isGzip || is == isZstd:
		return u.decompress(p, is)
	case len(u.inside) == maxArchives:
		return u.failure(p.member, fault.New(fault.Invalid, "%s is an archive within an archive within an archive; unpack the outer one", p.name))
	}
	u.inside = append(u.inside, p.member)
	defer func() { u.inside = u.inside[:len(u.inside)-1] }()
	if is == isTar {
		return u.tar(p)
	}
	return u.zip(p)
}

// begin returns the first bytes that are there, and a reader of all.
func begin(r io.Reader) ([]byte, io.Reader, error) {
	buffered := bufio.NewReaderSize(r, 4096)
	head, err := buffered.Peek(tarBlock)
	if len(head) > 0 || err == io.EOF {
		err = nil
	}
	return head, buffered, err
}

// decompress hands out what a compressed file unpacks to.
func (u *unpacker) decompress(p packed, is kind) error {
	in := packed{name: strings.TrimSuffix(trimEnding(p.name, ".gz", ".zst", ".zstd", ".gzip"), "."), member: p.member}
	var r io.Reader
	switch is {
	case isGzip:
		unzip, err := gzip.NewReader(p.body)
		if err != nil {
			return u.failure(p.member, damaged(p.name, err))
		}
		r = unzip
	default:
		unzstd, err := zstd.NewReader(p.body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(windowOfZstd))
		if err != nil {
			return u.failure(p.member, damaged(p.name, err))
		}
		defer unzstd.Close()
		r = unzstd
	}
	in.body = &unpacked{r: r, name: p.name, budget: u.budget, count: true}
	return u.file(in, true)
}

// trimEnding removes one of the endings, in whatever case; of .tgz and .tzst the last letters.
func trimEnding(name string, endings ...string) string {
	for _, ending := range endings {
		if n := len(name) - len(ending); n > 0 && strings.EqualFold(name[n:], ending) {
			return name[:n]
		}
	}
	for short, of := range map[string]string{".tgz": ".tar", ".tzst": ".tar"} {
		if n := len(name) - len(short); n > 0 && strings.EqualFold(name[n:], short) {
			return name[:n] + of
		}
	}
	return name
}

// candidate is a member of an archive that may be handed out.
type candidate struct {
	name  string // as the archive has it
	size  int64  // bytes, as the archive says
	open  func() (io.Reader, error)
	count bool // its bytes count as unpacked when they are read
}

// member hands out a member, which may be packed itself. stop is why no more members of the archive are.
func (u *unpacker) member(c candidate) (stop, err error) {
	if err := u.ctx.Err(); err != nil {
		return nil, err
	}
	if !u.shown(c.name) {
		return nil, nil
	}
	if len(u.seen) >= u.budget.Members {
		return fault.New(fault.TooLarge, "it has more than %d members, the limit; unpack it, and load the folder", u.budget.Members), nil
	}
	name := u.named(c.name)
	switch {
	case len(c.name) > maxName:
		err = fault.New(fault.Invalid, "its name has %d bytes, more than %d", len(c.name), maxName)
	case c.size > u.budget.maxFile:
		err = tooLarge(name, c.size, u.budget.maxFile)
	}
	var r io.Reader
	if err == nil {
		r, err = c.open()
	}
	if err != nil {
		return nil, u.failure(name, err)
	}
	err = u.file(packed{name: Escape(c.name), member: name, body: &unpacked{r: r, name: name, budget: u.budget, count: c.count}}, false)
	return u.budget.over, err
}

// shown reports whether a member is one to look at, as in a folder.
func (u *unpacker) shown(name string) bool {
	for part := range strings.SplitSeq(strings.Trim(name, "/"), "/") {
		hidden := strings.HasPrefix(part, ".") && part != "." && part != ".."
		if slices.Contains(controlled, part) || part == "__MACOSX" || hidden && !u.hidden {
			return false
		}
	}
	return true
}

// named returns what a member is called: after the archives it is in and, if another came before with the name, with a number.
func (u *unpacker) named(name string) string {
	if name = Escape(name[:min(len(name), maxName)]); name == "" {
		name = "(no name)"
	}
	if within := u.inside[len(u.inside)-1]; within != "" {
		name = within + "!" + name
	}
	first := nameHash(name)
	for n := u.seen[first] + 1; ; n++ {
		numbered := name
		if n > 1 {
			numbered = fmt.Sprintf("%s#%d", name, n)
		}
		if h := nameHash(numbered); u.seen[h] == 0 {
			u.seen[first] = n
			u.seen[h] = max(u.seen[h], 1)
			return numbered
		}
	}
}

// nameHash stands for a name in seen.
func nameHash(name string) [16]byte {
	sum := sha256.Sum256([]byte(name))
	return [16]byte(sum[:16])
}

// failure hands out that something cannot be read.
func (u *unpacker) failure(member string, err error) error {
	if ctxErr := u.ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	return u.yield(ingest.File{Member: member, Problem: err})
}

// rest hands out that the rest of an archive cannot be read.
func (u *unpacker) rest(p packed, members int, err error) error {
	return u.failure(p.member, fault.New(fault.Invalid, "%s: what comes after its first %d members was left out", p.name, members).Because(err))
}

// damaged makes a fault of an error of unpacking.
func damaged(name string, err error) error {
	switch {
	case fault.As(err) != nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, new(*fs.PathError)):
		return unreadable(name, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.Invalid, "%s is cut off: its bytes end before it does", name)
	case errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fault.New(fault.TooLarge, "%s was compressed with a window of more than %d bytes, which would have to be held in memory; compress it again without --long or --ultra", name, windowOfZstd)
	}
	return fault.New(fault.Invalid, "%s is damaged", name).Because(err)
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// hold reads an archive that must be read at random into memory, within a limit.
func hold(p packed) (packed, error) {
	if p.at != nil {
		return p, nil
	}
	data, err := io.ReadAll(io.LimitReader(p.body, maxHeld+1))
	if err != nil {
		return p, damaged(p.name, err)
	}
	if len(data) > maxHeld {
		return p, fault.New(fault.TooLarge, "%s is a zip archive within something packed and has more than %d bytes, the limit there; unpack what it is in", p.name, maxHeld)
	}
	p.at, p.size = bytes.NewReader(data), int64(len(data))
	return p, nil
}
