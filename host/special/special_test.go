package special

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsNoOrdinaryHostIsToldInEveryForm(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"0.0.0.0": loopback, "0.1.2.3": loopback, "127.0.0.1": loopback, "127.255.255.254": loopback,
		"169.254.169.254": linkLocal, "192.0.0.192": nowhere, "100.100.100.200": cloud, "168.63.129.16": cloud,
		"224.0.0.1": multicast, "255.255.255.255": multicast, "240.0.0.1": nowhere, "192.88.99.1": transition,

		"::": loopback, "::1": loopback, "fe80::1": linkLocal, "febf::1": linkLocal, "fec0::1": linkLocal, "fe80::1%eth0": linkLocal,
		"2001:db8::1%eth0": linkLocal, "ff02::1": multicast, "100::1": nowhere, "100:0:0:1::": nowhere,
		"fd00:ec2::254": cloud, "fd00:ec2::123": cloud, "fd20:ce::254": cloud, "fd00:42::42": cloud, "fd00:c1::a9fe:a9fe": cloud,

		"::ffff:127.0.0.1": loopback, "::ffff:169.254.169.254": linkLocal, "::ffff:100.100.100.200": cloud,
		"::127.0.0.1": transition, "::169.254.169.254": transition, "::198.51.100.1": transition,
		"::ffff:0:127.0.0.1": transition, "::ffff:0:198.51.100.1": transition,
		"64:ff9b::127.0.0.1": loopback, "64:ff9b::169.254.169.254": linkLocal, "64:ff9b::100.100.100.200": cloud, "64:ff9b::": loopback,
		"64:ff9b:1::1": transition, "64:ff9b:1:ffff:ffff::10.0.0.1": transition,
		"2002:7f00:1::": loopback, "2002:a9fe:a9fe::1": linkLocal, "2002:6464:64c8::1": cloud,
		"2001:0:4136:e378:8000:63bf:3fff:fdd2": transition, "2001::": transition,
		"2001:db8::5efe:127.0.0.1": loopback, "2001:db8::200:5efe:169.254.169.254": linkLocal, "2001:db8::100:5efe:100.100.100.200": cloud, "fd00::300:5efe:0.0.0.0": loopback,

		"198.51.100.1": "", "10.0.0.1": "", "172.16.0.1": "", "192.168.1.1": "", "100.64.0.1": "", "100.100.100.201": "", "8.8.8.8": "",
		"2001:db8::1": "", "2606:4700::1111": "", "fd12:3456::1": "", "2001:1::1": "", "2001:db8::5efe:198.51.100.1": "",
		"::ffff:198.51.100.1": "", "64:ff9b::198.51.100.1": "", "64:ff9b::10.0.0.1": "", "2002:c633:6401::1": "", "64:ff9b:2::1": "",
		"2001:db8::400:5efe:127.0.0.1": "", // bits that no ISATAP address has
	} {
		if diff := cmp.Diff(want, What(netip.MustParseAddr(addr))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", addr, diff)
		}
	}
	if What(netip.Addr{}) == "" {
		t.Error("no address is an ordinary one")
	}
}

func TestEveryFormLeadsToItsIPv4Address(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"::ffff:192.0.2.33": "192.0.2.33", "::192.0.2.33": "192.0.2.33", "::ffff:0:192.0.2.33": "192.0.2.33",
		"64:ff9b::192.0.2.33":                  "192.0.2.33", // RFC 6052, section 2.4
		"2002:c000:221:1::1":                   "192.0.2.33",
		"2001:0:4136:e378:8000:63bf:3fff:fdd2": "65.54.227.120 192.0.2.45", // the example of many texts on RFC 4380
		"2001:db8::200:5efe:192.0.2.33":        "192.0.2.33",
		"2002:c000:221::5efe:198.51.100.1":     "192.0.2.33 198.51.100.1",
		"2001:db8::1":                          "", "192.0.2.33": "", "64:ff9b:1::192.0.2.33": "",
	} {
		var got []string
		for _, v4 := range Embedded(netip.MustParseAddr(addr)) {
			got = append(got, v4.String())
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", addr, diff)
		}
	}
}

// FuzzWhat holds that nothing that the standard library knows to be special passes, in no
// form, and that wrapping an address in a form never makes it ordinary.
func FuzzWhat(f *testing.F) {
	for _, seed := range []string{
		"127.0.0.1", "169.254.169.254", "::1", "fe80::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
		"2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::5efe:7f00:1", "fd00:ec2::254", "10.0.0.1", "2001:db8::1",
	} {
		b, _ := netip.MustParseAddr(seed).MarshalBinary()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		what, u := What(a), a.Unmap()
		if u.IsLoopback() || u.IsUnspecified() || u.IsMulticast() || u.IsLinkLocalUnicast() {
			if what == "" {
				t.Errorf("%v passes", a)
			}
		}
		if What(u) != what {
			t.Errorf("%v: %q, and unmapped %q", a, what, What(u))
		}
		for _, v4 := range Embedded(a) {
			if What(v4) != "" && what == "" {
				t.Errorf("%v passes and leads to %v", a, v4)
			}
		}
		if !a.Is4() {
			return
		}
		v4 := a.As4()
		for _, form := range [][]byte{
			{10: 0xff, 11: 0xff, 12: v4[0], 13: v4[1], 14: v4[2], 15: v4[3]},
			{1: 0x64, 2: 0xff, 3: 0x9b, 12: v4[0], 13: v4[1], 14: v4[2], 15: v4[3]},
			{0: 0x20, 1: 0x02, 2: v4[0], 3: v4[1], 4: v4[2], 5: v4[3], 15: 1},
			{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 10: 0x5e, 11: 0xfe, 12: v4[0], 13: v4[1], 14: v4[2], 15: v4[3]},
		} {
			if w, ok := netip.AddrFromSlice(form); !ok || What(w) != what {
				t.Errorf("%v is %q, and in the form %v %q", a, what, w, What(w))
			}
		}
	})
}
