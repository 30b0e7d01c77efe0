package matchtest

import (
	"math/rand/v2"
	"testing"

	"dwaar.dev/dwaar/sdk"
)

// Fuzz makes f look for bytes, and for points to cut them at, on which one of the
// matchers breaks a law. The seeds are best taken from real programs.
func Fuzz(f *testing.F, seeds [][]byte, ms ...sdk.Matcher) {
	for _, seed := range seeds {
		f.Add(seed, []byte{1, 4, 200, 15})
	}
	f.Fuzz(func(t *testing.T, head, steps []byte) {
		s := sample{head: head}
		fuzzed(t, TCP(), s, cutStream(len(head), steps), ms)
	})
}

// FuzzDatagrams is [Fuzz] for sessions of datagrams.
func FuzzDatagrams(f *testing.F, sessions [][][]byte, ms ...sdk.Matcher) {
	for _, session := range sessions {
		var sizes []byte
		s := concat(session)
		for _, d := range session {
			sizes = append(sizes, byte(len(d)>>8), byte(len(d)))
		}
		f.Add(s.head, sizes)
	}
	f.Fuzz(func(t *testing.T, head, sizes []byte) {
		s := cutDatagrams(head, sizes)
		fuzzed(t, UDP(), s, s.points(), ms)
	})
}

func fuzzed(t *testing.T, f sdk.Flow, s sample, points []int, ms []sdk.Matcher) {
	random := rand.New(rand.NewPCG(1, uint64(len(s.head))))
	for _, m := range ms {
		old := f
		c := &checker{m: m, sample: s, points: points, old: &old}
		for _, law := range []func() error{c.alone, c.honest, c.final, c.stepwise, c.halves} {
			if err := law(); err != nil {
				t.Fatal(err)
			}
		}
		for range 4 {
			if err := c.pieces(random); err != nil {
				t.Fatal(err)
			}
		}
		if err := checkFuzzed(m, f, s, points); err != nil {
			t.Fatal(err)
		}
	}
}

// checkFuzzed checks what m tells of itself, on one sample only.
func checkFuzzed(m sdk.Matcher, f sdk.Flow, s sample, points []int) error {
	if starter, ok := m.(sdk.Starter); ok && starter.First() != nil {
		if err := checkStart(starter, f, starter.First(), s); err != nil {
			return err
		}
	}
	if keyed, ok := m.(sdk.Keyed); ok {
		return checkKeyed(keyed, f, s, points)
	}
	if patterned, ok := m.(sdk.Patterned); ok {
		return checkPatterned(patterned, f, s, points)
	}
	return nil
}

// cutStream returns the points that the steps lead to, at most 64 of them, the
// first and the last always. The step 0 stands for 1 KiB.
func cutStream(n int, steps []byte) []int {
	points := []int{0}
	for i, at := 0, 0; len(steps) > 0 && len(points) < 64; i++ {
		step := int(steps[i%len(steps)])
		if step == 0 {
			step = 1 << 10
		}
		at += step
		if at >= n {
			break
		}
		points = append(points, at)
	}
	if n > 0 {
		points = append(points, n)
	}
	return points
}

// cutDatagrams reads two bytes of size for each datagram; the rest is the last
// one. There are at most 8, as many as wait for a verdict.
func cutDatagrams(head, sizes []byte) sample {
	s := sample{head: head, ends: []int{}}
	at := 0
	for ; len(sizes) >= 2 && len(s.ends) < 7; sizes = sizes[2:] {
		at = min(len(head), at+int(sizes[0])<<8+int(sizes[1]))
		s.ends = append(s.ends, at)
	}
	if at < len(head) || len(s.ends) == 0 {
		s.ends = append(s.ends, len(head))
	}
	return s
}
