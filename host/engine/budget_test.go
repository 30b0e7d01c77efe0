package engine

import (
	"testing"

	"dwaar.dev/dwaar/host/engine/internal/crowd"
)

func TestDescriptorsBeyondTwoOfAConnectionCountAgainstTheBudget(t *testing.T) {
	t.Parallel()
	e := &Engine{budget: 10, whole: crowd.New(crowd.Whole, 1)}
	for range 6 {
		e.live.add()
	}
	if !e.spend(3) || !e.spend(5) || e.whole.Most(crowd.Conns) != 6 || e.spend(1) {
		t.Errorf("6 connections, %d more descriptors of 8, room for %d", e.extra, e.whole.Most(crowd.Conns))
	}
	if e.spend(-3); e.whole.Most(crowd.Conns) != 7 || e.spend(4) || !e.spend(3) {
		t.Errorf("3 were given back, %d are held", e.extra)
	}
	if e.spend(-8); e.extra != 0 || e.whole.Most(crowd.Conns) != 10 {
		t.Errorf("%d are left", e.extra)
	}
}
