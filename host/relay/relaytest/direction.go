package relaytest

import (
	"net"
	"testing"

	"dwaar.dev/dwaar/host/relay"
)

// direction is a route and who sends on it.
type direction struct {
	route
	by relay.Side
}

// directions calls f in a parallel subtest for both directions of every route,
// where keep holds for the wire of the sender.
func directions(t *testing.T, keep func(wire) bool, f func(t *testing.T, d direction)) {
	t.Helper()
	for _, way := range routes(t) {
		for _, by := range []relay.Side{relay.Down, relay.Up} {
			d := direction{way, by}
			if !keep(d.from()) {
				continue
			}
			t.Run(way.name+" by "+by.String(), func(t *testing.T) {
				t.Parallel()
				f(t, d)
			})
		}
	}
}

func anyWire(wire) bool { return true }

// resettable wires have a reset.
func resettable(w wire) bool { return w.tcp }

// urgentWire has urgent data. With TLS it would be a broken record.
func urgentWire(w wire) bool { return w.name == "tcp" }

// from is the wire of the sender.
func (d direction) from() wire {
	if d.by == relay.Up {
		return d.up
	}
	return d.down
}

// connect makes both connections and sorts the peers.
func (d direction) connect(t testing.TB) (down, up relay.Endpoint, sender, receiver *peer) {
	t.Helper()
	down, up, client, server := d.route.connect(t)
	if d.by == relay.Up {
		return down, up, server, client
	}
	return down, up, client, server
}

// counts sorts the counts: what came from the sender, what went to it.
func (d direction) counts(r relay.Result) (from, to int64) {
	if d.by == relay.Up {
		return r.Down, r.Up
	}
	return r.Up, r.Down
}

// isTCP reports whether p can see a reset.
func (p *peer) isTCP() bool {
	_, ok := p.socket.(*net.TCPConn)
	return ok
}

// expect receives the bytes [0, n) of s, and nothing less.
func (p *peer) expect(t testing.TB, s stream, n int64) {
	t.Helper()
	if got, err := s.receive(p, 0, n); err != nil {
		t.Fatalf("received %d of %d bytes, then %v", got, n, err)
	}
}

// say sends the bytes [from, to) of s.
func (p *peer) say(t testing.TB, s stream, from, to int64) {
	t.Helper()
	if n, err := s.send(p, from, to, piece); err != nil {
		t.Errorf("sent %d of %d bytes, then %v", n, to-from, err)
	}
}
