package parse

import (
	"bytes"
	"net/http"
	"strings"

	"nearside/doc"
	"nearside/fault"
)

// detect returns the format of a file, and a note if its name says otherwise. What was
// asked for wins, then what the first bytes say, then the media type, then the name; text that
// nothing says more of is text.
func detect(head []byte, f File, o Options) (*entry, string, error) {
	if o.Format != "" {
		return asked(head, f, o.Format)
	}
	if len(bytes.TrimSpace(head)) == 0 && len(head) < headBytes {
		return nil, "", fault.New(fault.Invalid, "%s: it is empty", f.Name)
	}
	named := byMedia(f.MediaType)
	if named == nil {
		named = byName(f.Name)
	}
	for _, e := range formats {
		if e.sniff == nil || !e.sniff(head, f) || e == named {
			continue
		}
		if named == nil || e.binary || named.format != doc.FormatSource { // pages are made by programs that begin as pages
			return e, disagree(f, e, named), nil
		}
	}
	if named != nil && named.binary && (named.sniff == nil || named.sniff(head, f)) {
		return named, "", nil
	}
	if what := notText(head); what != "" {
		return nil, "", fault.New(fault.Unsupported, "%s: it is %s, which is not read; text and %s are", f.Name, what, names())
	}
	if named == nil || named.binary {
		text := byFormat(doc.FormatText)
		return text, disagree(f, text, named), nil
	}
	return named, "", nil
}

// asked returns the format that was asked for, unless the file cannot be of it.
func asked(head []byte, f File, format doc.Format) (*entry, string, error) {
	e := byFormat(format)
	if e == nil {
		return nil, "", unknownFormat(format)
	}
	if what := notText(head); !e.binary && what != "" {
		return nil, "", fault.New(fault.Unsupported, "%s: it was to be read as %s, but is %s", f.Name, format, what)
	}
	return e, "", nil
}

// disagree returns the note of a file that is not what its name or media type says.
func disagree(f File, is, named *entry) string {
	if named == nil || named == is {
		return ""
	}
	return "the file is called " + string(named.format) + ", but its first bytes are " + string(is.format) + ": it was read as that"
}

// names returns the names of all formats, for messages.
func names() string {
	var all []string
	for _, e := range formats {
		all = append(all, string(e.format))
	}
	return strings.Join(all, ", ")
}

// notText returns what first bytes are if they are not text, for people; "" if they are text. A
// file of text has no zero bytes, but in UTF-16 and UTF-32, which begin with a mark.
func notText(head []byte) string {
	if marked(head) != nil || bytes.IndexByte(head, 0) < 0 {
		return ""
	}
	if media := http.DetectContentType(head); !strings.HasPrefix(media, "text/") && media != "application/octet-stream" {
		return "binary (" + media + ")"
	}
	return "binary"
}

// looksHTML reports whether a file begins as only HTML does. Comments and an XML declaration may stand before.
func looksHTML(head []byte, _ File) bool {
	for {
		head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF")), " \t\r\n\f")
		closing := ""
		switch {
		case bytes.HasPrefix(head, []byte("<!--")):
			closing = "-->"
		case bytes.HasPrefix(head, []byte("<?xml")):
			closing = "?>"
		default:
			return beginsWithAny(head, "<!doctype html", "<html", "<head>", "<body>")
		}
		end := bytes.Index(head, []byte(closing))
		if end < 0 {
			return false
		}
		head = head[end+len(closing):]
	}
}

func beginsWithAny(head []byte, prefixes ...string) bool {
	for _, p := range prefixes {
		if len(head) >= len(p) && strings.EqualFold(string(head[:len(p)]), p) {
			return true
		}
	}
	return false
}
