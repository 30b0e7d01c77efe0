package rewrite

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Whatever the host marks and writes, the marked cards hold all of it.
func TestMarksOfTheHostCoverWhatItWrote(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	for _, pages := range []int{1, 2, 5, 130} {
		image := make([]byte, pages<<16)
		for i := range image {
			image[i] = byte(i>>10 + i)
		}
		memory := bytes.Clone(image)
		for range 500 {
			var m Marks
			if pages == 1 {
				m.High = ^uint64(0)
			}
			for range 1 + r.IntN(3) {
				at := r.IntN(len(memory))
				n := min([]int{0, 1, 17, 1_024, 5_000, 70_000}[r.IntN(6)]+r.IntN(3), len(memory)-at)
				m.Add(uint32(at), uint32(n))
				for i := at; i < at+n; i++ {
					memory[i] ^= 0xff
				}
			}
			m.Restore(memory, image)
			if !bytes.Equal(memory, image) {
				t.Fatalf("%d pages: memory differs behind %x", pages, m)
			}
		}
	}
}

func TestRestoreCopiesLittle(t *testing.T) {
	t.Parallel()
	memory, image := make([]byte, 4<<20), make([]byte, 4<<20)
	for _, tt := range []struct {
		name string
		mark func(m *Marks)
		most int
	}{
		{"nothing", func(*Marks) {}, 0},
		{"one byte", func(m *Marks) { m.Add(3_000_000, 1) }, 1<<10 + 16},
		{"the end", func(m *Marks) { m.Add(4<<20-1, 1) }, 4 * (1<<10 + 16)}, // and the card behind it, modulo
		{"a page that does not begin at one", func(m *Marks) { m.Add(70_000, 1<<16) }, 2 * (65<<10 + 32)},
		{"everything", func(m *Marks) { m.Add(0, 4<<20) }, 4<<20 + 64*16},
	} {
		var m Marks
		tt.mark(&m)
		if got := m.Restore(memory, image); got > tt.most {
			t.Errorf("%s: %d bytes copied, at most %d are enough", tt.name, got, tt.most)
		}
	}
}

func TestRestoreAllocatesNothing(t *testing.T) {
	memory, image := make([]byte, 1<<16), make([]byte, 1<<16)
	m := Marks{Low: 0xf0f0, High: ^uint64(0)}
	if n := testing.AllocsPerRun(100, func() { m.Restore(memory, image) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
