package proxy

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/hosttest"
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
		host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
		from <- host
		_ = conn.Close()
	}()
	return l.Addr().String(), from
}

func TestConnectionsComeFromTheLocalAddressOfTheirFamily(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ listen, local, want string }{
		{"127.0.0.1:0", "local_addr 127.0.0.9", "127.0.0.9"},
		{"127.0.0.1:0", "local_addr ::1 127.0.0.9", "127.0.0.9"},
		{"127.0.0.1:0", "local_addr 127.0.0.9\nlocal_addr ::1", "127.0.0.9"},
		{"[::1]:0", "local_addr 127.0.0.9 ::1", "::1"},
		{"127.0.0.1:0", "local_addr {conn.local_addr}", "127.0.0.1"},
		{"127.0.0.1:0", "local_addr {l4.conn.remote_ip} 127.0.0.9", "127.0.0.1"},
		{"[::1]:0", "local_addr {conn.local_addr} ::1", "::1"},
	} {
		t.Run(c.listen+" "+c.local, func(t *testing.T) {
			t.Parallel()
			to, from := comesFrom(t, c.listen)
			s := hosttest.Serve(t, mustMake(t, "proxy {\nupstream "+to+" {\n"+c.local+"\n}\n}"), nil)
			exchange(t, s.Addr, "hello")
			if got := <-from; got != c.want {
				t.Errorf("%s: connected from %s, want %s", c.local, got, c.want)
			}
		})
	}
}

// A name has addresses of both families, and each is connected to from the local one of its
// own. What a client chose is no local address unless it is an address.
func TestTheLocalAddressIsOfTheFamilyThatTheNameLeadsTo(t *testing.T) {
	t.Parallel()
	const options = " {\nlocal_addr 10.0.0.9 2001:db8::9\n}\n}"
	for _, c := range []struct{ upstream, to, from string }{
		{"v4.example.com:80", "198.51.100.1:80", "10.0.0.9"},
		{"v6.example.com:80", "[2001:db8::1]:80", "2001:db8::9"},
		{"{vars.x}.example.com:80", "[2001:db8::1]:80", "2001:db8::9"},
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
