// Package figures turns samples into what may be said about them: medians, intervals
// and quantiles.
//
//	r := figures.Ratios(ours, theirs) // one value of each per round
//	fmt.Printf("%.2f (%.2f–%.2f)", r.Median, r.Low, r.High)
package figures

import (
	"math"
	"math/rand/v2"
	"slices"
)

// resamples of the bootstrap: each end of the interval is the 51st from its side.
const resamples = 2000

// Estimate is a median with its 95 % interval by the percentile bootstrap: of so many
// sets drawn with replacement from the values, the medians of 95 % lie within.
type Estimate struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Rounds int     `json:"rounds"` // values it was made of
}

// Of returns the estimate of values; the same values give the same one. Values that
// are no numbers (of a round that failed) are left out; of none at all it is zero.
func Of(values []float64) Estimate {
	kept := Numbers(values)
	if len(kept) == 0 {
		return Estimate{}
	}
	random := rand.New(rand.NewPCG(1, uint64(len(kept))))
	medians := make([]float64, resamples)
	draw := make([]float64, len(kept))
	for i := range medians {
		for j := range draw {
			draw[j] = kept[random.IntN(len(kept))]
		}
		medians[i] = Median(draw)
	}
	slices.Sort(medians)
	return Estimate{
		Median: Median(kept), Rounds: len(kept),
		Low: medians[resamples*25/1000], High: medians[resamples-1-resamples*25/1000],
	}
}

// Numbers returns a copy of values without those that are no numbers: NaN, infinite.
func Numbers(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
}

// Ratios returns the estimate of ours[i] / theirs[i], round by round.
func Ratios(ours, theirs []float64) Estimate {
	n := min(len(ours), len(theirs))
	ratios := make([]float64, n)
	for i := range n {
		ratios[i] = ours[i] / theirs[i]
	}
	return Of(ratios)
}

// Median returns the median of values, which it sorts; NaN of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	half := len(values) / 2
	if len(values)%2 == 1 {
		return values[half]
	}
	return (values[half-1] + values[half]) / 2
}
