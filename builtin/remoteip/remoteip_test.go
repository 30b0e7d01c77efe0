package remoteip_test

import (
	"net/netip"
	"strings"
	"testing"

	"dwaar.dev/dwaar/builtin/remoteip"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
	"github.com/google/go-cmp/cmp"
)

func node(name, args string) *sdk.Node {
	n := &sdk.Node{Name: name}
	for i, text := range strings.Fields(args) {
		n.Args = append(n.Args, sdk.Word{Text: text, Pos: sdk.Pos{Line: 1, Col: i + 1}})
	}
	return n
}

func remote(t testing.TB, args string) sdk.Matcher {
	t.Helper()
	m, err := remoteip.NewRemote(node("remote_ip", args))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func from(addr string) *sdk.Flow {
	f := matchtest.TCP()
	f.Remote = netip.AddrPort{}
	if addr != "" {
		f.Remote = netip.AddrPortFrom(netip.MustParseAddr(addr), 4711)
	}
	return &f
}

func TestTheClientsAddressDecides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args, addr string
		want       sdk.Verdict
	}{
		{"10.0.0.0/8 192.0.2.1", "10.255.255.255", sdk.Yes},
		{"10.0.0.0/8 192.0.2.1", "192.0.2.1", sdk.Yes},
		{"10.0.0.0/8 192.0.2.1", "192.0.2.2", sdk.No},
		{"10.0.0.0/8", "11.0.0.0", sdk.No},
		{"10.9.8.7/8", "10.0.0.1", sdk.Yes},
		{"::ffff:10.0.0.0/104", "10.1.2.3", sdk.Yes},
		{"0.0.0.0/0", "2001:db8::1", sdk.No},
		{"::/0", "192.0.2.1", sdk.No},
		{"2001:db8::/32", "2001:db8:ffff::1", sdk.Yes},
		{"2001:db8::1", "2001:db8::2", sdk.No},
		{"private_ranges", "172.31.0.1", sdk.Yes},
		{"private_ranges", "::1", sdk.Yes},
		{"private_ranges", "172.32.0.1", sdk.No},
		{"0.0.0.0/0 ::/0", "", sdk.Unknown},
	} {
		if r := matchtest.Ask(remote(t, c.args), from(c.addr)); r.Answer.Verdict != c.want {
			t.Errorf("%s from %q: %v, want %v", c.args, c.addr, r, c.want)
		}
	}
}

func TestLocalIPLooksAtTheOtherSide(t *testing.T) {
	t.Parallel()
	m, err := remoteip.NewLocal(node("local_ip", "198.51.100.0/24"))
	if err != nil {
		t.Fatal(err)
	}
	f := matchtest.TCP()
	if r := matchtest.Ask(m, &f); r.Answer.Verdict != sdk.Yes {
		t.Errorf("local address %v: %v", f.Local, r)
	}
	f.Local, f.Remote = f.Remote, f.Local
	if r := matchtest.Ask(m, &f); r.Answer.Verdict != sdk.No {
		t.Errorf("local address %v: %v", f.Local, r)
	}
	f.Local = netip.AddrPort{}
	if r := matchtest.Ask(m, &f); r.Answer.Verdict != sdk.Unknown {
		t.Errorf("no local address: %v", r)
	}
	matchtest.Laws(t, m, matchtest.TCP(), []byte("hello"))
}

func TestTheLawsHold(t *testing.T) {
	t.Parallel()
	m := remote(t, "10.0.0.0/8 192.0.2.1 2001:db8::/33 private_ranges 10.0.0.0/8")
	matchtest.Laws(t, m, matchtest.TCP(), nil, []byte("hello"))
	side, prefixes := m.(sdk.Ranged).Prefixes()
	want := []string{"10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.0.2.1/32", "192.168.0.0/16", "::1/128", "2001:db8::/33", "fd00::/8"}
	var got []string
	for _, p := range prefixes {
		got = append(got, p.String())
	}
	if diff := cmp.Diff(want, got); diff != "" || side != sdk.Remote {
		t.Errorf("side %v, prefixes (-want +got):\n%s", side, diff)
	}
}

func TestWrongAddressesSayWhatToWrite(t *testing.T) {
	t.Parallel()
	_, err := remoteip.NewRemote(node("remote_ip", "10.0.0.0/33 192.0.2.1 {env.OFFICE}"))
	want := "1:1: remote_ip \"10.0.0.0/33\" must be an address or a CIDR range like 10.0.0.0/8\n" +
		"1:3: remote_ip {env.OFFICE}: nothing is known by that name here: write the address itself"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	matchtest.Allocs(t, remote(t, "10.0.0.0/8 2001:db8::/32 private_ranges"), matchtest.TCP(), []byte("hello"))
}

func BenchmarkOneOfAThousandRanges(b *testing.B) {
	var args strings.Builder
	for i := range 1000 {
		args.WriteString(netip.AddrFrom4([4]byte{100, byte(i >> 8), byte(i), 0}).String() + "/24 ")
	}
	m, f := remote(b, args.String()), from("100.3.200.7")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Match(f); err != nil {
			b.Fatal(err)
		}
	}
}
