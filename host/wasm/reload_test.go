package wasm

import (
	"fmt"
	"runtime/debug"
	"testing"
)

// Two modules take turns, with other arguments each time, while connections that they
// route are busy. Nothing of those that are gone is left: not their code, not their
// memory, not what served them.
func TestReloadsThatExchangeModulesLeaveNothingBehind(t *testing.T) {
	paths := []string{sniGuest, guest(t, fmt.Sprintf(echoing, ""), "(i32.const 1)")}
	config := func(i int) string { return beside(paths[i%2], fmt.Sprintf("a%d.example.com", i%1000)) }
	s := goLive(t, config(1))
	reloads := 200
	if full() {
		reloads = 10_000
	}
	stop := s.traffic("TALK", "sane")
	var before measured
	warm := max(reloads/10, 200)
	for i := range warm + reloads {
		if i == warm { // pools and caches are full by then
			before = resident()
		}
		if err := s.load(config(i)); err != nil {
			t.Fatal(err)
		}
		if i%100 == 1 { // connections that the plugin routes live on when it is gone
			if got, err := s.say("sane"); got != "sane" || err != nil {
				t.Errorf("after reload %d: %q, %v", i, got, err)
			}
		}
	}
	after := resident()
	rounds := stop()
	s.settled()
	t.Logf("%d reloads beside %d rounds: before %+v, after %+v", reloads, rounds, before, after)
	if n := s.host.live.Load(); n > 2 {
		t.Errorf("%d modules are loaded", n)
	}
	if after.goroutines > before.goroutines+8 || after.descriptors > before.descriptors+8 || after.mappings > before.mappings+32 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	// The race detector keeps memory for every goroutine that has ended, and modules are
	// closed in one each.
	if grown := after.resident - before.resident; !raceDetector && grown > 24<<20 {
		t.Errorf("%d bytes more are resident", grown)
	}
}

// resident measures when memory that is free was given back.
func resident() measured {
	debug.FreeOSMemory()
	return measure()
}
