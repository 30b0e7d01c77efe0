package proxyprotocol_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/internal/proxyproto"
	"dwaar.dev/dwaar/builtin/proxyprotocol"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/sdk"
)

// handler makes a handler of the lines of its block.
func handler(t testing.TB, lines ...string) host.Handler {
	t.Helper()
	n := &sdk.Node{Name: "proxy_protocol"}
	for _, line := range lines {
		words := strings.Fields(line)
		option := sdk.Node{Name: words[0]}
		for _, w := range words[1:] {
			option.Args = append(option.Args, sdk.Word{Text: w})
		}
		n.Block = append(n.Block, option)
	}
	h, err := proxyprotocol.New(&hosttest.Builder{}, n)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// sees answers with what a handler behind sees, and sends the rest of the bytes back.
func sees(_ context.Context, c host.Conn) error {
	f := c.Flow()
	peer, _ := c.Get("conn.peer_addr")
	host, _, _ := net.SplitHostPort(peer)
	_, err := fmt.Fprintf(c.Net(), "%v to %v, peer %s, proxied %v: ", f.Remote, f.Local, host, f.Proxied)
	if err == nil {
		_, err = io.Copy(c.Net(), c.Net())
	}
	return err
}

const (
	line  = "PROXY TCP4 192.0.2.1 198.51.100.2 4097 443\r\n"
	named = "192.0.2.1:4097 to 198.51.100.2:443, peer 127.0.0.1, proxied true: "
)

// says has a client send pieces, each in a segment of its own, and returns what it hears.
func says(t *testing.T, s *hosttest.Server, pieces ...string) string {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(hosttest.Limit)); err != nil {
		t.Fatal(err)
	}
	for _, p := range pieces {
		if _, err := io.WriteString(c, p); err != nil {
			return "" // it was closed
		}
	}
	_ = c.(*net.TCPConn).CloseWrite() // fails where it was closed
	heard, _ := io.ReadAll(c)         // a reset says nothing
	return strings.ReplaceAll(string(heard), c.LocalAddr().String()+" to "+s.Addr, "the socket's")
}

const own = "the socket's, peer , proxied false: "

func TestEachPolicyDoesWhatItSaysWithAndWithoutAHeader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lines         []string
		with, without string // "": the connection ends with client.handling.protocol
	}{
		{nil, named + "hi", own + "hi"},
		{[]string{"allow 127.0.0.0/8"}, named + "hi", own + "hi"},
		{[]string{"allow 127.0.0.0/8", "fallback_policy reject"}, named + "hi", own + "hi"},
		{[]string{"allow 10.0.0.0/8"}, own + "hi", own + "hi"},
		{[]string{"allow 127.0.0.1", "deny 127.0.0.0/8"}, "", own + "hi"},
		{[]string{"fallback_policy IGNORE"}, own + "hi", own + "hi"},
		{[]string{"fallback_policy use"}, named + "hi", own + "hi"},
		{[]string{"fallback_policy Reject"}, "", own + "hi"},
		{[]string{"fallback_policy REQUIRE"}, named + "hi", ""},
		{[]string{"allow 127.0.0.1", "fallback_policy REQUIRE"}, named + "hi", ""},
		{[]string{"fallback_policy SKIP"}, own + line + "hi", own + "hi"},
	} {
		s := hosttest.Serve(t, handler(t, c.lines...), sees)
		for sent, want := range map[string]string{line + "hi": c.with, "hi": c.without} {
			if got := says(t, s, sent); got != want {
				t.Errorf("%v: %q is answered %q, want %q", c.lines, sent, got, want)
			}
			o := s.Outcome(t)
			if refused := o.Code.String() == "client.handling.protocol"; refused != (want == "") {
				t.Errorf("%v: %q ends with %v, %v", c.lines, sent, o.Code, o.Err)
			}
		}
	}
}

// TestAHeaderMayComeInAnyPieces cuts it behind every byte, and at every byte once.
func TestAHeaderMayComeInAnyPieces(t *testing.T) {
	t.Parallel()
	s := hosttest.Serve(t, handler(t, "fallback_policy REQUIRE"), sees)
	binary := proxyproto.Signature + "\x21\x11\x00\x0f\xc0\x00\x02\x01\xc6\x33\x64\x02\x10\x01\x01\xbb\x04\x00\x00"
	for _, header := range []string{line, binary} {
		text := header + "hello"
		all := [][]string{strings.Split(text, "")}
		for i := range text {
			all = append(all, []string{text[:i], text[i:]})
		}
		for _, pieces := range all {
			if got := says(t, s, pieces...); got != named+"hello" {
				t.Fatalf("%q is answered %q", pieces, got)
			}
			s.Outcome(t)
		}
	}
}

func TestHeadersWithoutAddressesLeaveThoseOfTheSocket(t *testing.T) {
	t.Parallel()
	s := hosttest.Serve(t, handler(t, "fallback_policy REQUIRE"), sees)
	for header, want := range map[string]string{
		"PROXY UNKNOWN\r\n":                                                  own,
		proxyproto.Signature + "\x20\x00\x00\x00":                            own,
		proxyproto.Signature + "\x20\x11\x00\x01x":                           own,
		proxyproto.Signature + "\x21\x00\x00\x00":                            own,
		proxyproto.Signature + "\x21\x31\x00\xd8" + strings.Repeat("x", 216): "invalid AddrPort to invalid AddrPort, peer 127.0.0.1, proxied true: ",
	} {
		if got := says(t, s, header+"hi"); got != want+"hi" {
			t.Errorf("%q is answered %q", header, got)
		}
		s.Outcome(t)
	}
}

func TestWhatIsNotUnderstoodClosesWithACodeAndAReason(t *testing.T) {
	t.Parallel()
	s := hosttest.Serve(t, handler(t, "timeout 50ms"), sees)
	for sent, want := range map[string]string{
		"PROXY TCP4 x y 1 2\r\n":                                  "client.handling.protocol: reading the PROXY header: \"x\" is no address of the family",
		proxyproto.Signature + "\x21\x99\x00\x00":                 "client.handling.protocol: reading the PROXY header: family and protocol 0x99 are unknown",
		proxyproto.Signature + "\x21\x00\x00\x07\x03\x00\x04abcd": "client.handling.protocol: reading the PROXY header: the checksum is wrong",
		"PROX": "client.handling.closed: reading the PROXY header: the client closed before it was complete",
		"":     "client.handling.probe: <nil>",
		proxyproto.Signature + "\x21\x00\xff\xff" + strings.Repeat("x", 16<<10): "proxy.handling.cap: reading the PROXY header: its 65551 bytes are more than max_head",
	} {
		if got := says(t, s, sent); got != "" {
			t.Errorf("%q is answered %q", sent, got)
		}
		if o := s.Outcome(t); fmt.Sprintf("%v: %v", o.Code, o.Err) != want {
			t.Errorf("%q ends with %v: %v", sent, o.Code, o.Err)
		}
	}
}

// TestWhoSaysNothingGoesOnOrNot has clients that say too little and wait.
func TestWhoSaysNothingGoesOnOrNot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ policy, sent, want string }{
		{"USE", "", own},
		{"REJECT", "", own},
		{"REQUIRE", "", "client.handling.timeout: reading the PROXY header: none came within 20ms"},
		{"USE", "PROXY TCP4", "client.handling.timeout: reading the PROXY header: it was not complete within 20ms"},
		{"IGNORE", "\r", "client.handling.timeout: reading the PROXY header: it was not complete within 20ms"},
	} {
		ended := make(chan string, 1)
		s := hosttest.Serve(t, handler(t, "fallback_policy "+c.policy, "timeout 20ms"), func(_ context.Context, c host.Conn) error {
			ended <- fmt.Sprintf("peer , proxied %v: ", c.Flow().Proxied)
			return nil
		})
		conn, err := net.Dial("tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, c.sent); err != nil {
			t.Fatal(err)
		}
		o := s.Outcome(t)
		conn.Close()
		got := fmt.Sprintf("%v: %v", o.Code, o.Err)
		if o.Err == nil {
			got = "the socket's, " + <-ended
		}
		if got != c.want {
			t.Errorf("%s and %q: %s, want %s", c.policy, c.sent, got, c.want)
		}
	}
}

func TestFieldsOfVersion2AreFacts(t *testing.T) {
	t.Parallel()
	tlv := func(kind byte, value string) string { return string([]byte{kind, 0, byte(len(value))}) + value }
	inside := "\x05\x00\x00\x00\x01" + tlv(0x21, "TLSv1.3") + tlv(0x22, "alice") + tlv(0x23, "AES") + tlv(0x24, "RSA") + tlv(0x25, "EC") +
		tlv(0x26, "X25519") + tlv(0x27, "ed25519") + tlv(0x28, "DER") + tlv(0x21, "twice")
	rest := tlv(1, "h2") + tlv(2, "a.example.com") + tlv(4, "xx") + tlv(5, "id-7") + tlv(0x20, inside) + tlv(0x30, "blue") +
		tlv(0xea, "\x01vpce-1") + tlv(0x06, "?") + tlv(1, "twice")
	header := proxyproto.Signature + string([]byte{0x21, 0, 0, byte(len(rest))}) + rest
	s := hosttest.Serve(t, handler(t), func(context.Context, host.Conn) error { return nil })
	says(t, s, header)
	_, facts := s.Ended(t)
	want := map[string]string{
		"version": "2", "tlv.alpn": "h2", "tlv.authority": "a.example.com", "tlv.unique_id": "id-7", "tlv.netns": "blue", "tlv.0xea": "\x01vpce-1",
		"tlv.ssl.client": "5", "tlv.ssl.verify": "1", "tlv.ssl.version": "TLSv1.3", "tlv.ssl.cn": "alice", "tlv.ssl.cipher": "AES",
		"tlv.ssl.sig_alg": "RSA", "tlv.ssl.key_alg": "EC", "tlv.ssl.group": "X25519", "tlv.ssl.sig_scheme": "ed25519", "tlv.ssl.client_cert": "DER",
	}
	got := map[string]string{}
	for name, value := range facts {
		got[strings.TrimPrefix(name, "proxy_protocol.")] = value
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHeadersOfAnybodyAreNotFactsWhereTheyAreNotBelieved keeps what a stranger says out.
func TestHeadersOfAnybodyAreNotFactsWhereTheyAreNotBelieved(t *testing.T) {
	t.Parallel()
	s := hosttest.Serve(t, handler(t, "fallback_policy IGNORE"), sees)
	if got := says(t, s, proxyproto.Signature+"\x21\x00\x00\x05\x01\x00\x02h2hi"); got != own+"hi" {
		t.Errorf("answered %q", got)
	}
	if _, facts := s.Ended(t); len(facts) > 0 {
		t.Errorf("facts %v", facts)
	}
}

func TestAHandlerThatBelievesNobodyIsWarnedOf(t *testing.T) {
	t.Parallel()
	option := func(name, arg string) sdk.Node {
		return sdk.Node{Name: name, Args: []sdk.Word{{Text: arg}}}
	}
	for want, block := range map[int][]sdk.Node{
		0: {option("allow", "10.0.0.0/8")},
		1: {option("deny", "10.0.0.0/8")},
	} {
		b := &hosttest.Builder{}
		if _, err := proxyprotocol.New(b, &sdk.Node{Name: "proxy_protocol", Block: block}); err != nil || len(b.Warnings) != want {
			t.Errorf("%v: %v, %v", block, b.Warnings, err)
		}
	}
}
