package listen_test

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/engine/internal/listen"
)

// reaches reports for each loopback address whether somebody listens on the port.
func reaches(t *testing.T, port uint16) map[string]bool {
	t.Helper()
	got := map[string]bool{}
	for _, host := range []string{"127.0.0.1", "::1"} {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(host, strconv.Itoa(int(port))), 30*time.Second)
		if err == nil {
			c.Close()
		} else if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatal(err)
		}
		got[host] = err == nil
	}
	return got
}

func TestAListenerTakesConnectionsOfItsFamiliesOnly(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		at   listen.Spec
		want map[string]bool
	}{
		":0":        {listen.Spec{Network: "tcp"}, map[string]bool{"127.0.0.1": true, "::1": true}},
		"0.0.0.0:0": {listen.Spec{Network: "tcp4", Addr: netip.MustParseAddrPort("0.0.0.0:0")}, map[string]bool{"127.0.0.1": true, "::1": false}},
		"tcp4/:0":   {listen.Spec{Network: "tcp4"}, map[string]bool{"127.0.0.1": true, "::1": false}},
		"[::]:0":    {listen.Spec{Network: "tcp6", Addr: netip.MustParseAddrPort("[::]:0")}, map[string]bool{"127.0.0.1": false, "::1": true}},
		"tcp6/:0":   {listen.Spec{Network: "tcp6"}, map[string]bool{"127.0.0.1": false, "::1": true}},
	} {
		s := open(t, new(listen.Opener), tc.at)
		if diff := cmp.Diff(tc.want, reaches(t, portOf(s))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestBothFamiliesOfOnePortAreTwoListeners(t *testing.T) {
	t.Parallel()
	var o listen.Opener
	four := open(t, &o, listen.Spec{Network: "tcp4", Addr: netip.MustParseAddrPort("0.0.0.0:0")})
	six := open(t, &o, listen.Spec{Network: "tcp6", Addr: netip.AddrPortFrom(netip.IPv6Unspecified(), portOf(four))})
	if portOf(six) != portOf(four) {
		t.Errorf("ports %d and %d", portOf(four), portOf(six))
	}
	mustFail(t, &o, listen.Spec{Network: "tcp", Addr: netip.AddrPortFrom(netip.Addr{}, portOf(four))}, "address already in use")
}

func TestAnInterfaceThatIsNotThereIsSaid(t *testing.T) {
	t.Parallel()
	mustFail(t, new(listen.Opener), listen.Spec{Network: "tcp6", Addr: netip.MustParseAddrPort("[fe80::1%dwaar9]:0")},
		"there is no interface dwaar9 with the address fe80::1")
}
