//go:build !race

// With the race detector a sync.Pool, as package regexp has them, drops values at
// random.

package rdp_test

import (
	"testing"

	"dwaar.dev/dwaar/sdk/matchtest"
)

func TestMatchingAllocatesNothing(t *testing.T) {
	for _, m := range forms(t) {
		matchtest.Allocs(t, m, matchtest.TCP(), samples(t)...)
	}
}
