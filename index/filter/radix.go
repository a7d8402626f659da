package filter

// item is a place in a window, and the number that it is sorted by.
type item struct {
	number uint64
	place  uint16
}

// sortByNumber sorts items, those of one number in the order they came in, and
// returns them in their own memory or another's. It deals them out byte by byte,
// the lowest first, and passes over bytes that are the same in all numbers.
func sortByNumber(items []item) []item {
	var counts [8][256]int
	for _, it := range items {
		for i := range counts {
			counts[i][byte(it.number>>(8*i))]++
		}
	}
	spare := make([]item, len(items))
	for i := range counts {
		if len(items) == 0 || counts[i][byte(items[0].number>>(8*i))] == len(items) {
			continue
		}
		begin := 0
		for digit, n := range counts[i] {
			counts[i][digit] = begin
			begin += n
		}
		for _, it := range items {
			at := &counts[i][byte(it.number>>(8*i))]
			spare[*at] = it
			*at++
		}
		items, spare = spare, items
	}
	return items
}
