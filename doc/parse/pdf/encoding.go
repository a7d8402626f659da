package pdf

import (
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// The encodings of ISO 32000-2, annex D, from the given code on; a space stands for no character.
const (
	standardHigh = "¡¢£⁄¥ƒ§¤'“«‹›ﬁﬂ –†‡· ¶•‚„”»…‰ ¿ `´ˆ˜¯˘˙¨ ˚¸ ˝˛ˇ—                Æ ª    ŁØŒº     æ   ı  łøœß"     // 0xA1
	docLow       = "˘ˇˆ˙˝˛˚˜"                                                                                        // 0x18
	docHigh      = "•†‡…—–ƒ⁄‹›−‰„“”‘’‚™ﬁﬂŁŒŠŸŽıłœšž €"                                                               // 0x80
	symbolLow    = " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼" // 0x20
	symbolHigh   = "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪ 〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭" // 0xA0
)

func fill(texts *[256]string, from int, list string) {
	for _, r := range list {
		if r != ' ' || from == ' ' {
			texts[from] = string(r)
		}
		from++
	}
}

// docEncoding is PDFDocEncoding.
func docEncoding(c byte) rune {
	switch {
	case c >= 0x18 && c < 0x20:
		return []rune(docLow)[c-0x18]
	case c >= 0x80 && c <= 0xa0:
		return []rune(docHigh)[c-0x80]
	}
	return rune(c)
}

// baseEncoding is the named encoding, or that of the font's kind if none is named.
func baseEncoding(encoding name, base string, trueType bool) [256]string {
	var texts [256]string
	switch {
	case encoding == "WinAnsiEncoding", encoding == "" && trueType:
		fromCharmap(&texts, charmap.Windows1252)
		texts[0xad] = "-"
	case encoding == "MacRomanEncoding":
		fromCharmap(&texts, charmap.Macintosh)
	case encoding == "" && strings.Contains(base, "ZapfDingbats"):
		dingbats(&texts)
	case encoding == "" && (base == "Symbol" || strings.HasSuffix(base, "+Symbol") || strings.HasPrefix(base, "Symbol,")):
		fill(&texts, 0x20, symbolLow)
		fill(&texts, 0xa0, symbolHigh)
	default:
		fromCharmap(&texts, charmap.ISO8859_1)
		clear(texts[0x7f:])
		texts[0x27], texts[0x60] = "’", "‘"
		fill(&texts, 0xa1, standardHigh)
		texts[0xa9] = "'"
	}
	return texts
}

func fromCharmap(texts *[256]string, m *charmap.Charmap) {
	for c := 0x20; c < 256; c++ {
		if r := m.DecodeByte(byte(c)); r >= ' ' && r != 0xfffd && (r < 0x7f || r > 0x9f) {
			texts[c] = string(r)
		}
	}
}

// dingbats is the encoding of ZapfDingbats, which is in the order of Unicode but for some that Unicode had before.
func dingbats(texts *[256]string) {
	for c := 0x21; c <= 0xfe; c++ {
		switch {
		case c <= 0x7e:
			texts[c] = string(rune(0x2701 + c - 0x21))
		case c >= 0xa1 && c <= 0xef:
			texts[c] = string(rune(0x2761 + c - 0xa1))
		case c >= 0xf1:
			texts[c] = string(rune(0x27b1 + c - 0xf1))
		}
	}
	for c := 0xac; c <= 0xb5; c++ {
		texts[c] = string(rune(0x2460 + c - 0xac))
	}
	for c, r := range map[int]rune{0x25: 0x260e, 0x2a: 0x261b, 0x2b: 0x261e, 0x48: 0x2605, 0x6c: 0x25cf, 0x6e: 0x25a0, 0x73: 0x25b2, 0x74: 0x25bc,
		0x75: 0x25c6, 0x77: 0x25d7, 0xa8: 0x2663, 0xa9: 0x2666, 0xaa: 0x2665, 0xab: 0x2660, 0xd5: 0x2192, 0xd6: 0x2194, 0xd7: 0x2195} {
		texts[c] = string(r)
	}
}

// glyphNames are names of glyphs that are not made of a letter and an accent, each followed by its characters.
var glyphNames = pairs(`
space \u0020 exclam ! quotedbl " numbersign # dollar $ percent % ampersand & quotesingle ' quoteright ’ parenleft ( parenright ) asterisk * plus +
comma , hyphen - minus − period . slash / zero 0 one 1 two 2 three 3 four 4 five 5 six 6 seven 7 eight 8 nine 9 colon : semicolon ; less < equal =
greater > question ? at @ bracketleft [ backslash \u005c bracketright ] asciicircum ^ underscore _ grave ` + "`" + ` quoteleft ‘ braceleft { bar | braceright }
asciitilde ~ exclamdown ¡ cent ¢ sterling £ fraction ⁄ yen ¥ florin ƒ section § currency ¤ quotedblleft “ guillemotleft « guillemetleft « guilsinglleft ‹
guilsinglright › fi fi fl fl ff ff ffi ffi ffl ffl endash – emdash — dagger † daggerdbl ‡ periodcentered · middot · paragraph ¶ bullet • quotesinglbase ‚
quotedblbase „ quotedblright ” guillemotright » guillemetright » ellipsis … perthousand ‰ questiondown ¿ acute ´ circumflex ˆ tilde ˜ macron ¯ overscore ¯
breve ˘ dotaccent ˙ dieresis ¨ ring ˚ cedilla ¸ hungarumlaut ˝ ogonek ˛ caron ˇ AE Æ ae æ OE Œ oe œ ordfeminine ª ordmasculine º Lslash Ł lslash ł
Oslash Ø oslash ø dotlessi ı dotlessj ȷ germandbls ß SS ẞ Eth Ð eth ð Thorn Þ thorn þ Dcroat Đ dcroat đ dbar đ Hbar Ħ hbar ħ Tbar Ŧ tbar ŧ Eng Ŋ eng ŋ
IJ IJ ij ij kgreenlandic ĸ longs ſ napostrophe ŉ Ldot Ŀ ldot ŀ schwa ə Schwa Ə Euro € euro € franc ₣ lira ₤ peseta ₧ dong ₫ won ₩ rupee ₨ colonmonetary ₡
copyright © registered ® trademark ™ degree ° plusminus ± mu µ multiply × divide ÷ logicalnot ¬ brokenbar ¦ onequarter ¼ onehalf ½ threequarters ¾
oneeighth ⅛ threeeighths ⅜ fiveeighths ⅝ seveneighths ⅞ onethird ⅓ twothirds ⅔ onesuperior ¹ twosuperior ² threesuperior ³ nbspace \u0020 nonbreakingspace \u0020
softhyphen - sfthyphen - hyphenchar - visiblespace ␣ numero № servicemark ℠ estimated ℮ referencemark ※ minute ′ second ″ prime ′ afii61352 №
Alpha Α Beta Β Gamma Γ Delta Δ increment ∆ Epsilon Ε Zeta Ζ Eta Η Theta Θ Iota Ι Kappa Κ Lambda Λ Mu Μ Nu Ν Xi Ξ Omicron Ο Pi Π Rho Ρ Sigma Σ Tau Τ
Upsilon Υ Phi Φ Chi Χ Psi Ψ Omega Ω Ohm Ω alpha α beta β gamma γ delta δ epsilon ε epsilon1 ϵ zeta ζ eta η theta θ theta1 ϑ iota ι kappa κ lambda λ
nu ν xi ξ omicron ο pi π rho ρ rho1 ϱ sigma σ sigma1 ς sigmafinal ς tau τ upsilon υ phi φ phi1 ϕ chi χ psi ψ omega ω omega1 ϖ Upsilon1 ϒ
partialdiff ∂ summation ∑ product ∏ integral ∫ radical √ infinity ∞ approxequal ≈ notequal ≠ lessequal ≤ greaterequal ≥ lozenge ◊ universal ∀ existential ∃
suchthat ∋ asteriskmath ∗ congruent ≅ therefore ∴ perpendicular ⊥ radicalex ‾ similar ∼ proportional ∝ equivalence ≡ aleph ℵ Ifraktur ℑ Rfraktur ℜ
weierstrass ℘ circlemultiply ⊗ circleplus ⊕ emptyset ∅ intersection ∩ union ∪ propersuperset ⊃ reflexsuperset ⊇ notsubset ⊄ propersubset ⊂ reflexsubset ⊆
element ∈ notelement ∉ angle ∠ gradient ∇ nabla ∇ dotmath ⋅ logicaland ∧ logicalor ∨ arrowleft ← arrowup ↑ arrowright → arrowdown ↓ arrowboth ↔
arrowdblleft ⇐ arrowdblup ⇑ arrowdblright ⇒ arrowdbldown ⇓ arrowdblboth ⇔ carriagereturn ↵ angleleft ⟨ angleright ⟩ club ♣ diamond ♦ heart ♥ spade ♠
arrownortheast ↗ arrowsoutheast ↘ arrownorthwest ↖ arrowsouthwest ↙ periodmath · bardbl ‖ backslashmath \u005c floorleft ⌊ floorright ⌋ ceilingleft ⌈ ceilingright ⌉
similarequal ≃ precedes ≺ follows ≻ precedesequal ⪯ followsequal ⪰ lessmuch ≪ greatermuch ≫ subset ⊂ superset ⊃ turnstileleft ⊢ turnstileright ⊣ negationslash ̸
mapsto ↦ openbullet ◦ circledot ⊙ circleminus ⊖ circledivide ⊘ circlecopyrt © minusplus ∓ asteriskcentered ∗ plusmath + coproduct ∐ square □ unionmulti ⊎
latticetop ⊤ unionsq ⊔ intersectionsq ⊓ star ⋆ ell ℓ partial ∂ flat ♭ natural ♮ sharp ♯ slurbelow ⌣ slurabove ⌢ triangleright ▹ triangleleft ◃ check ✓ checkmark ✓
a19 ✓ a20 ✔ filledbox ■ H22073 □ H18543 ▪ H18551 ▫ triagup ▲ triagdn ▼ triagrt ► triaglf ◄ circle ○ H18533 ● smileface ☺ sun ☼ female ♀ male ♂ house ⌂
integraldisplay ∫ integraltext ∫ summationdisplay ∑ summationtext ∑ productdisplay ∏ producttext ∏ uniondisplay ⋃ uniontext ⋃ intersectiondisplay ⋂ intersectiontext ⋂
parenleftbig ( parenrightbig ) parenleftBig ( parenrightBig ) parenleftbigg ( parenrightbigg ) parenleftBigg ( parenrightBigg ) bracketleftbig [ bracketrightbig ]
bracketleftBig [ bracketrightBig ] bracketleftbigg [ bracketrightbigg ] bracketleftBigg [ bracketrightBigg ] braceleftbig { bracerightbig } braceleftBig { bracerightBig }
braceleftbigg { bracerightbigg } braceleftBigg { bracerightBigg } radicalbig √ radicalBig √ radicalbigg √ radicalBigg √ vector ⃗ tie ⁀ perthousandzero ‰
commaaccent , quotereversed ‛ quotedblreversed ‟ figuredash ‒ hyphentwo ‐ horizontalbar ― afii00208 ― underscoredbl ‗ onedotenleader ․ twodotenleader ‥ exclamdbl ‼
afii08941 ₤ afii57636 ₪ controlCR \u0020 cwm \u0020 compwordmark \u0020 interrobang ‽ copyleft 🄯 born * married ⚭ died † leaf ☙ musicalnote ♪ pertenthousand ‱
zerosuperior ⁰ foursuperior ⁴ fivesuperior ⁵ sixsuperior ⁶ sevensuperior ⁷ eightsuperior ⁸ ninesuperior ⁹ nsuperior ⁿ zeroinferior ₀ oneinferior ₁ twoinferior ₂
threeinferior ₃ fourinferior ₄ fiveinferior ₅ sixinferior ₆ seveninferior ₇ eightinferior ₈ nineinferior ₉ zerooldstyle 0 oneoldstyle 1 twooldstyle 2 threeoldstyle 3
fouroldstyle 4 fiveoldstyle 5 sixoldstyle 6 sevenoldstyle 7 eightoldstyle 8 nineoldstyle 9
`)

func pairs(list string) map[string]string {
	fields := strings.Fields(list)
	out := make(map[string]string, len(fields)/2)
	for i := 0; i+1 < len(fields); i += 2 {
		value := fields[i+1]
		if hex, ok := strings.CutPrefix(value, `\u`); ok {
			n, err := strconv.ParseUint(hex, 16, 16)
			if err == nil {
				value = string(rune(n))
			}
		}
		out[fields[i]] = value
	}
	return out
}

// accents are the combining characters of names such as eacute.
var accents = map[string]string{
	"grave": "\u0300", "acute": "\u0301", "circumflex": "\u0302", "tilde": "\u0303", "macron": "\u0304", "breve": "\u0306", "dotaccent": "\u0307",
	"dot": "\u0307", "dieresis": "\u0308", "hook": "\u0309", "ring": "\u030a", "hungarumlaut": "\u030b", "caron": "\u030c", "horn": "\u031b",
	"dotbelow": "\u0323", "commaaccent": "\u0326", "cedilla": "\u0327", "ogonek": "\u0328", "tonos": "\u0301", "dieresistonos": "\u0308\u0301",
	"circumflexacute": "\u0302\u0301", "circumflexgrave": "\u0302\u0300", "circumflextilde": "\u0302\u0303", "breveacute": "\u0306\u0301",
}

// glyphText is what a glyph name stands for, by the rules of Adobe's glyph list: uniXXXX, uXXXXX, components with
// _ between, a suffix after a point, a letter with an accent. "" = it says nothing.
func glyphText(s string) string {
	if s == ".notdef" {
		return ""
	}
	if i := strings.IndexByte(s, '.'); i > 0 {
		s = s[:i]
	}
	if strings.Contains(s, "_") {
		out := ""
		for part := range strings.SplitSeq(s, "_") {
			out += glyphText(part)
		}
		return out
	}
	if text, ok := glyphNames[s]; ok {
		return text
	}
	if len(s) == 1 && s[0] > ' ' && s[0] < 0x7f {
		return s
	}
	if text := hexName(s); text != "" {
		return text
	}
	return accented(s)
}

func hexName(s string) string {
	if hex, ok := strings.CutPrefix(s, "uni"); ok && len(hex) >= 4 && len(hex)%4 == 0 {
		var units []uint16
		for i := 0; i < len(hex); i += 4 {
			n, err := strconv.ParseUint(hex[i:i+4], 16, 16)
			if err != nil {
				return ""
			}
			units = append(units, uint16(n))
		}
		return cleanText(string(utf16.Decode(units)))
	}
	if hex, ok := strings.CutPrefix(s, "u"); ok && len(hex) >= 4 && len(hex) <= 6 {
		if n, err := strconv.ParseUint(hex, 16, 32); err == nil && n <= 0x10ffff {
			return cleanText(string(rune(n)))
		}
	}
	if digits, ok := strings.CutPrefix(s, "afii"); ok {
		return afii(digits)
	}
	return ""
}

// afii is the Cyrillic part of the names that are numbers of AFII: afii10017 to afii10049 are А to Я.
func afii(digits string) string {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return ""
	}
	order := []rune("АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯЂЃЄЅІЇЈЉЊЋЌЎ")
	switch {
	case n >= 10017 && n < 10017+len(order):
		return string(order[n-10017])
	case n >= 10065 && n < 10065+len(order):
		return strings.ToLower(string(order[n-10065]))
	case n == 10145:
		return "Џ"
	case n == 10193:
		return "џ"
	}
	return ""
}

// accented reads names such as eacute, Scaron and alphatonos.
func accented(s string) string {
	for i := 1; i < len(s); i++ {
		mark, ok := accents[s[i:]]
		if !ok {
			continue
		}
		base, known := glyphNames[s[:i]]
		if i == 1 {
			base, known = s[:1], true
		}
		if known {
			return norm.NFC.String(base + mark)
		}
	}
	return ""
}
