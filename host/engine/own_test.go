package engine

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestAnAddressThatWasAddedIsFoundSoon stands in for the addition: what is known is older
// than the address.
func TestAnAddressThatWasAddedIsFoundSoon(t *testing.T) {
	t.Parallel()
	all, err := net.InterfaceAddrs()
	if err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	added := netip.MustParsePrefix(all[0].String()).Addr().Unmap().WithZone("")
	other := netip.MustParseAddr("192.0.2.77")
	for _, c := range []struct {
		age   time.Duration
		near  bool
		found bool
	}{
		{time.Second + time.Millisecond, false, true},
		{11 * time.Millisecond, true, true},
	} {
		var m machine
		m.known.Store(&interfaces{addrs: map[netip.Addr]bool{}, at: time.Now().Add(-c.age)})
		if m.has(added, c.near) != c.found || m.has(other, c.near) {
			t.Errorf("news of %v, near %v: found %v", c.age, c.near, !c.found)
		}
	}
	var m machine
	m.known.Store(&interfaces{addrs: map[netip.Addr]bool{other: true}, at: time.Now().Add(time.Hour)})
	if m.has(added, true) || !m.has(other, true) {
		t.Error("the kernel was asked although the news is fresh")
	}
}

func TestAskingWhetherAnAddressIsOursAllocatesNothing(t *testing.T) {
	a := &addresses{ports: map[uint16][]ownAddr{443: {{netip.IPv6Unspecified(), true, true}}}}
	e := &Engine{}
	e.own.Store(a)
	e.machine.known.Store(&interfaces{addrs: map[netip.Addr]bool{}, at: time.Now().Add(time.Hour)})
	same, other := netip.MustParseAddrPort("198.51.100.1:443"), netip.MustParseAddrPort("198.51.100.1:80")
	if n := testing.AllocsPerRun(1000, func() {
		if e.owns(same, true) || e.owns(other, false) || e.ownsPath("/run/a.sock", true) {
			t.Error("an address of somebody else is ours")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestListenersTakeTheirFamilyAlone(t *testing.T) {
	t.Parallel()
	e := &Engine{}
	e.own.Store(&addresses{ports: map[uint16][]ownAddr{
		1: {{netip.IPv4Unspecified(), true, false}}, 2: {{netip.IPv6Unspecified(), false, true}}, 3: {{netip.IPv6Unspecified(), true, true}},
	}})
	for addr, want := range map[string]bool{
		"127.0.0.1:1": true, "[::1]:1": false, "0.0.0.0:1": true, "127.0.0.1:2": false, "[::1]:2": true, "[::]:2": true,
		"127.0.0.1:3": true, "[::1]:3": true, "[::ffff:127.0.0.9]:3": true, "127.0.0.1:4": false,
	} {
		if got := e.owns(netip.MustParseAddrPort(addr), true); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
}

func TestASocketIsOursByWhateverPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "a.sock")
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for link, to := range map[string]string{"b.sock": name, "d": dir} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	a := &addresses{paths: []string{name, "@x"}, asked: map[string]ownPath{}}
	e := &Engine{}
	e.own.Store(a)
	for path, want := range map[string]bool{
		name: true, filepath.Join(dir, "b.sock"): true, dir + "/d/a.sock": true, dir + "//./a.sock": true, "@x": true,
		"@y": false, dir + "/c.sock": false, dir: false,
	} {
		for range 2 {
			if got := e.ownsPath(path, false); got != want {
				t.Errorf("%s: %v", path, got)
			}
		}
	}
}
