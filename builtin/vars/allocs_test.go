//go:build !race

// With the race detector a sync.Pool, as package regexp has them, drops values at
// random.

package vars_test

import (
	"testing"

	"dwaar.dev/dwaar/sdk/matchtest"
)

func TestLookingForAMatchAllocatesNothing(t *testing.T) {
	matchtest.Allocs(t, contains(t, "mode ^ssh"), flow(), []byte("hello"))
}
