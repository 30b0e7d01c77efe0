package matchtest

import (
	"testing"

	"dwaar.dev/dwaar/sdk"
)

// Broken returns what Laws fails with.
func Broken(t *testing.T, m sdk.Matcher, f sdk.Flow, heads ...[]byte) error {
	return broken(t, m, f, streams(&f, heads))
}
