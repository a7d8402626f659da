// Package numjson decodes the one JSON shape that a vector database reads by the
// gigabyte: an array of numbers, into float32.
//
// Float32s is its main function. It takes exactly the arrays of numbers that
// encoding/json takes into a []float32, and every value is, bit for bit, the one
// strconv.ParseFloat(text, 32) returns. What it cannot take (another type among
// the items, a number too large, bad syntax) it refuses without saying why: the
// caller then reads the text again with a decoder that explains itself.
//
// # How a number is read
//
// Digits are read eight at a time as one 64-bit word: no byte of it but the
// digits decides where they end, and three multiplications make a number of them
// ("SIMD within a register"). That gives a decimal m × 10^e with m < 2^64. Its
// value is computed in float64 and rounded to float32, and rounding twice is not
// the same as rounding once; but it differs only next to a midpoint:
//
//   - float64(m), the power of ten and the product of the two are rounded once
//     each, each time by a relative error of at most 2^-53. So the float64 is less
//     than 4 of its own last places away from the true value.
//   - The midpoints between two neighbouring float32 are float64 numbers, whose
//     last 29 bits are a one and 28 zeros. If the float64 is 4 places or more from
//     the nearest of them, the true value is on the same side of it, and both
//     round to the same float32.
//   - Nearer than that, which befalls one number in 2^25, or where the result is
//     not a normal float32, strconv decides.
//
// The package keeps no state and allocates nothing but the room that append needs.
package numjson

import (
	"encoding/binary"
	"math"
	"strconv"
	"unsafe"
)

// Float32s decodes the array of numbers at the start of data, which begins with
// its '[', and appends the first most of them to values. It returns how many
// numbers the array has and how many bytes it takes up. If data does not begin
// with an array of numbers that fit a float32, ok is false and the rest means nothing.
func Float32s(values []float32, data []byte, most int) (_ []float32, count, size int, ok bool) {
	if len(data) == 0 || data[0] != '[' {
		return values, 0, 0, false
	}
	at := skipSpace(data, 1)
	if at < len(data) && data[at] == ']' {
		return values, 0, at + 1, true
	}
	for {
		if count < most {
			start := len(values)
			values, at = fractions(values, data, at, most-count)
			count += len(values) - start
			at = skipSpace(data, at)
		}
		value, next := quick(data, at)
		if next < 0 {
			if value, next = slow(data, at); next < 0 {
				return values, 0, 0, false
			}
		}
		if count++; count <= most {
			values = append(values, value)
		}
		if at = next; at < len(data) && data[at] != ',' {
			at = skipSpace(data, at)
		}
		if at >= len(data) {
			return values, 0, 0, false
		}
		switch data[at] {
		case ',':
			at = skipSpace(data, at+1)
		case ']':
			return values, count, at + 1, true
		default:
			return values, 0, 0, false
		}
	}
}

// skipSpace returns the position of the first byte from at that is no white space.
func skipSpace(data []byte, at int) int {
	for at < len(data) && data[at] <= ' ' && (data[at] == ' ' || data[at] == '\n' || data[at] == '\t' || data[at] == '\r') {
		at++
	}
	return at
}

// quick reads the number at a position and returns the position after it, or -1
// if what is there is no number, or one that only slow can be sure of.
func quick(data []byte, at int) (value float32, next int) {
	minus := 0
	if at < len(data) {
		minus = isMinus(data[at])
	}
	mantissa, exponent, next := decimal(data, at+minus)
	if next < 0 {
		return 0, -1
	}
	value, sure := round(mantissa, exponent)
	if !sure {
		return 0, -1
	}
	return signedFloat(value, minus), next
}

func signedFloat(value float32, minus int) float32 {
	return math.Float32frombits(math.Float32bits(value) | uint32(minus)<<31)
}

// isMinus returns 1 for a minus, else 0. Which of them is by chance in most
// vectors: written like this, the processor is not made to guess.
func isMinus(b byte) (one int) {
	if b == '-' {
		one = 1
	}
	return one
}

// fractions reads numbers of the form 0.ddd, with a comma and at most one space
// behind each, which is what an embedding consists of, and appends at most most of
// them to values. It stops before the first number that it cannot read, or be sure
// of, and where the end of data is near. It does what quick does, without a call or
// a branch that depends on the digits.
func fractions(values []float32, data []byte, at, most int) ([]float32, int) {
	const ahead = 1 + 2 + 3*8 + 2 // sign, leading zero and dot, digits, comma and space
	for ; most > 0 && len(data)-at >= ahead; most-- {
		minus := isMinus(data[at])
		text := data[at+minus:][:ahead-1]
		if text[0] != '0' || text[1] != '.' {
			break
		}
		word := binary.LittleEndian.Uint64(text[2:])
		places := leading(word)
		mantissa := value(word << (64 - 8*places))
		if places == 8 {
			word = binary.LittleEndian.Uint64(text[10:])
			n := leading(word)
			mantissa = mantissa*tens[n] + value(word<<(64-8*n))
			if places += n; n == 8 {
				word = binary.LittleEndian.Uint64(text[18:])
				if n = leading(word); n == 8 || mantissa > room[n] {
					break
				}
				mantissa = mantissa*tens[n] + value(word<<(64-8*n))
				places += n
			}
		}
		if places == 0 || text[2+places] != ',' {
			break
		}
		// Neither is out of range: the least is 10^-23, and the largest less than 1.
		wide := float64(mantissa) * powers[mostPower-places]
		if nearHalfway(wide) {
			break
		}
		values = append(values, signedFloat(float32(wide), minus))
		at += minus + 2 + places + 1
		at += isSpace(data[at])
	}
	return values, at
}

// isSpace returns 1 for a space, else 0.
func isSpace(b byte) (one int) {
	if b == ' ' {
		one = 1
	}
	return one
}

// decimal reads a number without its sign as mantissa × 10^exponent, and returns
// the position after it; -1 where there is none, or not one of that form.
func decimal(data []byte, at int) (mantissa uint64, exponent, next int) {
	next = at + 1
	if at >= len(data) || data[at] != '0' { // nothing but a dot or an exponent follows a leading zero
		if mantissa, next = digits(data, at, 0); next <= at {
			return 0, 0, -1
		}
	}
	if next < len(data) && data[next] == '.' {
		start := next + 1
		if mantissa, next = digits(data, start, mantissa); next <= start {
			return 0, 0, -1
		}
		exponent = start - next
	}
	if next < len(data) && data[next]|0x20 == 'e' {
		var power int
		if power, next = signed(data, next+1); next < 0 {
			return 0, 0, -1
		}
		exponent += power
	}
	return mantissa, exponent, next
}

// signed reads the power of ten behind an e, of at most three digits.
func signed(data []byte, at int) (power, next int) {
	negative := at < len(data) && data[at] == '-'
	if negative || at < len(data) && data[at] == '+' {
		at++
	}
	value, next := digits(data, at, 0)
	if next <= at || next-at > 3 {
		return 0, -1
	}
	if negative {
		return -int(value), next
	}
	return int(value), next
}

// halfway is the last 29 bits of a float64 that lies between two float32, and
// unsure how near to it a float64 can be and stand for a number on its other side.
const (
	below   = 1<<29 - 1
	halfway = 1 << 28
	unsure  = 4
)

// round returns the float32 nearest to mantissa × 10^exponent, or says that it is
// not sure. The package comment has the proof.
func round(mantissa uint64, exponent int) (value float32, sure bool) {
	if mantissa == 0 {
		return 0, true
	}
	if exponent < -mostPower || exponent > mostPower {
		return 0, false
	}
	wide := float64(mantissa) * powers[exponent+mostPower]
	if wide < 0x1p-126 || wide > math.MaxFloat32 {
		return 0, false
	}
	return float32(wide), !nearHalfway(wide)
}

// nearHalfway reports whether a number may stand for one on the other side of the
// midpoint between two float32.
func nearHalfway(wide float64) bool {
	rest := math.Float64bits(wide) & below
	return rest-(halfway-unsure) <= 2*unsure
}

// mostPower bounds the power of ten: with 20 digits, 10^-58 is the least that can
// make a normal float32, and none beyond 10^38 does.
const mostPower = 58

// powers are the powers of ten from 10^-58, each the float64 nearest to it.
var powers = [2*mostPower + 1]float64{
	1e-58, 1e-57, 1e-56, 1e-55, 1e-54, 1e-53, 1e-52, 1e-51, 1e-50, 1e-49, 1e-48, 1e-47, 1e-46, 1e-45, 1e-44, 1e-43, 1e-42, 1e-41, 1e-40, 1e-39,
	1e-38, 1e-37, 1e-36, 1e-35, 1e-34, 1e-33, 1e-32, 1e-31, 1e-30, 1e-29, 1e-28, 1e-27, 1e-26, 1e-25, 1e-24, 1e-23, 1e-22, 1e-21, 1e-20, 1e-19,
	1e-18, 1e-17, 1e-16, 1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1,
	1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21,
	1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31, 1e32, 1e33, 1e34, 1e35, 1e36, 1e37, 1e38, 1e39, 1e40, 1e41,
	1e42, 1e43, 1e44, 1e45, 1e46, 1e47, 1e48, 1e49, 1e50, 1e51, 1e52, 1e53, 1e54, 1e55, 1e56, 1e57, 1e58,
}

// slow reads the number at a position with strconv, if it is one in JSON's
// grammar, which is narrower than Go's, and returns the position after it; -1 if
// there is none, or it does not fit.
func slow(data []byte, at int) (value float32, next int) {
	next = end(data, at)
	if next < 0 {
		return 0, -1
	}
	// ParseFloat keeps nothing of its argument but in its error, which is not passed on.
	wide, err := strconv.ParseFloat(unsafe.String(&data[at], next-at), 32)
	if err != nil {
		return 0, -1
	}
	return float32(wide), next
}

// end returns the position after the JSON number at a position, or -1.
func end(data []byte, at int) int {
	if at < len(data) && data[at] == '-' {
		at++
	}
	start := at
	if at = run(data, at); at == start || data[start] == '0' && at > start+1 {
		return -1
	}
	if at < len(data) && data[at] == '.' {
		start = at + 1
		if at = run(data, start); at == start {
			return -1
		}
	}
	if at < len(data) && data[at]|0x20 == 'e' {
		at++
		if at < len(data) && (data[at] == '+' || data[at] == '-') {
			at++
		}
		start = at
		if at = run(data, start); at == start {
			return -1
		}
	}
	return at
}

// run returns the position of the first byte from at that is no digit.
func run(data []byte, at int) int {
	for at < len(data) && data[at]-'0' <= 9 {
		at++
	}
	return at
}
