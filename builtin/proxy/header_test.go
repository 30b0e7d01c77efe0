package proxy

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"

	"dwaar.dev/dwaar/host/hosttest"
)

func TestHeadersReadBackAsTheAddressesTheyName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, wantFrom, wantTo string }{
		{"192.0.2.9:1234", "192.0.2.1:443", "192.0.2.9:1234", "192.0.2.1:443"},
		{"[2001:db8::9]:1", "[2001:db8::1]:65535", "[2001:db8::9]:1", "[2001:db8::1]:65535"},
		{"192.0.2.9:1234", "[2001:db8::1]:443", "192.0.2.9:1234", "[2001:db8::1]:443"},
		{"[2001:db8::9]:1234", "192.0.2.1:443", "[2001:db8::9]:1234", "192.0.2.1:443"},
	} {
		for _, v := range []version{v1, v2} {
			if mixed := strings.HasPrefix(c.from, "[") != strings.HasPrefix(c.to, "["); mixed && v == v1 {
				continue // it has no form for that
			}
			b := v.header(netip.MustParseAddrPort(c.from), netip.MustParseAddrPort(c.to))
			rest := bufio.NewReader(bytes.NewReader(append(b, "rest"...)))
			h, err := proxyproto.Read(rest)
			if err != nil {
				t.Errorf("v%d of %s: %v in %q", v, c.from, err, b)
				continue
			}
			if h.Version != byte(v) || h.Command != proxyproto.PROXY ||
				h.SourceAddr.String() != c.wantFrom || h.DestinationAddr.String() != c.wantTo {
				t.Errorf("v%d: %+v", v, h)
			}
			if rest.Buffered() != len("rest") {
				t.Errorf("v%d: %d bytes are left of what follows", v, rest.Buffered())
			}
		}
	}
}

// The bytes in the examples of the specification, sections 2.1 and 2.2.
func TestHeadersHaveTheDocumentedForm(t *testing.T) {
	t.Parallel()
	from, to := netip.MustParseAddrPort("192.168.0.1:56324"), netip.MustParseAddrPort("192.168.0.11:443")
	if got := string(v1.header(from, to)); got != "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n" {
		t.Errorf("got %q", got)
	}
	const want = "0d0a0d0a000d0a515549540a" + "21" + "11" + "000c" + "c0a80001" + "c0a8000b" + "dc04" + "01bb"
	if got := hex.EncodeToString(v2.header(from, to)); got != want {
		t.Errorf("got %s", got)
	}
}

func TestWithoutAddressesTheHeaderSaysSo(t *testing.T) {
	t.Parallel()
	var none netip.AddrPort
	if got := string(v1.header(none, none)); got != "PROXY UNKNOWN\r\n" {
		t.Errorf("got %q", got)
	}
	if got := string(v1.header(netip.MustParseAddrPort("192.0.2.9:1"), netip.MustParseAddrPort("[::1]:1"))); got != "PROXY UNKNOWN\r\n" {
		t.Errorf("of two families %q", got)
	}
	h, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(v2.header(none, none))))
	if err != nil || h.Command != proxyproto.LOCAL {
		t.Errorf("got %+v, %v", h, err)
	}
}

func TestTheHeaderComesBeforeTheClientSaysAnything(t *testing.T) {
	t.Parallel()
	up := serve(t, "")
	h := mustMake(t, "proxy "+up.addr+" {\nproxy_protocol v1\n}")
	s := hosttest.Serve(t, h, nil)
	got := exchange(t, s.Addr, "hello")
	if !strings.HasPrefix(got, "PROXY TCP4 127.0.0.1 127.0.0.1 ") || !strings.HasSuffix(got, "\r\nhello") {
		t.Errorf("the upstream got %q", got)
	}
}
