package office

import (
	"encoding/xml"
	"math"
	"strconv"
	"strings"
	"time"
)

// dateKind is what of a moment a number format shows; 0 = it shows a number.
type dateKind uint8

const (
	showsDate    dateKind = 1 << iota
	showsTime             // of the day
	showsElapsed          // hours that go on after 24
)

// cellStyles are the kinds of a book's cell styles.
type cellStyles []dateKind

func (s cellStyles) kind(style string) dateKind {
	i, err := strconv.Atoi(style)
	if err != nil || i < 0 || i >= len(s) {
		return 0
	}
	return s[i]
}

// cellStyles reads which styles show dates; without them all cells are numbers.
func (a *Archive) cellStyles(member string) cellStyles {
	p, err := a.xml(member)
	if err != nil {
		return nil
	}
	own := map[string]dateKind{}
	var out cellStyles
	inCells := false
	for {
		t, err := p.next()
		if err != nil || t == nil || len(own)+len(out) > 4*maxStyles {
			return out
		}
		switch t := t.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "numFmt":
				own[attr(t, "numFmtId")] = formatKind(attr(t, "formatCode"))
			case "cellXfs":
				inCells = true
			case "xf":
				if inCells {
					id := attr(t, "numFmtId")
					kind, ok := own[id]
					if !ok {
						kind = builtInKind(id)
					}
					out = append(out, kind)
				}
			}
		case xml.EndElement:
			if t.Name.Local == "cellXfs" {
				inCells = false
			}
		}
	}
}

// builtInKind knows the formats that have numbers and no code (ECMA-376, 18.8.30).
func builtInKind(id string) dateKind {
	n, err := strconv.Atoi(id)
	switch {
	case err != nil:
		return 0
	case n >= 14 && n <= 17, n >= 27 && n <= 31, n == 36, n >= 50 && n <= 54, n >= 57 && n <= 58:
		return showsDate
	case n >= 18 && n <= 21, n >= 32 && n <= 35, n == 45, n == 47, n == 55, n == 56:
		return showsTime
	case n == 22:
		return showsDate | showsTime
	case n == 46:
		return showsElapsed
	}
	return 0
}

// formatKind reads a number format such as [$-409]d\ mmm\ yyyy;@.
func formatKind(code string) dateKind {
	code, _, _ = strings.Cut(code, ";")
	var kind dateKind
	for i := 0; i < len(code); i++ {
		switch c := code[i] | 0x20; {
		case code[i] == '\\' || code[i] == '_' || code[i] == '*':
			i++
		case code[i] == '"':
			if k := strings.IndexByte(code[i+1:], '"'); k >= 0 {
				i += k + 1
			}
		case code[i] == '[':
			k := strings.IndexByte(code[i:], ']')
			if k < 0 {
				return kind
			}
			if in := strings.ToLower(code[i+1 : i+k]); in != "" && strings.Trim(in, "hms") == "" {
				kind |= showsElapsed
			}
			i += k
		case c == 'y' || c == 'd':
			kind |= showsDate
		case c == 'h' || c == 's':
			kind |= showsTime
		}
	}
	if kind == 0 && strings.Trim(strings.ToLower(code), "m /-.") == "" && strings.ContainsAny(code, "mM") {
		return showsDate // mmm, the name of a month
	}
	return kind
}

// dateText writes a number of days as a date, a time, both, or hours that have passed. Excel takes 1900 for a leap
// year, so that numbers below 60 are off by one; books of old Macs count from 1904.
func dateText(n float64, kind dateKind, since1904 bool) (string, bool) {
	if n < 0 || n >= 2958466 { // the year 10000
		return "", false
	}
	seconds := int64(math.Round(n * 86400))
	if kind&showsElapsed != 0 && kind&showsDate == 0 {
		return strconv.FormatInt(seconds/3600, 10) + time.Unix(seconds%3600, 0).UTC().Format(":04:05"), true
	}
	epoch := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	if since1904 {
		epoch = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	} else if n < 60 {
		epoch = epoch.AddDate(0, 0, 1)
	}
	t := epoch.AddDate(0, 0, int(seconds/86400)).Add(time.Duration(seconds%86400) * time.Second)
	switch {
	case kind&showsDate == 0 && n < 1:
		return t.Format("15:04:05"), true
	case kind&showsTime == 0:
		return t.Format("2006-01-02"), true
	}
	return t.Format("2006-01-02 15:04:05"), true
}
