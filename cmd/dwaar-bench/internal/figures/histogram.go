package figures

import (
	"math"
	"math/bits"
	"time"
)

// A histogram's resolution: 256 steps for each power of two of nanoseconds, so that a
// quantile is within 0.4 %.
const (
	stepBits = 8
	steps    = 1 << stepBits
)

// Histogram counts durations. The zero value is ready.
type Histogram struct {
	counts [steps * (65 - stepBits)]uint64
	n      uint64
}

// Add counts a duration; one below 0 counts as 0.
func (h *Histogram) Add(d time.Duration) {
	h.counts[bucket(uint64(max(d, 0)))]++
	h.n++
}

// Quantile returns the duration that a share q of those counted does not exceed; 0 if
// none was counted.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := min(max(uint64(math.Ceil(q*float64(h.n))), 1), h.n)
	for i, n := range h.counts {
		if n >= rank {
			return middle(i)
		}
		rank -= n
	}
	return 0 // not reached: the counts add up to n
}

func bucket(ns uint64) int {
	if ns < steps {
		return int(ns)
	}
	shift := bits.Len64(ns) - stepBits - 1
	return shift*steps + int(ns>>shift)
}

func middle(i int) time.Duration {
	if i < 2*steps {
		return time.Duration(i)
	}
	shift := i/steps - 1
	return time.Duration(uint64(i%steps+steps)<<shift + uint64(1)<<shift/2)
}
