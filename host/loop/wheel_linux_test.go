package loop

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A timer is due in the first advance to its tick or past it, never before,
// at whatever distance it was set and however far the advances go.
func TestATimerIsDueAtItsTickAndOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		b, w := newSlab(), newWheel()
		w.now = rnd.Int64N(1 << 40)
		due := map[int32]int64{}
		last := w.now
		for range 300 {
			i, _ := b.take(nil)
			due[i] = w.now + 1 + rnd.Int64N(1<<rnd.IntN(20))
			w.set(&b, i, due[i])
			last = max(last, due[i])
		}
		for i := range due {
			switch rnd.IntN(4) {
			case 0:
				w.stop(&b, i)
				delete(due, i)
			case 1:
				due[i] = w.now + 1 + rnd.Int64N(1<<10)
				w.set(&b, i, due[i])
			}
		}
		for w.now < last {
			to := min(w.now+1+rnd.Int64N(1<<rnd.IntN(16)), last)
			from := w.now
			for _, i := range w.advance(&b, to, nil) {
				if due[i] <= from || due[i] > to {
					t.Fatalf("seed %d: due at %d, fired on the way from %d to %d", seed, due[i], from, to)
				}
				delete(due, i)
			}
		}
		if len(due) > 0 {
			t.Fatalf("seed %d: never fired: %v", seed, due)
		}
	}
}

func TestTheNextTickIsNeverAfterTheFirstTimer(t *testing.T) {
	t.Parallel()
	b, w := newSlab(), newWheel()
	if at, ok := w.next(); ok {
		t.Errorf("an empty wheel wants to be looked at in tick %d", at)
	}
	for _, due := range []int64{1 << 30, 5000, 64, 63, 1} {
		i, _ := b.take(nil)
		w.set(&b, i, due)
		if at, ok := w.next(); !ok || at > due || at <= w.now {
			t.Errorf("next is %d (%t), and a timer is due at %d", at, ok, due)
		}
	}
}

func TestATimerInThePastIsDueAtTheNextTick(t *testing.T) {
	t.Parallel()
	b, w := newSlab(), newWheel()
	w.now = 1000
	i, _ := b.take(nil)
	w.set(&b, i, 3)
	if got := w.advance(&b, 1001, nil); !slices.Equal(got, []int32{i}) {
		t.Errorf("due at once: %v, want slot %d", got, i)
	}
}

func TestStoppedTimersLeaveAnEmptyWheel(t *testing.T) {
	t.Parallel()
	b, w := newSlab(), newWheel()
	for n := range int64(100) {
		i, _ := b.take(nil)
		w.set(&b, i, 1+n*n*n)
		defer w.stop(&b, i) // again: nothing happens
	}
	for i := range int32(100) {
		w.stop(&b, i)
	}
	if d := cmp.Diff([wheelLevels]uint64{}, w.used); d != "" {
		t.Errorf("lists in use (-want +got):\n%s", d)
	}
}
