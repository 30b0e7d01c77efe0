package proxy

import (
	"net"
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
