package proxy

import (
	"net"
	"strings"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/hosttest"
)

// Every option takes the words that its description promises, as many, and no others.
func TestOptionsTakeOnlyWordsOfTheirKind(t *testing.T) {
	t.Parallel()
	in := func(option string) string { return "proxy 192.0.2.1:1 {\n" + option + "\n}" }
	of := func(option string) string { return "proxy {\nupstream 192.0.2.1:1 {\n" + option + "\n}\n}" }
	for name, wrap := range map[string]func(string) string{
		"max_fails": in, "unhealthy_connection_count": in, "health_port": in, "health_fall": in, "health_rise": in,
		"max_connections": of, "weight": of,
	} {
		for _, wrong := range []string{"1.5", "-1", "x", "", "1 2"} {
			_, err := (&builder{}).make(t, wrap(strings.TrimSpace(name+" "+wrong)), nil)
			if err == nil || !strings.Contains(err.Error(), name) && !strings.Contains(err.Error(), "number") {
				t.Errorf("%s %s: %v", name, wrong, err)
			}
		}
	}
	for name, wrap := range map[string]func(string) string{
		"fail_duration": in, "lb_try_duration": in, "lb_try_interval": in, "health_interval": in, "health_timeout": in, "connect_timeout": in,
	} {
		for _, wrong := range []string{"1", "-1s", "x", "", "1s 2s"} {
			if _, err := (&builder{}).make(t, wrap(strings.TrimSpace(name+" "+wrong)), nil); err == nil {
				t.Errorf("%s %s is taken", name, wrong)
			}
		}
	}
	for _, text := range []string{
		of("tls_curves"), of("tls_curves nothing"), of("tls_except_ports"), of("tls_renegotiation"), of("dial"),
		in("to"), in("allow"), in("lb_policy"), in("proxy_protocol v3"), "proxy {\nupstream {\nweight 2\n}\n}", "proxy {\nupstream\n}",
	} {
		if _, err := (&builder{}).make(t, text, nil); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	for _, text := range []string{
		"proxy {\nupstream 192.0.2.1:1 {\ndial 192.0.2.2:1\n}\n}", "proxy {\nupstream {\ndial 192.0.2.2:1\n}\n}",
		of("tls_curves x25519"), of("tls_curves x25519 secp256r1"),
	} {
		if _, err := (&builder{}).make(t, text, nil); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAllowTakesRangesAndNamesAndNothingElse(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{
		"10.0.0.0/8": "ranges", "192.0.2.1": "ranges", "private_ranges": "ranges", "2001:db8::/32": "ranges",
		"app.example.com": "names", "*.example.com": "names", "Example.com.": "names",
		"10.0.0.0/33": "", "10.0.0": "", "-": "", "*.": "", "*": "", "a..b": "", "a/8": "", "1.2.3.4.5": "",
	} {
		h, err := (&builder{}).make(t, "proxy {vars.x}:1 {\nallow "+word+"\n}", nil)
		if (err == nil) != (want != "") {
			t.Errorf("allow %s: %v", word, err)
			continue
		}
		if err != nil {
			if !strings.Contains(err.Error(), "is neither an address range nor a host name") {
				t.Errorf("allow %s: %v", word, err)
			}
			continue
		}
		g := h.primaries[0].target.(*chosen).guard
		if ranges := len(g.prefixes) > 0; ranges != (want == "ranges") {
			t.Errorf("allow %s is taken for ranges: %v", word, ranges)
		}
	}
}

// Whoever writes to several upstreams at once has one deadline for all of them.
func TestADeadlineForWritesIsThatOfEveryUpstream(t *testing.T) {
	t.Parallel()
	var stuck []net.Conn
	f := &fan{}
	for range 3 {
		a, b := net.Pipe() // nobody reads
		t.Cleanup(func() { _, _ = a.Close(), b.Close() })
		stuck = append(stuck, a)
	}
	f.all = stuck
	if err := f.SetWriteDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	for i, c := range stuck {
		done := make(chan error, 1)
		go func() { _, err := c.Write([]byte("x")); done <- err }()
		select {
		case err := <-done:
			if err == nil {
				t.Errorf("upstream %d took a byte", i)
			}
		case <-time.After(hosttest.Limit):
			t.Fatalf("upstream %d has no deadline", i)
		}
	}
	_ = stuck[1].Close()
	if err := f.SetWriteDeadline(time.Time{}); err == nil {
		t.Error("that one of them is closed is not said")
	}
}
