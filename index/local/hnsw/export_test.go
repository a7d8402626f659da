package hnsw

import (
	"encoding/binary"
	"hash/crc32"
)

// Seal gives the header and the blocks of a small snapshot the checksums of what they have now.
func Seal(b []byte) {
	end := prefixBytes - 4
	binary.LittleEndian.PutUint32(b[end:], crc32.Checksum(b[:end], castagnoli))
	l := loader{expect: Expect{Capacity: maxNodes, Slots: 1<<32 - 1}}
	if _, err := binary.Decode(b[len(snapshotMagic)+8:], binary.LittleEndian, &l.header); err != nil || l.checkHeader() != nil {
		return
	}
	at := prefixBytes
	for i, bytes := range l.sectionBytes() {
		for number := 0; bytes > 0; number++ {
			n := int(min(bytes, blockBytes))
			bytes -= int64(n)
			if at+n+4 > len(b) {
				return
			}
			binary.LittleEndian.PutUint32(b[at+n:], blockSum(i, number, b[at:at+n]))
			at += n + 4
		}
	}
}
