package engine

import "testing"

func TestDescriptorsBeyondTwoOfAConnectionCountAgainstTheBudget(t *testing.T) {
	t.Parallel()
	e := &Engine{budget: 10}
	for range 6 {
		e.live.add()
	}
	if e.full() || !e.spend(3) || !e.spend(5) || !e.full() || e.spend(1) {
		t.Errorf("6 connections, %d more descriptors of 8", e.extra.Load())
	}
	if e.spend(-3); e.full() || e.spend(4) || !e.spend(3) {
		t.Errorf("3 were given back, %d are held", e.extra.Load())
	}
	if e.spend(-8); e.extra.Load() != 0 || e.full() {
		t.Errorf("%d are left", e.extra.Load())
	}
}
