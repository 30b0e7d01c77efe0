package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/loop"
	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/host/wasm"
)

// Port scans and health checks come all day: a client that went away without a byte, or
// before its ClientHello was there, has a line at debug only, whatever the route does.
func TestProbesHaveNoLineAtInfo(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, "probe.example.com")
	drivers(t, func(t *testing.T, loops *loop.Loops) {
		addr := listen(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
		terminates := fmt.Sprintf("tls {\ncert %s\nkey %s\n}\n", cert, key)
		for name, c := range map[string]struct {
			handlers string
			probes   []string // what is sent before the end
			client   func(net.Conn) net.Conn
		}{
			"proxy":          {fmt.Sprintf("proxy %s\n", addr), []string{""}, nil},
			"echo":           {"echo\n", []string{""}, nil},
			"subroute":       {"subroute {\n@h ssh\nroute @h {\necho\n}\n}\necho\n", []string{""}, nil},
			"tls, then echo": {terminates + "echo\n", []string{"", "\x16\x03\x01\x02"}, secured},
			"tls, then proxy": {
				terminates + fmt.Sprintf("proxy %s\n", addr),
				[]string{"", "\x16\x03\x01\x02"},
				secured,
			},
		} {
			s := serveIn(t, loops, wasm.Options{}, "layer4 {\n127.0.0.1:0 {\nroute {\n"+c.handlers+"}\n}\n}\n")
			for _, text := range c.probes {
				for _, reset := range []bool{false, true} {
					probe(t, s, text, reset)
				}
			}
			talk(t, s, c.client)
			eventually(t, "all connections have ended", func() bool { return s.engine.Stats().Active == 0 })
			if lines := s.log.String(); strings.Count(lines, "msg=connection ") != 1 || !strings.Contains(lines, fmt.Sprintf("conn=%d ", 2*len(c.probes)+1)) {
				t.Errorf("%s: the log at info:\n%s", name, lines)
			}
		}
	})
}

func secured(c net.Conn) net.Conn {
	return tls.Client(c, &tls.Config{ServerName: "probe.example.com", InsecureSkipVerify: true})
}

// dialed connects to the only listener.
func (s *served) dialed(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(realtest.Deadline(t)); err != nil {
		t.Fatal(err)
	}
	return c
}

// probe sends a text and goes away.
func probe(t *testing.T, s *served, text string, reset bool) {
	t.Helper()
	before := s.engine.Stats().Accepted
	c := s.dialed(t)
	defer c.Close()
	_, _ = io.WriteString(c, text)
	eventually(t, "the probe is accepted", func() bool { return s.engine.Stats().Accepted > before })
	if reset {
		_ = c.(*net.TCPConn).SetLinger(0)
	}
}

// talk is a client, which sends a byte and hears it.
func talk(t *testing.T, s *served, wrap func(net.Conn) net.Conn) {
	t.Helper()
	c := s.dialed(t)
	defer c.Close()
	if wrap != nil {
		c = wrap(c)
	}
	if _, err := io.WriteString(c, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}
