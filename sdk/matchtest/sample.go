package matchtest

import (
	"bytes"
	"math/rand/v2"
	"reflect"

	"dwaar.dev/dwaar/sdk"
)

// fresh returns a flow that knows of the connection what f knows, facts included,
// with nothing parsed.
func fresh(f *sdk.Flow) sdk.Flow {
	var g sdk.Flow
	to, from := reflect.ValueOf(&g).Elem(), reflect.ValueOf(f).Elem()
	for i := range to.NumField() {
		if to.Type().Field(i).IsExported() {
			to.Field(i).Set(from.Field(i))
		}
	}
	facts := f.Bind(nil)
	f.Bind(facts)
	g.Bind(facts)
	return g
}

// sample is a stream of bytes, or datagrams one after the other.
type sample struct {
	head []byte
	ends []int // where each datagram ends; nil for a stream
}

func concat(datagrams [][]byte) sample {
	s := sample{ends: []int{}}
	for _, d := range datagrams {
		s.head = append(s.head, d...)
		s.ends = append(s.ends, len(s.head))
	}
	return s
}

// last is the point at which everything has arrived. A point counts bytes of a
// stream or datagrams.
func (s *sample) last() int {
	if s.ends != nil {
		return len(s.ends)
	}
	return len(s.head)
}

// size returns the length of the head at a point.
func (s *sample) size(point int) int {
	switch {
	case s.ends == nil:
		return point
	case point == 0:
		return 0
	}
	return s.ends[point-1]
}

// at returns a new copy of what has arrived at a point, without room behind it.
func (s *sample) at(point int) (head []byte, bounds []int) {
	head = make([]byte, s.size(point))
	copy(head, s.head)
	if s.ends != nil {
		bounds = make([]int, point)
		copy(bounds, s.ends)
	}
	return head, bounds
}

// Above this many bytes not every prefix is looked at.
const everyPrefix = 4 << 10

// points returns the moments at which the matcher is asked: all of them, or for a
// long head all of the first 2 KiB, every 61st, and the last 64.
func (s *sample) points() []int {
	last := s.last()
	var points []int
	for p := 0; p <= last; p++ {
		if last <= everyPrefix || p <= everyPrefix/2 || p%61 == 0 || p > last-64 {
			points = append(points, p)
		}
	}
	return points
}

// few returns at most n moments, the first and the last among them.
func (s *sample) few(n int, r *rand.Rand) []int {
	chosen := map[int]bool{0: true, s.last(): true}
	for range n - 2 {
		chosen[r.IntN(s.last()+1)] = true
	}
	var points []int
	for p := 0; p <= s.last(); p++ {
		if chosen[p] {
			points = append(points, p)
		}
	}
	return points
}

// changed returns a sample with one byte replaced.
func (s *sample) changed(r *rand.Rand) sample {
	c := sample{bytes.Clone(s.head), s.ends}
	if len(c.head) > 0 {
		// Most of what a matcher decides by stands near the beginning.
		i := r.IntN(len(c.head))
		if r.IntN(2) == 0 {
			i = r.IntN(min(64, len(c.head)))
		}
		c.head[i] = byte(r.IntN(256))
	}
	return c
}

// beyond returns a stream that goes on, with its own bytes again, for more than
// limit bytes, and the points around the limit.
func (s *sample) beyond(limit int) (sample, []int) {
	seed := s.head
	if len(seed) == 0 {
		seed = []byte{0}
	}
	head := bytes.Repeat(seed, (limit+128)/len(seed)+1)[:limit+128]
	long := sample{head: head}
	if s.ends == nil {
		points := []int{0, limit - 1, limit, limit + 1, limit + 128}
		if n := len(s.head); n > 0 && n < limit-1 {
			points = append([]int{0, n}, points[1:]...)
		}
		return long, points
	}
	long.ends = []int{limit + 128}
	return long, []int{0, 1}
}
