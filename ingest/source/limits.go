package source

import (
	"io"

	"github.com/dustin/go-humanize"

	"nearside/fault"
)

// Limits bound what one archive, or compressed file, may unpack to. Zero values stand for the defaults. However many
// members share the same bytes, what counts is what they unpack to together.
type Limits struct {
	Expanded int64 // bytes in all; 64 GiB
	Ratio    int64 // in all, how many times as many bytes as were packed, beyond the Free ones; 250
	Free     int64 // bytes that anything may unpack to, however small it is; 64 MiB
	Members  int   // 250,000
}

const (
	defaultExpanded = 64 << 30
	defaultRatio    = 250
	defaultFree     = 64 << 20
	defaultMembers  = 250_000

	maxHeld      = 64 << 20 // bytes of an archive within an archive that must be held in memory
	maxArchives  = 2        // an archive, and one in it
	maxName      = 4096     // bytes of a member's name
	windowOfZstd = 64 << 20 // bytes that a zstd frame may look back, and so hold in memory
)

func (l Limits) orDefault() Limits {
	if l.Expanded <= 0 {
		l.Expanded = defaultExpanded
	}
	if l.Ratio <= 0 {
		l.Ratio = defaultRatio
	}
	if l.Free <= 0 {
		l.Free = defaultFree
	}
	if l.Members <= 0 {
		l.Members = defaultMembers
	}
	return l
}

// budget is what an item has unpacked to.
type budget struct {
	Limits
	maxFile int64        // bytes of one member
	packed  func() int64 // bytes that the item has, or that were read of it
	spent   int64
	over    error // why no more is unpacked
}

// spend counts bytes that were unpacked.
func (b *budget) spend(n int) error {
	b.spent += int64(n)
	switch {
	case b.over != nil:
	case b.spent > b.Expanded:
		b.over = fault.New(fault.TooLarge, "it unpacks to more than %s, the limit; unpack it, and load the folder", humanize.IBytes(uint64(b.Expanded)))
	case b.spent > b.Free && b.spent/b.Ratio > b.packed():
		b.over = fault.New(fault.TooLarge, "it unpacks to more than %d times its %s, as what is meant to do harm does; unpack it, and load the folder",
			b.Ratio, humanize.IBytes(uint64(b.packed())))
	}
	return b.over
}

// unpacked reads what is unpacked, within a budget.
type unpacked struct {
	r      io.Reader
	name   string
	budget *budget
	read   int64
	count  bool // false of what was counted already, such as the members of an unpacked tar
	failed error
}

func (u *unpacked) Read(p []byte) (int, error) {
	if u.failed != nil {
		return 0, u.failed
	}
	n, err := u.r.Read(p)
	u.read += int64(n)
	if u.count {
		if over := u.budget.spend(n); over != nil {
			n, err = 0, over
		}
	}
	if u.read > u.budget.maxFile {
		n, err = 0, tooLarge(u.name, u.read, u.budget.maxFile)
	}
	if err != nil && err != io.EOF {
		err = damaged(u.name, err)
		u.failed = err
	}
	return n, err
}
