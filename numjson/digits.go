package numjson

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// digits appends the run of digits at a position to the number before, and
// returns the position after it. It returns at itself where no digit is, and -1
// where the number does not fit 64 bits.
func digits(data []byte, at int, before uint64) (number uint64, next int) {
	number = before
	for {
		word := load(data, at)
		n := leading(word)
		if number > room[n] {
			return 0, -1
		}
		number = number*tens[n] + value(word<<(64-8*n))
		if at += n; n < 8 {
			return number, at
		}
	}
}

// load returns the eight bytes at a position, the first one lowest; zeros stand
// for those beyond the end.
func load(data []byte, at int) uint64 {
	if at+8 <= len(data) {
		return binary.LittleEndian.Uint64(data[at:])
	}
	return loadEnd(data, at)
}

func loadEnd(data []byte, at int) uint64 {
	var last [8]byte
	copy(last[:], data[min(at, len(data)):])
	return binary.LittleEndian.Uint64(last[:])
}

// leading returns how many bytes of a word, from the lowest, are digits.
//
// After the exclusive or a digit is 0 to 9, and adding 0x76 to more than 9 sets
// the byte's highest bit, as does a byte above 0x7f by itself. A carry comes only
// from a byte that is no digit, and harms only those after it.
func leading(word uint64) int {
	const each = 0x0101010101010101
	x := word ^ '0'*each
	return bits.TrailingZeros64((x+0x76*each|x)&(0x80*each)) / 8
}

// value returns the number that eight digits make, the lowest byte first. Bytes
// of zero, which a shift leaves in the front, count as the digit 0.
//
// Neighbours are joined: eight digits to four pairs, to two groups of four, to one.
func value(word uint64) uint64 {
	word &= 0x0f0f0f0f0f0f0f0f
	word = (word*10 + word>>8) & 0x00ff00ff00ff00ff
	word = (word*100 + word>>16) & 0x0000ffff0000ffff
	return (word*10000 + word>>32) & 0xffffffff
}

// tens[n] is 10^n, and room[n] the largest number that n digits can be appended to in 64 bits.
var (
	tens = [9]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}
	room = [9]uint64{most, (most - 9) / 1e1, (most - 99) / 1e2, (most - 999) / 1e3, (most - 9999) / 1e4, (most - 99999) / 1e5,
		(most - 999999) / 1e6, (most - 9999999) / 1e7, (most - 99999999) / 1e8}
)

const most uint64 = math.MaxUint64
