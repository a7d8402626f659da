package source

import (
	"strings"
	"unicode/utf8"
)

const upperHex = "0123456789ABCDEF"

// Escape makes a name UTF-8 so that no two names become one. Bytes that are not UTF-8, and zero bytes, become
// %FF. A "%" that could be read as the beginning of such an escape becomes %25; any other stays as it is, so that
// "50%.md" and "a%20b" are what they were.
func Escape(name string) string {
	if plain(name) {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		switch {
		case r == utf8.RuneError && n == 1 || r == 0:
			hexEscape(&b, name[i])
		case r == '%' && escaped(name[i:]):
			hexEscape(&b, '%')
		default:
			b.WriteString(name[i : i+n])
		}
		i += n
	}
	return b.String()
}

// Unescape returns the name that Escape was given.
func Unescape(name string) string {
	if strings.IndexByte(name, '%') < 0 {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if !escaped(name[i:]) {
			b.WriteByte(name[i])
			continue
		}
		b.WriteByte(hexByte(name[i:]))
		i += 2
	}
	return b.String()
}

// plain reports whether there is nothing to escape.
func plain(name string) bool {
	return utf8.ValidString(name) && strings.IndexByte(name, 0) < 0 && strings.IndexByte(name, '%') < 0
}

// escaped reports whether s begins as an escape does: %00, %25 and %80 to %FF.
func escaped(s string) bool {
	if len(s) < 3 || s[0] != '%' || strings.IndexByte(upperHex, s[1]) < 0 || strings.IndexByte(upperHex, s[2]) < 0 {
		return false
	}
	b := hexByte(s)
	return b >= 0x80 || b == '%' || b == 0
}

func hexByte(s string) byte {
	return byte(strings.IndexByte(upperHex, s[1])<<4 | strings.IndexByte(upperHex, s[2]))
}

func hexEscape(b *strings.Builder, c byte) {
	b.WriteByte('%')
	b.WriteByte(upperHex[c>>4])
	b.WriteByte(upperHex[c&15])
}
