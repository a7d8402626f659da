package office

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"strings"

	"nearside/fault"
)

// Archive is an open ZIP archive whose members are read within limits.
type Archive struct {
	ctx     context.Context
	limits  Limits
	members map[string]*zip.File
	spent   int64  // of limits.Expanded
	held    int64  // of limits.Held
	main    string // the member that the package's relationships call the document
}

// Open opens an archive. Its faults are Invalid for what is none, Forbidden for what wants a password, and TooLarge.
func Open(ctx context.Context, src io.ReaderAt, size int64, limits Limits) (*Archive, error) {
	head := make([]byte, min(size, 64<<10))
	if n, err := src.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	} else if head = head[:n]; IsCompound(head) {
		return nil, compoundFault(head)
	}
	if err := countMembers(src, size); err != nil {
		return nil, err
	}
	z, err := zip.NewReader(src, size)
	if err != nil {
		return nil, fault.New(fault.Invalid, "it is no ZIP archive, or was cut off: its directory cannot be read").Because(err)
	}
	if len(z.File) > maxMembers {
		return nil, fault.New(fault.TooLarge, "its archive has %d members; %d is the limit", len(z.File), maxMembers)
	}
	a := &Archive{ctx: ctx, limits: limits, members: make(map[string]*zip.File, len(z.File))}
	for _, m := range z.File {
		if name := strings.TrimPrefix(path.Clean(strings.ReplaceAll(m.Name, `\`, "/")), "/"); a.members[name] == nil {
			a.members[name] = m
		}
	}
	for _, r := range a.relations("_rels/.rels") {
		if strings.HasSuffix(r.kind, "/officeDocument") && a.has(r.target) {
			a.main = r.target
		}
	}
	return a, nil
}

// countMembers reads the count in the archive's end record, before the directory is read into memory.
func countMembers(src io.ReaderAt, size int64) error {
	tail := make([]byte, min(size, 66<<10))
	n, err := src.ReadAt(tail, size-int64(len(tail)))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	i := bytes.LastIndex(tail[:n], []byte("PK\x05\x06"))
	if i < 0 || i+12 > n {
		return nil // no archive; its reader says so
	}
	if count := int(tail[i+10]) | int(tail[i+11])<<8; count > maxMembers {
		return fault.New(fault.TooLarge, "its archive has %d members or more; %d is the limit", count, maxMembers)
	}
	return nil
}

func (a *Archive) has(name string) bool { return a.members[name] != nil }

func (a *Archive) mimetype() string {
	r, err := a.open("mimetype")
	if err != nil {
		return ""
	}
	b, _ := io.ReadAll(io.LimitReader(r, 200)) // a damaged one says nothing
	return string(b)
}

// hold counts what is kept in memory against the limit.
func (a *Archive) hold(n int) error {
	if a.held += int64(n); a.held > a.limits.Held {
		return fault.New(fault.TooLarge, "its text and what is known of it take more than %d bytes, the limit of what is held in memory; split it, or raise the limit", a.limits.Held)
	}
	return nil
}

// open opens a member for reading within the limits.
func (a *Archive) open(name string) (*memberReader, error) {
	m := a.members[name]
	if m == nil {
		return nil, fault.New(fault.Invalid, "its archive has no member %q; the file is damaged, or is something else", name)
	}
	if m.Flags&1 != 0 {
		return nil, fault.New(fault.Forbidden, "its archive is encrypted and wants a password; save it without one")
	}
	r, err := m.Open()
	if err != nil {
		return nil, damaged(name, err)
	}
	return &memberReader{a: a, r: r, name: name}, nil
}

// memberReader counts what it reads.
type memberReader struct {
	a     *Archive
	r     io.Reader
	name  string
	token int // bytes since the last token
}

func (m *memberReader) Read(p []byte) (int, error) {
	if err := m.a.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	m.a.spent += int64(n)
	m.token += n
	switch {
	case m.a.spent > m.a.limits.Expanded:
		return 0, fault.New(fault.TooLarge, "it unpacks to more than %d bytes, the limit; raise the limit if you trust it", m.a.limits.Expanded)
	case m.token > maxToken:
		return 0, fault.New(fault.TooLarge, "%s has more than %d bytes from one tag to the next, the limit", m.name, maxToken)
	}
	return n, err
}

func damaged(name string, err error) error {
	if fault.As(err) != nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fault.New(fault.Invalid, "its member %s is damaged", name).Because(err)
}

// parser reads a member's XML. The offsets it knows are those of the member once unpacked.
type parser struct {
	*xml.Decoder
	a     *Archive
	in    *memberReader
	name  string
	from  int64 // where the token began that was read last
	depth int
}

func (a *Archive) xml(name string) (*parser, error) {
	r, err := a.open(name)
	if err != nil {
		return nil, err
	}
	buffered := bufio.NewReader(r)
	if mark, err := buffered.Peek(2); err == nil && (string(mark) == "\xff\xfe" || string(mark) == "\xfe\xff") {
		return nil, fault.New(fault.Unsupported, "its member %s is in UTF-16; only UTF-8 is read", name)
	}
	return &parser{Decoder: xml.NewDecoder(buffered), a: a, in: r, name: name}, nil
}

// next returns the next token, nil at the end.
func (p *parser) next() (xml.Token, error) {
	p.from = p.InputOffset()
	p.in.token = 0
	t, err := p.Token()
	if err == io.EOF {
		return nil, nil
	}
	if err != nil {
		return nil, damaged(p.name, err)
	}
	switch t.(type) {
	case xml.StartElement:
		if p.depth++; p.depth > p.a.limits.Depth {
			return nil, fault.New(fault.TooLarge, "its member %s is nested deeper than %d, the limit", p.name, p.a.limits.Depth)
		}
	case xml.EndElement:
		p.depth--
	}
	return t, nil
}

// each hands out the elements that begin before the end tag of a name, or before the member's end, which alone
// is meant by "". What on does not read of an element is handed out too.
func (p *parser) each(until string, on func(e xml.StartElement) error) error {
	for {
		t, err := p.next()
		if err != nil || t == nil {
			return err
		}
		switch t := t.(type) {
		case xml.EndElement:
			if t.Name.Local == until {
				return nil
			}
		case xml.StartElement:
			if err := on(t); err != nil {
				return err
			}
		}
	}
}

// skip goes past the element whose start was read last.
func (p *parser) skip() error {
	for depth := 1; depth > 0; {
		t, err := p.next()
		if err != nil {
			return err
		}
		switch t.(type) {
		case nil:
			return nil
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
	return nil
}

// attr is an attribute by its local name, whatever its name space.
func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// relation is a line of a .rels member.
type relation struct{ id, kind, target string }

// relations reads a .rels member; a missing or damaged one has none.
func (a *Archive) relations(name string) []relation {
	p, err := a.xml(name)
	if err != nil {
		return nil
	}
	base := path.Dir(path.Dir(name))
	var out []relation
	for {
		t, err := p.next()
		if err != nil || t == nil || len(out) > maxMembers {
			return out
		}
		e, ok := t.(xml.StartElement)
		if !ok || e.Name.Local != "Relationship" || attr(e, "TargetMode") == "External" {
			continue
		}
		target := attr(e, "Target")
		if !strings.HasPrefix(target, "/") {
			target = path.Join(base, target)
		}
		out = append(out, relation{attr(e, "Id"), attr(e, "Type"), strings.TrimPrefix(path.Clean(target), "/")})
	}
}

// related is the target of the first relation of a member whose type ends with kind, "" if there is none.
func (a *Archive) related(member, kind string) string {
	for _, r := range a.relations(path.Join(path.Dir(member), "_rels", path.Base(member)+".rels")) {
		if strings.HasSuffix(r.kind, "/"+kind) && a.has(r.target) {
			return r.target
		}
	}
	return ""
}

// properties reads the elements of a member of properties that hold only text, by their local names.
func (a *Archive) properties(name string) map[string]string {
	out := map[string]string{}
	p, err := a.xml(name)
	if err != nil {
		return out
	}
	var element string
	var text strings.Builder
	for {
		t, err := p.next()
		if err != nil || t == nil || len(out) > 200 {
			return out
		}
		switch t := t.(type) {
		case xml.StartElement:
			element = t.Name.Local
			text.Reset()
			if count := attr(t, "page-count"); count != "" {
				out["page-count"] = count
			}
		case xml.CharData:
			if text.Len() < 1<<16 {
				text.Write(t)
			}
		case xml.EndElement:
			if value := strings.TrimSpace(text.String()); t.Name.Local == element && value != "" {
				if before := out[element]; before != "" && element == "keyword" {
					value = before + ", " + value
				}
				out[element] = value
			}
			element = ""
		}
	}
}

// describe makes metadata of core properties: the document's names for them, and ours.
func describe(props map[string]string, names ...string) map[string]any {
	out := map[string]any{}
	for i := 0; i+1 < len(names); i += 2 {
		if v := props[names[i]]; v != "" && out[names[i+1]] == nil {
			out[names[i+1]] = v
		}
	}
	return out
}
