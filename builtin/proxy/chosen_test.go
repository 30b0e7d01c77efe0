package proxy

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/special"
	"dwaar.dev/dwaar/host/upstream"
)

// zone is a resolver with a few names.
func zone(_ context.Context, _, name string) ([]netip.Addr, error) {
	to, ok := map[string]string{
		"app.example.com":     "198.51.100.1",
		"two.example.com":     "198.51.100.2 2001:db8::2 198.51.100.3",
		"evil.example.com":    "127.0.0.1",
		"local.example.com":   "::ffff:127.0.0.1",
		"x.backend.local":     "10.1.1.1",
		"own.example.com":     "192.0.2.1",
		"wrapped.example.com": "64:ff9b::a9fe:a9fe",
		"none.example.com":    "",
	}[name]
	if !ok {
		return nil, errors.New("no such host")
	}
	var addrs []netip.Addr
	for _, text := range strings.Fields(to) {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs, nil
}

// choose asks where a client gets to that makes {vars.x} hold value. The client
// came in by 192.0.2.1:443.
func choose(t testing.TB, text, value string) (upstream.Dial, error) {
	t.Helper()
	h, err := (&builder{}).make(t, text, zone)
	if err != nil {
		t.Fatal(err)
	}
	c := client("192.0.2.9:1", nil)
	set(c, "x", value)
	if _, err := h.Plan(c, nil); !errors.Is(err, host.ErrBlocks) {
		t.Errorf("a name that a client chose must not be looked up here: %v", err)
	}
	return h.PlanWait(t.Context(), c, nil)
}

func TestClientsGetWhereAllowLetsThem(t *testing.T) {
	t.Parallel()
	const none = ""
	for _, c := range []struct{ address, allow, value, want string }{
		{"{vars.x}:443", none, "app.example.com", "198.51.100.1:443"},
		{"{vars.x}:443", none, "APP.Example.com", "198.51.100.1:443"},
		{"{vars.x}:443", none, "198.51.100.9", "198.51.100.9:443"},
		{"{vars.x}:443", none, "2001:db8::1", "[2001:db8::1]:443"},
		{"[{vars.x}]:443", none, "2001:db8::1", "[2001:db8::1]:443"},
		{"{vars.x}.backend.local:443", none, "x", "10.1.1.1:443"},
		{"198.51.100.9:{vars.x}", none, "8080", "198.51.100.9:8080"},
		{"{vars.x}", none, "198.51.100.9:81", "198.51.100.9:81"},
		{"{vars.x}", none, "app.example.com:81", "198.51.100.1:81"},
		{"{vars.x}:443", "*.example.com", "app.example.com", "198.51.100.1:443"},
		{"{vars.x}:443", "app.example.com", "app.example.com", "198.51.100.1:443"},
		{"{vars.x}:443", "198.51.100.0/24", "app.example.com", "198.51.100.1:443"},
		{"{vars.x}:443", "127.0.0.0/8", "evil.example.com", "127.0.0.1:443"},
		{"{vars.x}:443", "127.0.0.0/8", "127.0.0.9", "127.0.0.9:443"},
		{"{vars.x}:443", "192.0.2.1", "192.0.2.1", "192.0.2.1:443"},
		{"{vars.x}:443", none, "64:ff9b::198.51.100.1", "[64:ff9b::c633:6401]:443"},
		{"{vars.x}:443", "64:ff9b::127.0.0.1", "64:ff9b::127.0.0.1", "[64:ff9b::7f00:1]:443"},
		{"{vars.x}:443", "2001::/32", "2001::1", "[2001::1]:443"},
		{"{vars.x}:443", "fd00:ec2::254", "fd00:ec2::254", "[fd00:ec2::254]:443"},
		{"{vars.x}:444", none, "192.0.2.1", "192.0.2.1:444"},
	} {
		text := "proxy " + c.address
		if c.allow != none {
			text += " {\nallow " + c.allow + "\n}"
		}
		d, err := choose(t, text, c.value)
		if err != nil || d.Addr.String() != c.want {
			t.Errorf("%s with %q: %v, %v, want %s", text, c.value, d.Addr, err, c.want)
		}
	}
}

func TestClientsGetNowhereElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ address, allow, value, want string }{
		{"{vars.x}:443", "", "127.0.0.1", "without allow"},
		{"{vars.x}:443", "", "127.8.9.1", "without allow"},
		{"{vars.x}:443", "", "::1", "without allow"},
		{"{vars.x}:443", "", "::ffff:127.0.0.1", "without allow"},
		{"{vars.x}:443", "", "0.0.0.0", "without allow"},
		{"{vars.x}:443", "", "0.1.2.3", "without allow"},
		{"{vars.x}:443", "", "::", "without allow"},
		{"{vars.x}:443", "", "169.254.169.254", "without allow"},
		{"{vars.x}:443", "", "fe80::1", "without allow"},
		{"{vars.x}:443", "", "fe80::1%lo", "without allow"},
		{"{vars.x}:443", "", "224.0.0.1", "without allow"},
		{"{vars.x}:443", "", "ff02::1", "without allow"},
		{"{vars.x}:443", "", "255.255.255.255", "without allow"},
		{"{vars.x}:443", "", "fd00:ec2::254", "a cloud answers its machines, which clients may not choose without allow fd00:ec2::254"},
		{"{vars.x}:443", "", "100.100.100.200", "without allow"},
		{"{vars.x}:443", "", "64:ff9b::127.0.0.1", "without allow"},
		{"{vars.x}:443", "", "64:ff9b:1::10.0.0.1", "without allow"},
		{"{vars.x}:443", "", "2002:7f00:1::", "without allow"},
		{"{vars.x}:443", "", "2001::1", "without allow"},
		{"{vars.x}:443", "", "::127.0.0.1", "without allow"},
		{"{vars.x}:443", "", "2001:db8::5efe:169.254.169.254", "without allow"},
		{"{vars.x}:443", "127.0.0.0/8", "64:ff9b::127.0.0.1", "without allow"},
		{"{vars.x}:443", "*.example.com", "wrapped.example.com", "without allow"},
		{"{vars.x}:443", "", "64:ff9b::192.0.2.1", "a listener of this program"},
		{"{vars.x}:443", "", "2002:c000:201::1", "a listener of this program"},
		{"{vars.x}:443", "", "evil.example.com", "without allow"},
		{"{vars.x}:443", "", "local.example.com", "without allow"},
		{"{vars.x}:443", "*.example.com", "evil.example.com", "without allow"},
		{"{vars.x}:443", "", "192.0.2.1", "a listener of this program"},
		{"{vars.x}:443", "192.0.2.0/24", "192.0.2.1", "a listener of this program"},
		{"{vars.x}:443", "*.example.com", "own.example.com", "a listener of this program"},
		{"{vars.x}:443", "*.example.com", "example.com", "allow does not name it"},
		{"{vars.x}:443", "*.example.com", "a.b.example.com", "allow does not name it"},
		{"{vars.x}:443", "*.example.com", "198.51.100.1", "allow names neither"},
		{"{vars.x}:443", "10.0.0.0/8", "app.example.com", "allow names neither"},
		{"{vars.x}:443", "", "", "neither an address nor made of DNS labels"},
		{"{vars.x}:443", "", "a..b", "neither an address nor made of DNS labels"},
		{"{vars.x}:443", "", "a.example.com:22", "neither an address nor made of DNS labels"},
		{"{vars.x}:443", "", "a/b", "neither an address nor made of DNS labels"},
		{"{vars.x}:443", "", "a b", "neither an address nor made of DNS labels"},
		{"{vars.x}:443", "", "\x00", "neither an address nor made of DNS labels"},
		{"{vars.x}.backend.local:443", "", "evil.example.com#", "neither an address nor made of DNS labels"},
		{"{vars.x}:443", "", strings.Repeat("a", 64), "neither an address nor made of DNS labels"},
		{"{vars.x}", "", "app.example.com", "missing port"},
		{"{vars.x}", "", "app.example.com:0", "is no address"},
		{"{vars.x}", "", "app.example.com:http", "is no address"},
		{"{vars.x}", "", "a/../b:80", "is no address"},
		{"198.51.100.1:{vars.x}", "", "65536", "is no address"},
		{"198.51.100.1:{vars.x}", "", "0", "is no address"},
		{"{vars.x}:443", "", "none.example.com", "the answer holds no address"},
		{"{vars.x}:443", "", "unknown.example.org", "no such host"},
		{"{vars.y}:443", "", "x", "no such fact"},
	} {
		text := "proxy " + c.address
		if c.allow != "" {
			text += " {\nallow " + c.allow + "\n}"
		}
		d, err := choose(t, text, c.value)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %q: %v, %v, want %q", text, c.value, d.Addr, err, c.want)
		}
		var end *host.EndError
		if !errors.As(err, &end) || end.By != host.ByProxy || end.Why != host.Refused {
			t.Errorf("%s with %q ended %+v", text, c.value, end)
		}
	}
}

func TestWhatAClientChoseTellsNothingOfTheUpstream(t *testing.T) {
	t.Parallel()
	h, err := (&builder{}).make(t, "proxy {vars.x}:443 {\nmax_fails 1\n}", zone)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		c := client("192.0.2.9:1", nil)
		set(c, "x", "198.51.100.1")
		d, err := h.PlanWait(t.Context(), c, nil)
		if err != nil {
			t.Fatal(err)
		}
		d.Failed(c.Log(), errors.New("refused"))
	}
	if s := h.primaries[0].up.State(); s.Health != upstream.Up || s.Failures != 5 || s.Conns != 0 {
		t.Errorf("%+v", s)
	}
}

func TestAllAddressesOfAChosenNameAreTried(t *testing.T) {
	t.Parallel()
	h, err := (&builder{}).make(t, "proxy {\nupstream {vars.x}:443 {\nresolver_preference ipv6_first\n}\n}", zone)
	if err != nil {
		t.Fatal(err)
	}
	c := client("192.0.2.9:1", nil)
	set(c, "x", "two.example.com")
	for i, want := range []string{"[2001:db8::2]:443", "198.51.100.2:443", "198.51.100.3:443"} {
		d, err := h.PlanWait(t.Context(), c, errors.New("refused"))
		if err != nil || d.Addr.String() != want || d.More != (i < 2) {
			t.Errorf("attempt %d: %v (more: %v), %v, want %s", i, d.Addr, d.More, err, want)
		}
		d.Failed(c.Log(), errors.New("refused"))
	}
	if _, err := h.PlanWait(t.Context(), c, errors.New("refused")); err == nil {
		t.Error("there is a fourth")
	}
}

func TestTheOperatorsEnvironmentMayNameLoopback(t *testing.T) {
	t.Parallel()
	up := serve(t, "a")
	_, port, _ := strings.Cut(up.addr, ":")
	h := mustMake(t, "proxy {env.HOST}:"+port)
	s := hosttest.Serve(t, h, nil)
	exchange(t, s.Addr, "") // this server has no environment: the name is empty
	if o := s.Outcome(t); o.Err == nil || !strings.Contains(o.Err.Error(), "filling in {env.HOST}") {
		t.Errorf("ended %v: %v", o.Code, o.Err)
	}
	if h.primaries[0].target.(*chosen).guard != nil {
		t.Error("what the operator chose is guarded")
	}
}

func FuzzClientsReachNothingOutsideAllow(f *testing.F) {
	for _, seed := range []string{
		"app.example.com", "evil.example.com", "127.0.0.1", "::ffff:127.0.0.1", "0x7f.1", "2130706433", "127.1",
		"fe80::1%eth0", "[::1]", "a.example.com:22", "192.0.2.1", "..", "0.0.0.0", "::ffff:0:0",
	} {
		f.Add(seed, uint8(0), []byte{198, 51, 100, 7})
		f.Add(seed, uint8(1), []byte{127, 0, 0, 1})
	}
	f.Fuzz(func(t *testing.T, value string, shape uint8, answer []byte) {
		addresses := [...]string{"{vars.x}:443", "{vars.x}.backend.local:443", "a-{vars.x}:443", "{vars.x}", "198.51.100.1:{vars.x}"}
		allows := [...]string{"", " {\nallow *.example.com\n}", " {\nallow 198.51.100.0/24 127.0.0.2\n}"}
		text := "proxy " + addresses[int(shape)%len(addresses)] + allows[int(shape)/len(addresses)%len(allows)]
		look := func(context.Context, string, string) ([]netip.Addr, error) {
			if a, ok := netip.AddrFromSlice(answer); ok {
				return []netip.Addr{a}, nil
			}
			return nil, errors.New("no such host")
		}
		h, err := (&builder{}).make(t, text, look)
		if err != nil {
			t.Fatal(err)
		}
		c := client("192.0.2.9:1", nil)
		set(c, "x", value)
		d, err := h.PlanWait(t.Context(), c, nil)
		if err != nil {
			return
		}
		a := d.Addr.Addr()
		if a == netip.MustParseAddr("127.0.0.2") && strings.Contains(text, "127.0.0.2") {
			return
		}
		in := netip.MustParsePrefix("198.51.100.0/24").Contains(a)
		switch {
		case special.What(a) != "", a.IsLoopback(), a.IsUnspecified(), a.IsLinkLocalUnicast(), a.IsMulticast(), a.Is4In6(), a.Zone() != "":
			t.Errorf("%s with %q leads to %v", text, value, d.Addr)
		case d.Addr == netip.MustParseAddrPort("192.0.2.1:443"):
			t.Errorf("%s with %q leads to the listener", text, value)
		case strings.Contains(text, "/24") && !in:
			t.Errorf("%s with %q leads to %v", text, value, d.Addr)
		case d.Addr.Port() == 0:
			t.Errorf("%s with %q leads to port 0", text, value)
		}
	})
}
