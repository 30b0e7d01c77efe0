package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"dwaar.dev/dwaar/builtin/setvars"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/config"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/names"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// TestNamesThatHangTakeNothingFromAListenerBeside has 300 clients of one listener choose
// names that a DNS server never answers, while others connect to a second one.
func TestNamesThatHangTakeNothingFromAListenerBeside(t *testing.T) {
	t.Parallel()
	up := serve(t, "up")
	system := &names.System{Server: serveNames(t, "").addr}
	var registry host.Registry
	registry.Handler(setvars.Spec(), setvars.New)
	registry.Handler(Spec(), func(b host.Builder, n *sdk.Node) (host.Handler, error) {
		return (&maker{Builder: b, lookup: system.Lookup}).handler(n)
	})
	e := engine.New(engine.Options{})
	text := "layer4 {\n127.0.0.2:0 {\nroute {\nvars x {conn.remote_port}\nproxy n{vars.x}.example.com:443\n}\n}\ntcp4/127.0.0.1:0 {\nroute {\nproxy " + up.addr + "\n}\n}\n}\n"
	c, err := (&config.Loader{Registry: &registry}).Load(config.Text("Dwaarfile", text))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Load(t.Context(), c.Graph); err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = e.Shutdown(ctx)
	}()
	chosen, _ := e.Addr("127.0.0.2:0")
	beside, _ := e.Addr("tcp4/127.0.0.1:0")
	for range 300 {
		conn, err := net.Dial("tcp", chosen.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	eventually(t, "lookups hang", func() bool { return system.Sockets() > 0 })
	for range 100 {
		if got := exchange(t, beside.String(), ""); got != "up" {
			t.Errorf("a client beside got %q", got)
		}
		if n := system.Sockets(); n > lookupsOfCrowd*(names.SocketsPerLookup-1) {
			t.Errorf("%d sockets of lookups, all for one address", n)
		}
	}
}

// spender counts descriptors up to most.
type spender struct {
	host.View
	held atomic.Int64
	most int64
}

func (s *spender) Spend(n int) (func(), error) {
	if s.held.Add(int64(n)) > s.most {
		s.held.Add(-int64(n))
		return nil, fmt.Errorf("none left: %w", syscall.EMFILE)
	}
	return sync.OnceFunc(func() { s.held.Add(-int64(n)) }), nil
}

func TestConnectionsToSeveralAddressesCountTheirDescriptors(t *testing.T) {
	t.Parallel()
	a, b := serve(t, "a"), serve(t, "b")
	for name, c := range map[string]struct {
		addrs string
		most  int64
		local bool // the failure is this machine's
		ok    bool
	}{
		"room":        {strings.Join([]string{a.addr, b.addr, b.addr}, " "), 2, false, true},
		"no room":     {strings.Join([]string{a.addr, b.addr, b.addr}, " "), 1, true, false},
		"one refuses": {strings.Join([]string{a.addr, b.addr, refusing(t)}, " "), 2, false, false},
	} {
		h := mustMake(t, "proxy {\nupstream {\ndial "+c.addrs+"\n}\n}")
		s := &spender{View: client("192.0.2.9:1", nil), most: c.most}
		first, err := net.Dial("tcp", a.addr)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), hosttest.Limit)
		conn, err := h.primaries[0].dialer.extend(ctx, s, first, place{network: "tcp"})
		cancel()
		if (err == nil) != c.ok || upstream.LocalFault(err) != c.local {
			t.Errorf("%s: %v", name, err)
		}
		if c.ok {
			if n := s.held.Load(); n != 2 {
				t.Errorf("%s: %d are counted", name, n)
			}
			_ = conn.Close()
		} else if _, err := first.Read(make([]byte, 64)); !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) && err != nil {
			t.Errorf("%s: the first connection is open: %v", name, err)
		}
		if n := s.held.Load(); n != 0 {
			t.Errorf("%s: %d are left", name, n)
		}
	}
}
