package relaytest

import (
	"testing"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// limit is one row: who finishes first, if anybody, what ends the link then,
// and whom the Result names.
type limit struct {
	name   string
	o      relay.Options
	finish relay.Side
	want   relay.Reason
	by     relay.Side
}

// limits: each limit ends a link, is named, and both peers learn of it.
func limits(t *testing.T, start Start) {
	const short, never = 100 * time.Millisecond, time.Hour
	list := []limit{
		{"idle", relay.Options{Idle: short, HalfClose: never, Lifetime: never}, relay.Self, relay.Idle, relay.Self},
		{"half-close after the client", relay.Options{Idle: never, HalfClose: short}, relay.Down, relay.HalfClosed, relay.Up},
		{"half-close after the upstream", relay.Options{HalfClose: short}, relay.Up, relay.HalfClosed, relay.Down},
		{"idle while half-closed", relay.Options{Idle: short, HalfClose: never}, relay.Down, relay.Idle, relay.Self},
		{"lifetime", relay.Options{Idle: never, HalfClose: never, Lifetime: short}, relay.Self, relay.Expired, relay.Self},
	}
	for _, way := range routes(t) {
		for _, row := range list {
			t.Run(way.name+", "+row.name, func(t *testing.T) {
				t.Parallel()
				row.run(t, start, way)
			})
		}
	}
}

func (row limit) run(t *testing.T, start Start, way route) {
	down, up, client, server := way.connect(t)
	l := begin(start, down, up, row.o)
	switch row.finish {
	case relay.Down:
		client.closeWrite(t)
	case relay.Up:
		server.closeWrite(t)
	}
	r := l.result(t)
	if r.Reason != row.want || r.By != row.by || r.Err != nil || r.Cut {
		t.Errorf("result %+v, want %v by %v", r, row.want, row.by)
	}
	for _, p := range []*peer{client, server} {
		if err := awaitEnd(p); isTimeout(err) {
			t.Error("a peer was not told of the end")
		}
	}
}
