package proxyproto_test

import (
	"bufio"
	"bytes"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	reference "github.com/pires/go-proxyproto"

	"dwaar.dev/dwaar/builtin/internal/proxyproto"
)

// captured returns the headers that real senders wrote, by file.
func captured(tb testing.TB) map[string][]byte {
	tb.Helper()
	files, err := filepath.Glob("../../../testdata/flights/proxy_protocol/*.bin")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no captures: %v", err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		all[filepath.Base(file)] = b
	}
	return all
}

// header2 makes a header of version 2.
func header2(command, family byte, rest ...byte) []byte {
	b := append([]byte(proxyproto.Signature), 0x20|command, family, byte(len(rest)>>8), byte(len(rest)))
	return append(b, rest...)
}

var ends4 = []byte{192, 0, 2, 1, 198, 51, 100, 2, 0x10, 0x01, 0x01, 0xbb}

func TestWhatHeadersSay(t *testing.T) {
	t.Parallel()
	from, to := netip.MustParseAddrPort("192.0.2.1:4097"), netip.MustParseAddrPort("198.51.100.2:443")
	for _, c := range []struct {
		head string
		want proxyproto.Header
	}{
		{"PROXY TCP4 192.0.2.1 198.51.100.2 4097 443\r\nGET", proxyproto.Header{Version: 1, Size: 44, Named: true, Source: from, Destination: to}},
		{"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", proxyproto.Header{
			Version: 1, Size: 36, Named: true,
			Source: netip.MustParseAddrPort("[2001:db8::1]:1"), Destination: netip.MustParseAddrPort("[::1]:65535"),
		}},
		{"PROXY UNKNOWN\r\n", proxyproto.Header{Version: 1, Size: 15}},
		{"PROXY UNKNOWN what ever\r\n", proxyproto.Header{Version: 1, Size: 25}},
		{string(header2(1, 0x11, ends4...)), proxyproto.Header{Version: 2, Size: 28, Named: true, Source: from, Destination: to}},
		{string(header2(1, 0x12, ends4...)), proxyproto.Header{Version: 2, Size: 28, Named: true, Source: from, Destination: to}},
		{string(header2(0, 0x11, ends4...)), proxyproto.Header{Version: 2, Size: 28}},
		{string(header2(0, 0xff, 1)), proxyproto.Header{Version: 2, Size: 17}},
		{string(header2(1, 0)), proxyproto.Header{Version: 2, Size: 16}},
		{string(header2(1, 0x31, make([]byte, 216)...)), proxyproto.Header{Version: 2, Size: 232, Named: true}},
		{"GET / HTTP/1.1\r\n", proxyproto.Header{}},
		{"PROPFIND", proxyproto.Header{}},
		{"\r\n\r\nX", proxyproto.Header{}},
	} {
		h, need, err := proxyproto.Read([]byte(c.head))
		if err != nil || need != 0 {
			t.Errorf("%q: need %d, %v", c.head, need, err)
		}
		compare := cmp.Comparer(func(a, b proxyproto.Header) bool {
			return a.Version == b.Version && a.Size == b.Size && a.Named == b.Named && a.Source == b.Source && a.Destination == b.Destination
		})
		if diff := cmp.Diff(c.want, h, compare); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.head, diff)
		}
	}
}

func TestWhatIsNoHeaderIsRefused(t *testing.T) {
	t.Parallel()
	checksum := []byte{3, 0, 4, 1, 2, 3, 4}
	for head, want := range map[string]string{
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n":              "CR LF",
		"PROXY TCP5 192.0.2.1 198.51.100.2 1 2\r\n":            "neither TCP4",
		"PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n":              "two addresses",
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n":          "two addresses",
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n":        "no port",
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 -2\r\n":           "no port",
		"PROXY TCP4 ::1 198.51.100.2 1 2\r\n":                  "no address",
		"PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n":            "no address",
		"PROXY TCP6 fe80::1%lo ::1 1 2\r\n":                    "no address",
		"PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n":           "no address",
		"PROXY UNKNOWN " + strings.Repeat("x", 93):             "does not end",
		proxyproto.Signature + "\x11":                          "version 1",
		string(header2(2, 0x11, ends4...)):                     "command 2",
		string(header2(1, 0x41, ends4...)):                     "unknown",
		string(header2(1, 0x10, ends4...)):                     "unknown",
		string(header2(1, 0x11, ends4[:11]...)):                "too few",
		string(header2(1, 0x21, ends4...)):                     "too few",
		string(header2(1, 0x31, ends4...)):                     "too few",
		string(header2(1, 0x11, append(ends4[:12:12], 1)...)):  "longer than the header",
		string(header2(1, 0, 1, 0, 9, 1)):                      "longer than the header",
		string(header2(1, 0, 0x20, 0, 4, 1, 0, 0, 0)):          "longer than the header",
		string(header2(1, 0, 0x20, 0, 6, 1, 0, 0, 0, 0, 0x21)): "longer than the header",
		string(header2(1, 0, checksum...)):                     "checksum is wrong",
		string(header2(1, 0, 3, 0, 3, 1, 2, 3)):                "3 bytes",
	} {
		if _, need, err := proxyproto.Read([]byte(head)); err == nil || need != 0 || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: need %d, %v; want %q", head, need, err, want)
		}
	}
}

// reads returns what the reference implementation reads; false: it refuses the head.
func reads(head []byte) (from, to netip.AddrPort, rest int, ok bool) {
	r := bytes.NewReader(head)
	b := bufio.NewReaderSize(r, len(head)+16)
	h, err := reference.Read(b)
	if err != nil {
		return from, to, 0, false
	}
	if source, yes := h.SourceAddr.(*net.TCPAddr); yes && !h.Command.IsLocal() {
		from, to = source.AddrPort(), h.DestinationAddr.(*net.TCPAddr).AddrPort()
	}
	return from, to, b.Buffered() + r.Len(), true
}

func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

func TestHeadersOfRealSendersAreReadAsTheReferenceReadsThem(t *testing.T) {
	t.Parallel()
	for name, head := range captured(t) {
		h, need, err := proxyproto.Read(head)
		if err != nil || need != 0 || h.Version == 0 {
			t.Errorf("%s: need %d, %v, %+v", name, need, err, h)
			continue
		}
		from, to, rest, ok := reads(head)
		if !ok || plain(h.Source) != plain(from) || plain(h.Destination) != plain(to) || len(head)-h.Size != rest {
			t.Errorf("%s: %v to %v, %d behind; the reference reads %v to %v, %d behind: %v",
				name, h.Source, h.Destination, len(head)-h.Size, from, to, rest, ok)
		}
	}
}

// TestTheFieldsOfALoadBalancerAreFound reads a header with a checksum, as HAProxy writes it
// with every option.
func TestTheFieldsOfALoadBalancerAreFound(t *testing.T) {
	t.Parallel()
	h := &reference.Header{
		Version: 2, Command: reference.PROXY, TransportProtocol: reference.TCPv4,
		SourceAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:1")), DestinationAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.2:2")),
	}
	inside := "\x07\x00\x00\x00\x00\x21\x00\x07TLSv1.3\x22\x00\x05alice"
	if err := h.SetTLVs([]reference.TLV{
		{Type: 1, Value: []byte("h2")},
		{Type: 2, Value: []byte("a.example.com")},
		{Type: 4, Value: make([]byte, 3)},
		{Type: 0x20, Value: []byte(inside)},
		{Type: 0xea, Value: []byte("\x01vpce-1")},
	}); err != nil {
		t.Fatal(err)
	}
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := proxyproto.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	fields := maps.Collect(got.TLVs())
	want := map[byte][]byte{1: []byte("h2"), 2: []byte("a.example.com"), 4: make([]byte, 3), 0x20: []byte(inside), 0xea: []byte("\x01vpce-1")}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	tls, ok := got.TLS()
	if !ok || tls.Client != 7 || tls.Verify != 0 {
		t.Errorf("of TLS it says %+v, %v", tls, ok)
	}
	if diff := cmp.Diff(map[byte][]byte{0x21: []byte("TLSv1.3"), 0x22: []byte("alice")}, maps.Collect(tls.TLVs())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAChecksumIsCompared takes the example of the catalogue of CRCs: that of "123456789"
// is 0xE3069283. Here the polynomial is applied bit by bit.
func TestAChecksumIsCompared(t *testing.T) {
	t.Parallel()
	if got := castagnoli([]byte("123456789")); got != 0xe3069283 {
		t.Fatalf("the test's own CRC is %#x", got)
	}
	b := header2(1, 0x11, append(ends4[:12:12], 1, 0, 2, 'h', '2', 3, 0, 4, 0, 0, 0, 0, 4, 0, 1, 0)...)
	sum := castagnoli(b)
	at := len(b) - 8
	b[at], b[at+1], b[at+2], b[at+3] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
	if _, _, err := proxyproto.Read(b); err != nil {
		t.Error(err)
	}
	for i := range b[16:] {
		if b[16+i] == 3 {
			continue // the type of the checksum: a header without one says nothing wrong
		}
		b[16+i] ^= 0x40
		if h, need, err := proxyproto.Read(b); err == nil && need == 0 && h.Version == 2 {
			t.Errorf("byte %d is another one: %+v", 16+i, h)
		}
		b[16+i] ^= 0x40
	}
}

func castagnoli(b []byte) uint32 {
	crc := ^uint32(0)
	for _, v := range b {
		crc ^= uint32(v)
		for range 8 {
			crc = crc>>1 ^ 0x82f63b78&-(crc&1)
		}
	}
	return ^crc
}

func TestReadingAHeaderOfVersion2AllocatesNothing(t *testing.T) {
	b := header2(1, 0x11, append(ends4[:12:12], 1, 0, 2, 'h', '2')...)
	if n := testing.AllocsPerRun(100, func() { _, _, _ = proxyproto.Read(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzRead holds what Read promises: the answer does not depend on how the bytes came, Need
// is more than there is and comes to an end, and what is read is what the reference
// implementation reads.
func FuzzRead(f *testing.F) {
	for _, head := range captured(f) {
		f.Add(head)
	}
	f.Add(header2(1, 0x11, append(ends4[:12:12], 3, 0, 4, 1, 2, 3, 4)...))
	f.Add([]byte("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nhello"))
	f.Fuzz(func(t *testing.T, head []byte) {
		whole, need, err := proxyproto.Read(head)
		if need != 0 && (need <= len(head) || err != nil) {
			t.Fatalf("need %d of %d bytes, %v", need, len(head), err)
		}
		decided := false
		for n := 0; n <= len(head); n++ {
			h, more, e := proxyproto.Read(head[:n])
			if decided && (more != 0 || (e == nil) != (err == nil) || h.Size != whole.Size || h.Source != whole.Source) {
				t.Fatalf("%d bytes say %+v, %d, %v; all of them %+v, %v", n, h, more, e, whole, err)
			}
			decided = decided || more == 0 && n > 0
		}
		if err != nil || need != 0 || whole.Version == 0 {
			return
		}
		if whole.Size > len(head) {
			t.Fatalf("a header of %d bytes in %d", whole.Size, len(head))
		}
		from, to, rest, ok := reads(head)
		if ok && whole.Named && from.IsValid() && (plain(whole.Source) != plain(from) || plain(whole.Destination) != plain(to) || len(head)-whole.Size != rest) {
			t.Errorf("%+v; the reference reads %v to %v, %d behind", whole, from, to, rest)
		}
	})
}
