package figures_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/figures"
)

func TestMedianIsTheMiddle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := figures.Median(tt.values); got != tt.want {
			t.Errorf("median of %v is %v, want %v", tt.values, got, tt.want)
		}
	}
	if got := figures.Median(nil); !math.IsNaN(got) {
		t.Errorf("median of nothing is %v", got)
	}
}

// Of sixty sets from a known distribution the interval holds the true median about
// 57 times.
func TestIntervalHoldsTheTruth(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	held := 0
	for range 60 {
		values := make([]float64, 31)
		for i := range values {
			values[i] = math.Exp(random.NormFloat64() / 4) // its median is 1
		}
		e := figures.Of(values)
		if e.Low <= 1 && 1 <= e.High {
			held++
		}
		if e.Low > e.Median || e.Median > e.High || e.Rounds != 31 {
			t.Fatalf("no interval around a median of 31 rounds: %+v", e)
		}
	}
	if held < 51 {
		t.Errorf("%d of 60 intervals hold the median", held)
	}
}

func TestRoundsThatFailedAreLeftOut(t *testing.T) {
	t.Parallel()
	got := figures.Ratios([]float64{2, math.NaN(), 4, 6, 7}, []float64{1, 1, 2, 0})
	want := figures.Estimate{Median: 2, Low: 2, High: 2, Rounds: 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("estimate (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(figures.Estimate{}, figures.Of(nil)); diff != "" {
		t.Errorf("estimate of nothing (-want +got):\n%s", diff)
	}
}

func TestQuantilesAreWithinTheirResolution(t *testing.T) {
	t.Parallel()
	var h figures.Histogram
	if got := h.Quantile(0.5); got != 0 {
		t.Errorf("quantile of nothing is %v", got)
	}
	for i := range 100_000 {
		h.Add(time.Duration(i+1) * 137)
	}
	for _, q := range []float64{0.001, 0.5, 0.99, 0.999} {
		want := q * 100_000 * 137
		if got := float64(h.Quantile(q)); math.Abs(got-want)/want > 0.005 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	h.Add(math.MaxInt64)
	if got := h.Quantile(1); float64(got) < 0.98*math.MaxInt64 {
		t.Errorf("the longest is %v", got)
	}
}
