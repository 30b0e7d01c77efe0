package rewrite

import "math/bits"

// Marks say which cards of a memory, 1 KiB each, may differ from an image of it.
// Card c is marked if bit c mod 64 of Low and bit c/64 mod 64 of High are both set,
// so that they are exact up to 4 MiB when little is written and never miss a
// write. A module of one page keeps Low only: High is then all ones.
//
//	m := rewrite.Marks{Low: low.Get(), High: high.Get()}
//	m.Add(window, uint32(n)) // what the host wrote itself
//	m.Restore(memory, image)
//	low.Set(0)
//	high.Set(0)
type Marks struct {
	Low  uint64 // value of LowGlobal
	High uint64 // value of HighGlobal, or all ones with one mask
}

// Add marks n bytes that begin at address.
func (m *Marks) Add(address, n uint32) {
	m.Low |= rangeMask(address, n, cardShift)
	m.High |= rangeMask(address, n, cardShift+6)
}

// rangeMask is a bit for each stretch of 1<<shift bytes that a range touches, and
// for the one behind it if it ends at its border, modulo 64.
func rangeMask(address, n uint32, shift int) uint64 {
	over := min((uint64(address)&(1<<shift-1)+uint64(n))>>shift, 63)
	return bits.RotateLeft64(^uint64(0)>>(63-over), int(uint64(address)>>shift&63))
}

// Restore copies the marked cards of image over memory and returns how many bytes
// those were. Both have the same length. A mark stands for the card in which a
// store began, so each run of cards is copied with the 16 bytes behind it.
func (m Marks) Restore(memory, image []byte) int {
	const page = 64 << cardShift // what one bit of High stands for
	if m.Low == 0 || m.High == 0 {
		return 0
	}
	copied := 0
	for at := 0; at < len(memory); at += page {
		if m.High>>(at/page&63)&1 != 0 {
			copied += restorePage(memory, image, at, m.Low)
		}
	}
	return copied
}

// restorePage copies the runs of marked cards of one page.
func restorePage(memory, image []byte, at int, low uint64) int {
	copied := 0
	for low != 0 {
		first := bits.TrailingZeros64(low)
		run := bits.TrailingZeros64(^(low >> first))
		from := at + first<<cardShift
		if from >= len(memory) {
			break
		}
		to := min(from+run<<cardShift+16, len(memory))
		copied += copy(memory[from:to], image[from:to])
		low &^= (1<<run - 1) << first
	}
	return copied
}
