package loop

import "math/bits"

const (
	// tickShift makes a tick of 4.2 ms, short enough for limits of seconds and for
	// looks at a send queue.
	tickShift = 22
	tick      = 1 << tickShift

	wheelBits   = 6
	wheelSize   = 1 << wheelBits
	wheelLevels = 7 // 2^42 ticks are five centuries
	lastTick    = 1<<(wheelBits*wheelLevels) - 1
)

// timer is the position of a slot in the wheel.
type timer struct {
	due        int64 // the tick at which the timer is due
	prev, next int32 // neighbours in the list; none: there is none
	level      int8  // level of the list; none: the slot is not in the wheel
	place      uint8 // which list of that level
}

// wheel is a hierarchical timer wheel: setting or stopping a timer touches one list. An
// entry stands at the level of the highest digit (of six bits) in which its tick differs
// from now, and moves down when now reaches that digit. The links of the lists are in
// the slots.
type wheel struct {
	now   int64 // the current tick
	lists [wheelLevels][wheelSize]int32
	used  [wheelLevels]uint64 // which lists are not empty
}

func newWheel() wheel {
	var w wheel
	for l := range w.lists {
		for p := range w.lists[l] {
			w.lists[l][p] = none
		}
	}
	return w
}

// set makes slot i due at a tick, or at the next one if that tick has passed.
func (w *wheel) set(b *slab, i int32, due int64) {
	t := &b.at(i).timer
	if t.level != none {
		w.stop(b, i)
	}
	t.due = min(max(due, w.now+1), lastTick)
	w.put(b, i, t)
}

// put enters t by its due, which is not before now.
func (w *wheel) put(b *slab, i int32, t *timer) {
	level := 0
	if d := uint64(t.due ^ w.now); d != 0 {
		level = (bits.Len64(d) - 1) / wheelBits
	}
	place := t.due >> (level * wheelBits) & (wheelSize - 1)
	head := &w.lists[level][place]
	t.level, t.place, t.prev, t.next = int8(level), uint8(place), none, *head
	if *head != none {
		b.at(*head).timer.prev = i
	}
	*head = i
	w.used[level] |= 1 << place
}

// stop removes slot i, if it is in the wheel.
func (w *wheel) stop(b *slab, i int32) {
	t := &b.at(i).timer
	if t.level == none {
		return
	}
	if t.next != none {
		b.at(t.next).timer.prev = t.prev
	}
	if t.prev != none {
		b.at(t.prev).timer.next = t.next
	} else {
		w.lists[t.level][t.place] = t.next
		if t.next == none {
			w.used[t.level] &^= 1 << t.place
		}
	}
	t.level = none
}

// next returns the tick at which the wheel has to be looked at, which is never after
// that of the first entry, and false if the wheel is empty.
func (w *wheel) next() (int64, bool) {
	for level, used := range w.used {
		if used == 0 {
			continue
		}
		shift := level * wheelBits
		round := w.now >> (shift + wheelBits) << (shift + wheelBits)
		return round | int64(bits.TrailingZeros64(used))<<shift, true
	}
	return 0, false
}

// advance sets now to a tick and appends the slots that became due to list.
func (w *wheel) advance(b *slab, to int64, list []int32) []int32 {
	for {
		at, ok := w.next()
		if !ok || at > to {
			w.now = max(w.now, to)
			return list
		}
		w.now = at
		for level := wheelLevels - 1; level >= 0; level-- {
			list = w.open(b, level, list)
		}
	}
}

// open empties the list of a level that now has reached.
func (w *wheel) open(b *slab, level int, list []int32) []int32 {
	place := w.now >> (level * wheelBits) & (wheelSize - 1)
	for i := w.lists[level][place]; i != none; i = w.lists[level][place] {
		w.stop(b, i)
		if t := &b.at(i).timer; t.due > w.now {
			w.put(b, i, t)
		} else {
			list = append(list, i)
		}
	}
	return list
}
