package proxy

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/realtest"
)

// comesFrom serves one connection on addr and returns the address that it came from.
func comesFrom(t *testing.T, addr string) (to string, from chan string) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Skipf("listening on %s: %v", addr, err) // no IPv6 here
	}
	t.Cleanup(func() { _ = l.Close() })
	from = make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		from <- conn.RemoteAddr().String()
		_ = conn.Close()
	}()
	return l.Addr().String(), from
}

func TestConnectionsComeFromTheLocalAddressOfTheirFamily(t *testing.T) {
	t.Parallel()
	port := strconv.Itoa(int(realtest.FreeAddr(t).Port()))
	for _, c := range []struct{ listen, local, want string }{
		{"127.0.0.1:0", "local_addr 127.0.0.9", "127.0.0.9"},
		{"127.0.0.1:0", "local_addr ::1 127.0.0.9", "127.0.0.9"},
		{"127.0.0.1:0", "local_addr 127.0.0.9\nlocal_addr ::1", "127.0.0.9"},
		{"[::1]:0", "local_addr 127.0.0.9 ::1", "::1"},
		{"127.0.0.1:0", "local_addr {conn.local_addr}", "127.0.0.1"},
		{"127.0.0.1:0", "local_addr {l4.conn.remote_ip} 127.0.0.9", "127.0.0.1"},
		{"[::1]:0", "local_addr {conn.local_addr} ::1", "::1"},
		{"127.0.0.1:0", "local_addr 127.0.0.3:" + port, "127.0.0.3:" + port},
		{"127.0.0.1:0", "local_addr [::1]:1 127.0.0.4:" + port, "127.0.0.4:" + port},
		{"127.0.0.1:0", "local_addr 127.0.0.9:0", "127.0.0.9"},
		{"[::1]:0", "local_addr 127.0.0.9:1 [::1]:" + port, "[::1]:" + port},
		{"127.0.0.1:0", "local_addr {conn.local_ip}:" + port, "127.0.0.1:" + port},
	} {
		t.Run(c.listen+" "+c.local, func(t *testing.T) {
			t.Parallel()
			to, from := comesFrom(t, c.listen)
			s := hosttest.Serve(t, mustMake(t, "proxy {\nupstream "+to+" {\n"+c.local+"\n}\n}"), nil)
			exchange(t, s.Addr, "hello")
			got := <-from
			if !strings.HasSuffix(c.want, ":"+port) {
				got, _, _ = net.SplitHostPort(got)
			}
			if got != c.want {
				t.Errorf("%s: connected from %s, want %s", c.local, got, c.want)
			}
		})
	}
}

// A name has addresses of both families, and each is connected to from the local one of its
// own. What a client chose is no local address unless it is an address.
func TestTheLocalAddressIsOfTheFamilyThatTheNameLeadsTo(t *testing.T) {
	t.Parallel()
	const options = " {\nlocal_addr 10.0.0.9 [2001:db8::9]:1234\n}\n}"
	for _, c := range []struct{ upstream, to, from string }{
		{"v4.example.com:80", "198.51.100.1:80", "10.0.0.9:0"},
		{"v6.example.com:80", "[2001:db8::1]:80", "[2001:db8::9]:1234"},
		{"{vars.x}.example.com:80", "[2001:db8::1]:80", "[2001:db8::9]:1234"},
	} {
		h, err := (&builder{}).make(t, "proxy {\nupstream "+c.upstream+options, func(_ context.Context, _, name string) ([]netip.Addr, error) {
			if name == "v4.example.com" {
				return []netip.Addr{netip.MustParseAddr("198.51.100.1")}, nil
			}
			return []netip.Addr{netip.MustParseAddr("2001:db8::1")}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		conn := client("192.0.2.9:1", nil)
		set(conn, "x", "v6")
		d, err := h.PlanWait(t.Context(), conn, nil)
		if err != nil || d.Addr.String() != c.to || d.Local.String() != c.from {
			t.Errorf("%s: to %s from %s, %v", c.upstream, d.Addr, d.Local, err)
		}
	}
	h := mustMake(t, "proxy {\nupstream 10.0.0.1:80 {\nlocal_addr {vars.x}\n}\n}")
	conn := client("192.0.2.9:1", nil)
	set(conn, "x", "nowhere")
	if _, err := h.PlanWait(t.Context(), conn, nil); err == nil || !strings.Contains(err.Error(), `filling in local_addr {vars.x}: "nowhere" is no address`) {
		t.Errorf("a local address that is none: %v", err)
	}
	if _, err := h.PlanWait(t.Context(), client("192.0.2.9:1", nil), nil); err == nil || !strings.Contains(err.Error(), "filling in local_addr {vars.x}") {
		t.Errorf("a local address that is not there: %v", err)
	}
}

// A check leaves the port that is given to the connections, and none of these comes from
// where it goes.
func TestTheLocalPortIsForConnectionsToOthers(t *testing.T) {
	t.Parallel()
	l := localAddrs{v4: netip.MustParseAddrPort("127.0.0.1:80")}
	if from, err := l.of(nil, netip.MustParseAddrPort("127.0.0.2:80")); from.String() != "127.0.0.1:0" || err != nil {
		t.Errorf("a check comes from %v, %v", from, err)
	}
	if from, err := l.of(client("192.0.2.9:1", nil), netip.MustParseAddrPort("127.0.0.2:80")); from != l.v4 || err != nil {
		t.Errorf("a connection comes from %v, %v", from, err)
	}
	_, err := l.of(client("192.0.2.9:1", nil), l.v4)
	if err == nil || err.Error() != "local_addr 127.0.0.1:80 is the upstream's own address" {
		t.Errorf("a connection to where it comes from: %v", err)
	}
}
