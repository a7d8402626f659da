package source

import (
	"bytes"
	"path"
	"slices"
	"strconv"
	"strings"
)

// kind is how something is packed.
type kind int

const (
	isPlain kind = iota
	isGzip
	isZstd
	isTar
	isZip
)

// kindOf tells by the first bytes how something is packed. The name decides only of zip: many formats are made of
// it, and whoever reads those wants them whole.
func kindOf(head []byte, p packed) kind {
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b\x08")):
		return isGzip
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")), len(head) > 3 && head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18":
		return isZstd
	case bytes.HasPrefix(head, []byte(zipLocal)), bytes.HasPrefix(head, []byte(zipEnd)):
		if isDocument(head, p) {
			return isPlain
		}
		return isZip
	case looksTar(head):
		return isTar
	case p.at != nil && strings.EqualFold(path.Ext(p.name), ".zip"): // a program may stand before it, which unpacks it
		if _, err := openZip(p.at, p.size); err == nil {
			return isZip
		}
	}
	return isPlain
}

// tarBlock is the size of a tar header, in bytes.
const tarBlock = 512

// looksTar reports whether the first bytes are a tar header: its sum must be right, for old ones have no mark.
func looksTar(head []byte) bool {
	if len(head) < tarBlock {
		return false
	}
	field := strings.Trim(string(head[148:156]), " \x00")
	want, err := strconv.ParseInt(field, 8, 64)
	if err != nil || head[0] == 0 && head[345] == 0 {
		return false
	}
	var sum int64
	for i, b := range head[:tarBlock] {
		if 148 <= i && i < 156 {
			b = ' '
		}
		sum += int64(b)
	}
	return sum == want
}

// madeOfZip are the endings of files that are zip archives inside, but documents, programs or data to people.
var madeOfZip = strings.Fields(`
	.docx .docm .dotx .dotm .xlsx .xlsm .xltx .xlsb .pptx .pptm .potx .ppsx .vsdx
	.odt .ott .ods .ots .odp .otp .odg .odf .sxw .epub .pages .numbers .key .xps .oxps .3mf .kmz
	.jar .war .ear .aar .apk .aab .ipa .whl .egg .xpi .crx .vsix .nupkg .npz .pt .pth .keras .mscz .sketch
`)

// isDocument reports whether a zip archive is a file of another format.
func isDocument(head []byte, p packed) bool {
	if slices.Contains(madeOfZip, strings.ToLower(path.Ext(p.name))) {
		return true
	}
	if p.at == nil {
		return len(head) > zipLocalSize && slices.ContainsFunc(marks, func(mark string) bool { return bytes.HasPrefix(head[zipLocalSize:], []byte(mark)) })
	}
	dir, err := openZip(p.at, p.size)
	if err != nil {
		return false
	}
	for range 1000 { // these stand in front, or the archive is small
		m, err := dir.next()
		if err != nil {
			return false
		}
		if slices.Contains(marks, m.name) {
			return true
		}
	}
	return false
}

// marks are the members by which office files, books and programs are known.
var marks = []string{"[Content_Types].xml", "mimetype", "META-INF/MANIFEST.MF"}
