package engine_test

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/sdk"
)

// where adds a handler that says the addresses of its connection, and one that hands on.
func (f *fixture) where() {
	f.registry.Handler(sdk.Spec{Name: "where", Ends: true},
		func(host.Builder, *sdk.Node) (host.Handler, error) {
			return handler(func(_ context.Context, c host.Conn) error {
				local, _ := c.Get("conn.local_addr")
				remote, _ := c.Get("conn.remote_addr")
				_, err := io.WriteString(c.Net(), local+" "+remote)
				return err
			}), nil
		})
	f.registry.Handler(sdk.Spec{Name: "hand_on"},
		func(host.Builder, *sdk.Node) (host.Handler, error) { return handsOn{}, nil })
}

type handsOn struct{}

func (handsOn) Handle(ctx context.Context, c host.Conn, next host.Next) error { return next(ctx, c) }

// A wildcard listener does not know the local address of its connections beforehand.
func TestEveryConnectionKnowsBothOfItsAddresses(t *testing.T) {
	f := start(t, nil)
	f.where()
	for _, listener := range []string{"127.0.0.1:0", ":0", "0.0.0.0:0"} {
		f.load("layer4 {\n" + listener + " {\n@x first x\nroute @x {\nwhere\n}\nroute {\nwhere\n}\n}\n}\n")
		addr, _ := f.Addr(listener)
		_, port, _ := net.SplitHostPort(addr.String())
		for _, text := range []string{"x", "y"} { // with a matcher that waits, and without
			c := f.dialTo("tcp", "127.0.0.1:"+port)
			c.says(text, "127.0.0.1:"+port+" "+c.LocalAddr().String())
		}
	}
}

// A connection that a cap turns away does not keep the configuration that it came by.
func TestWhoIsRefusedKeepsNoConfiguration(t *testing.T) {
	f := start(t, nil)
	g := f.load(serve("max_connections 1", "route {", "echo", "}"))
	in := f.dial()
	in.says("in", "in")
	for range 3 {
		f.dial().isEnded()
	}
	f.ended("proxy.accept.cap", 3)
	in.Close()
	f.active(0)
	f.load(serve("route {", "echo", "}"))
	gone(t, g)
}

// Clients that say nothing hold no buffer while their routes wait for bytes.
func TestSilentClientsHoldNoHead(t *testing.T) {
	if !inLoops {
		t.Skip("a goroutine that reads has its buffer at hand")
	}
	f := start(t, nil)
	f.load(serve("matching_timeout 1h", "@x first xyz", "route @x {", "echo", "}"))
	var silent []*client
	for range 8 {
		silent = append(silent, f.dial())
	}
	f.active(len(silent))
	await(t, "silent clients to hold no head", func() bool { return f.Stats().HeadBytes == 0 })
	silent[0].says("xy", "")
	await(t, "a head", func() bool { return f.Stats().HeadBytes > 0 })
	silent[0].says("z", "xyz")
}

// The log names the route that was chosen first, also where its handlers hand on to later
// ones, or have routes of their own.
func TestTheLogNamesTheFirstRouteOfAConnection(t *testing.T) {
	for name, c := range map[string]struct {
		lines []string
		want  string
	}{
		"handing on": {
			[]string{"@a first a", "@ab first ab", "route @a {", "hand_on", "}", "route @ab {", "hand_on", "}", "route {", "echo", "}"},
			"@a Dwaarfile:5:1",
		},
		"a subroute": {
			[]string{"@a first a", "route @a {", "subroute {", "@b first abc", "route @b {", "echo", "}", "}", "}"},
			"@a Dwaarfile:4:1",
		},
		"a subroute that hands on": {
			[]string{"@a first a", "route @a {", "subroute {", "@b first ab", "route @b {", "hand_on", "}", "}", "hand_on", "}", "route {", "echo", "}"},
			"@a Dwaarfile:4:1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, nil)
			f.where()
			f.registry.Handler(sdk.Spec{Name: "subroute", Need: true, Block: &sdk.Block{Holds: sdk.HoldsRoutes}},
				func(b host.Builder, n *sdk.Node) (host.Handler, error) { return inner{b.Routes(n)}, nil })
			f.load(serve(c.lines...))
			one := f.dial()
			one.says("abc", "abc")
			var listed []string
			for _, x := range f.Conns() {
				listed = append(listed, x.Route)
			}
			if diff := cmp.Diff([]string{c.want}, listed); diff != "" {
				t.Errorf("connections (-want +got):\n%s", diff)
			}
			one.Close()
			f.ended("proxy.handling.closed", 1)
			if got := f.lines("connection")[0]["route"]; got != c.want {
				t.Errorf("the access line has %v, want %s", got, c.want)
			}
			if d := f.Decisions(); len(d) != 1 || d[0].Route != c.want {
				t.Errorf("decisions %+v", d)
			}
		})
	}
}

// inner is a handler that has routes.
type inner struct{ host.Routes }

// The values of a decision and of the list of connections, not just their keys.
func TestWhatIsListedOfAConnectionIsTrue(t *testing.T) {
	f := start(t, nil)
	f.echoes()
	f.load(serve("route {", "echo", "}"))
	f.load(serve("@x first xyz", "route @x {", "relay", "}", "route {", "echo", "}"))
	c := f.dial()
	c.says("xyz!", "xyz!")
	await(t, "the relay", func() bool { x := f.Conns(); return len(x) == 1 && x[0].Down == 4 })
	x := f.Conns()[0]
	got := []any{x.ID, x.Listener, x.Generation, x.Client.String(), x.Route, x.Upstream, x.Phase, x.Up, x.Down, x.Accepted.IsZero()}
	want := []any{
		uint64(1), anyPort, uint64(2), c.LocalAddr().String(), "@x Dwaarfile:4:1", f.upstream.Addr().String(),
		host.InRelay, int64(4), int64(4), false,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	s := f.Stats()
	if s.Phases[host.InRelay] != 1 || s.Up != 4 || s.Down != 4 || s.Loads != 2 || s.State != engine.Serving {
		t.Errorf("counted %+v", s)
	}
	if len(s.Listeners) != 1 || s.Listeners[0].Accepted != 1 || s.Listeners[0].Active != 1 || s.Listeners[0].Refused != 0 || s.Listeners[0].Name != anyPort {
		t.Errorf("listeners %+v", s.Listeners)
	}
	if len(s.Generations) != 1 || s.Generations[0].Number != 2 || s.Generations[0].Conns != 1 {
		t.Errorf("generations %+v", s.Generations)
	}
	c.Close()
	f.ended("client.relay.closed", 1)
	d := f.Decisions()[0]
	if d.ID != 1 || d.Client.String() != c.LocalAddr().String() || d.Listener != anyPort || d.Bytes != 4 || !d.Ended ||
		d.Code.String() != "client.relay.closed" || d.Took <= 0 || d.Final != nil || d.Time.Before(x.Accepted) {
		t.Errorf("decision %+v", d)
	}
	s = f.Stats()
	if s.Up != 4 || s.Down != 4 || s.Active != 0 || s.Listeners[0].Active != 0 || s.Generations[0].Conns != 0 {
		t.Errorf("counted at the end %+v", s)
	}
}
