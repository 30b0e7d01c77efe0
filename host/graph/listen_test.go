package graph_test

import (
	"net/netip"
	"testing"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/sdk"
)

func TestAListenerIsDialledByConnectionsOfItsFamilies(t *testing.T) {
	t.Parallel()
	listeners := map[string]graph.Listener{}
	for name, l := range map[string]graph.Listener{
		":443":          {Network: "tcp"},
		"0.0.0.0:443":   {Network: "tcp4", Addr: netip.MustParseAddrPort("0.0.0.0:443")},
		"[::]:443":      {Network: "tcp6", Addr: netip.MustParseAddrPort("[::]:443")},
		"127.0.0.1:443": {Network: "tcp4", Addr: netip.MustParseAddrPort("127.0.0.1:443")},
		"10.1.2.3:443":  {Network: "tcp4", Addr: netip.MustParseAddrPort("10.1.2.3:443")},
	} {
		if !l.Addr.IsValid() {
			l.Addr = netip.AddrPortFrom(netip.Addr{}, 443)
		}
		listeners[name] = l
	}
	for to, want := range map[string]map[string]bool{
		"127.0.0.1:443":          {":443": true, "0.0.0.0:443": true, "127.0.0.1:443": true},
		"127.0.0.2:443":          {":443": true, "0.0.0.0:443": true},
		"0.0.0.0:443":            {":443": true, "0.0.0.0:443": true, "127.0.0.1:443": true}, // it leads to loopback
		"[::1]:443":              {":443": true, "[::]:443": true},
		"[::]:443":               {":443": true, "[::]:443": true},
		"[::ffff:127.0.0.1]:443": {":443": true, "0.0.0.0:443": true, "127.0.0.1:443": true},
		"10.1.2.3:443":           {"10.1.2.3:443": true}, // whether it is ours is known when it runs
		"127.0.0.1:444":          {},
	} {
		for name, l := range listeners {
			if got := l.Dials(host.Target{Addr: netip.MustParseAddrPort(to)}); got != want[name] {
				t.Errorf("%s arrives at %s: %v", to, name, got)
			}
		}
	}
}

func TestEveryFormOfAnAddressThatHelpListsIsOne(t *testing.T) {
	t.Parallel()
	for _, f := range graph.AddressForms() {
		tree := []sdk.Node{{Name: "layer4", Block: []sdk.Node{{Name: f.Example, Block: []sdk.Node{}}}}}
		g, err := graph.Build(tree, new(host.Registry), graph.Options{})
		if err != nil {
			t.Errorf("%s: %v", f.Example, err)
			continue
		}
		if len(g.Servers[0].Listeners) == 0 {
			t.Errorf("%s gives no listener", f.Example)
		}
		g.Release()
	}
}
