package datagram_test

import (
	"testing"

	"dwaar.dev/dwaar/builtin/internal/datagram"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func TestTheFirstDatagramEndsAtTheFirstBound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		network string
		bounds  []int
		want    string
		verdict sdk.Verdict
	}{
		{"udp", []int{2, 5}, "ab", sdk.Yes},
		{"unixgram", []int{0, 5}, "", sdk.Yes},
		{"udp", nil, "", sdk.Need(6)},
		{"tcp", nil, "", sdk.No},
		{"unix", nil, "", sdk.No},
	} {
		f := matchtest.UDP()
		f.Network, f.Head, f.Bounds = c.network, []byte("abcde"), c.bounds
		if b, v := datagram.First(&f); string(b) != c.want || v != c.verdict {
			t.Errorf("%s %v: %q, %v, want %q, %v", c.network, c.bounds, b, v, c.want, c.verdict)
		}
	}
}
