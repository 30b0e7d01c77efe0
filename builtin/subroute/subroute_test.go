package subroute_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"dwaar.dev/dwaar/builtin/subroute"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/sdk"
)

// routes take every connection, or none.
type routes struct{ take bool }

var errTaken = errors.New("taken")

func (r routes) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	if r.take {
		return errTaken
	}
	return next(ctx, c)
}

func (r routes) Ends() bool     { return r.take }
func (r routes) String() string { return "the routes" }

func TestWhatNoRouteTakesGoesOn(t *testing.T) {
	t.Parallel()
	for _, take := range []bool{true, false} {
		var asked *sdk.Node
		b := &hosttest.Builder{NewRoutes: func(n *sdk.Node) host.Routes { asked = n; return routes{take} }}
		n := &sdk.Node{Name: "subroute", Block: []sdk.Node{{Name: "route"}}}
		h, err := subroute.New(b, n)
		if err != nil || asked != n {
			t.Fatalf("routes of %v, %v", asked, err)
		}
		if got := h.(interface{ Ends() bool }).Ends(); got != take {
			t.Errorf("it ends: %v", got)
		}
		s := hosttest.Serve(t, h, nil)
		conn, err := net.Dial("tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		want := host.ErrNoRoute // of what comes next
		if take {
			want = errTaken
		}
		if o := s.Outcome(t); !errors.Is(o.Err, want) {
			t.Errorf("it ended with %v, want %v", o.Err, want)
		}
		_ = conn.Close()
	}
}
