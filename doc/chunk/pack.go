package chunk

// pack makes chunks of atoms lo to hi-1, whose section it is: one if that is small enough, else those of the
// sections it has.
func (r *reading) pack(lo, hi int) error {
	if lo == hi {
		return nil
	}
	if r.fits(lo, hi) {
		return r.emit(lo, lo, hi)
	}
	best := glued
	for i := lo + 1; i < hi; i++ {
		best = max(best, r.atoms[i].seam)
	}
	if best < sections {
		return r.run(lo, hi, letters)
	}
	small := lo // where a row of small sections began
	for from := lo; from < hi; {
		to := from + 1
		for to < hi && r.atoms[to].seam < best {
			to++
		}
		if !r.fits(from, to) {
			if err := r.run(small, from, best); err != nil {
				return err
			}
			if err := r.pack(from, to); err != nil {
				return err
			}
			small = to
		}
		from = to
	}
	return r.run(small, hi, best)
}

// run cuts atoms lo to hi-1 into chunks as full as they may be, at seams of the given kind or better.
func (r *reading) run(lo, hi int, least seam) error {
	for from, before := lo, lo; from < hi; {
		start := from
		if from > lo && least < sections {
			start = r.overlap(before, from)
		}
		to := r.choose(start, from, hi, least)
		if start < from && r.weight(start, to) > r.room(start, r.cutter.Size) { // what is repeated leaves no room for what is new
			start = from
			to = r.choose(start, from, hi, least)
		}
		if err := r.emit(start, from, to); err != nil {
			return err
		}
		before, from = from, to
	}
	return nil
}

// overlap returns where a chunk has to begin that repeats sentences of the one before it, which began at before.
func (r *reading) overlap(before, from int) int {
	start := from
	for weight := 0; start-1 > before; start-- {
		a := r.atoms[start-1]
		if weight += a.weight; weight > r.cutter.Overlap || a.role != sentence || a.seam == glued {
			break
		}
	}
	return start
}

// choose returns where a chunk ends that begins at start and has from as its first new atom. Of the places from the
// middle of the room on the best seam wins, and among equals the greatest mark: so that the same words are cut the same
// way wherever the chunk before them ended.
func (r *reading) choose(start, from, hi int, least seam) int {
	room := r.room(start, r.cutter.Size)
	rest := r.weight(start, hi)
	if rest <= room {
		return hi
	}
	repeated := r.weight(start, from)
	low, high := (room+repeated)/2, room
	if rest < room+low-repeated { // the next chunk is the last one: both should say something
		third := (rest - repeated) / 3
		low, high = repeated+third, min(room, rest-third)
	}
	best, last := 0, 0
	for i := from + 1; i < hi; i++ {
		weight, s := r.weight(start, i), r.atoms[i].seam
		if weight > room && last > 0 || weight > r.room(start, r.cutter.Window) {
			break
		}
		if s < least {
			continue
		}
		last = i
		if weight >= low && weight <= high && (best == 0 || r.better(i, best)) {
			best = i
		}
	}
	switch {
	case best > 0:
		return best
	case last > 0:
		return last
	}
	return r.force(start, from, hi)
}

// better reports whether it is better to cut before atom i than before the earlier j.
func (r *reading) better(i, j int) bool {
	a, b := r.atoms[i], r.atoms[j]
	if a.seam != b.seam {
		return a.seam > b.seam
	}
	return a.mark >= b.mark
}

// force returns where a chunk ends that has no seam to be cut at: as much as fits the window, in atoms.
func (r *reading) force(start, from, hi int) int {
	room := r.room(start, r.cutter.Window)
	to := from + 1
	for to < hi && r.weight(start, to+1) <= room {
		to++
	}
	return to
}

// fits reports whether atoms lo to hi-1 fit in one chunk.
func (r *reading) fits(lo, hi int) bool { return r.weight(lo, hi) <= r.room(lo, r.cutter.Size) }

func (r *reading) weight(lo, hi int) int { return r.totals[hi] - r.totals[lo] }

// room returns how much of size is left for a passage that begins at atom i.
func (r *reading) room(i, size int) int {
	a := r.atoms[i]
	size -= r.cutter.added + a.under.cost()
	if l, ok := r.leads[a.block]; ok && !a.first {
		size -= l.tokens
	}
	return size
}
