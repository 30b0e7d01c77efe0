package engine_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/engine"
)

func TestShutdownWaitsForConnectionsToEnd(t *testing.T) {
	f := start(t, nil)
	f.load("{\ngrace_period 1h\n}\n" + serve("route {", "echo", "}"))
	c := f.dial()
	c.says("hello", "hello")
	done := make(chan error, 1)
	go func() { done <- f.Shutdown(context.Background()) }()
	await(t, "the listener to close", func() bool { return len(f.Stats().Listeners) == 0 })
	c.says("still here", "still here")
	if s := f.Stats().State; s != engine.Stopping {
		t.Errorf("the engine is %v", s)
	}
	c.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(map[string]uint64{"proxy.handling.closed": 1}, codes(f.Stats())); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
}

func TestASecondShutdownEndsAtOnce(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	f.load("{\ngrace_period 1h\n}\n" + serve(
		"@r first r", "route @r {", "relay", "}",
		"@w first w", "route @w {", "wait", "}",
		"@e first e", "route @e {", "echo", "}"))
	relayed, echoed, waits, undecided := f.dial(), f.dial(), f.dial(), f.dial()
	relayed.says("r", "r")
	echoed.says("e", "e")
	waits.says("w", "")
	f.active(4)
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- f.Shutdown(context.Background()) }()
	}
	for _, c := range []*client{relayed, echoed, waits, undecided} {
		c.isEnded()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	n := uint64(0)
	for code, of := range codes(f.Stats()) {
		t.Log(code, of)
		n += of
	}
	f.ended("operator.relay.drained", 1)
	if n != 4 {
		t.Errorf("%d connections ended, want 4", n)
	}
}

func TestTheGracePeriodEnds(t *testing.T) {
	f := start(t, nil)
	f.load("{\ngrace_period 1ms\n}\n" + serve("route {", "echo", "}"))
	c := f.dial()
	c.says("hello", "hello")
	if err := f.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	c.isEnded()
	f.ended("operator.handling.drained", 1)
}

func TestRunServesUntilItsContextEnds(t *testing.T) {
	f := start(t, nil)
	f.load(serve("route {", "echo", "}"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	c := f.dial()
	c.says("hello", "hello")
	cancel()
	await(t, "the listener to close", func() bool { return len(f.Stats().Listeners) == 0 })
	c.says("drained, not dropped", "drained, not dropped")
	c.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestADrainedEngineServesAgainAfterALoad(t *testing.T) {
	f := start(t, nil)
	f.load(serve("route {", "echo", "}"))
	c := f.dial()
	c.says("hello", "hello")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Drain(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("draining with a connection left: %v", err)
	}
	if s := f.Stats(); s.State != engine.Draining || len(s.Listeners) != 0 {
		t.Errorf("drained: %v, %v", s.State, s.Listeners)
	}
	c.says("left alone", "left alone")
	c.Close()
	if err := f.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	f.load(serve("route {", "echo", "}"))
	f.dial().says("again", "again")
}
