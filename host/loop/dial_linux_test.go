package loop

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/host/relay"
)

// dialing makes a probe that dials as soon as it starts, and relays.
func dialing(d Dial, first string) script {
	relayed := func(p *probe, sent int) { p.Relay([]byte(first)[sent:], relay.Options{}) }
	return script{
		start: func(p *probe) {
			sent, err := p.Dial(d, []byte(first))
			switch {
			case errors.Is(err, ErrPending):
			case err != nil:
				p.Connected(err)
			default:
				relayed(p, sent)
			}
		},
		told: func(p *probe) {
			if p.err != nil {
				p.Close(true)
				return
			}
			relayed(p, 0)
		},
		killed: func(p *probe) { p.Close(true) },
	}
}

// upstreams listens where a Dial can reach it.
func upstreams(t *testing.T) map[string]Dial {
	t.Helper()
	dials := map[string]Dial{}
	for name, at := range map[string]string{"tcp": "127.0.0.1:0", "tcp6": "[::1]:0", "unix": filepath.Join(t.TempDir(), "s"), "abstract": "@" + t.Name()} {
		network := "tcp"
		if name == "unix" || name == "abstract" {
			network = "unix"
		}
		ln, err := net.Listen(network, at)
		if err != nil && name == "tcp6" {
			continue // a machine without IPv6
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					_, _ = io.Copy(c, struct{ io.Reader }{c})
				}()
			}
		}()
		d := Dial{Network: network, Timeout: time.Minute}
		if network == "unix" {
			d.Path = at
		} else {
			d.Addr = ln.Addr().(*net.TCPAddr).AddrPort()
		}
		dials[name] = d
		if name == "tcp" {
			d.Local = netip.MustParseAddrPort("127.0.0.9:0")
			dials["tcp from an address"] = d
			d.Local = netip.AddrPort{}
			d.Addr = netip.AddrPortFrom(netip.AddrFrom16(d.Addr.Addr().As16()), d.Addr.Port())
			dials["tcp, an IPv4 address as IPv6"] = d
		}
	}
	return dials
}

func TestEveryUpstreamIsReachedWithAndWithoutAHead(t *testing.T) {
	t.Parallel()
	for name, d := range upstreams(t) {
		for _, head := range []string{"", "head "} {
			t.Run(fmt.Sprintf("%s, head %q", name, head), func(t *testing.T) {
				t.Parallel()
				p, c := probed(t, dialing(d, head))
				if _, err := c.Write([]byte("body")); err != nil {
					t.Fatal(err)
				}
				_ = c.CloseWrite()
				b, err := io.ReadAll(c)
				if err != nil || string(b) != head+"body" {
					t.Errorf("received %q, then %v", b, err)
				}
				e := <-p.events
				if e.name == "connected" {
					e = <-p.events
				}
				n := int64(len(head) + 4)
				if r := e.result; r.Up != n || r.Down != n || r.Reason != relay.Finished {
					t.Errorf("result %+v, want %d bytes both ways", r, n)
				}
			})
		}
	}
}

func TestAnUpstreamThatCannotBeReachedIsAnErrorOfNet(t *testing.T) {
	t.Parallel()
	type row struct {
		d    Dial
		want error
	}
	rows := map[string]row{
		"refused":             {Dial{Network: "tcp", Addr: refusing(t)}, unix.ECONNREFUSED},
		"timed out":           {Dial{Network: "tcp", Addr: deaf(t), Timeout: 20 * time.Millisecond}, os.ErrDeadlineExceeded},
		"no such socket":      {Dial{Network: "unix", Path: "/nonexistent/socket"}, unix.ENOENT},
		"a name too long":     {Dial{Network: "unix", Path: string(make([]byte, 300))}, unix.EINVAL},
		"no address":          {Dial{Network: "tcp"}, unix.EADDRNOTAVAIL},
		"not our own address": {Dial{Network: "tcp", Addr: refusing(t), Local: netip.MustParseAddrPort("192.0.2.1:0")}, unix.EADDRNOTAVAIL},
		"another family":      {Dial{Network: "tcp", Addr: refusing(t), Local: netip.MustParseAddrPort("[::1]:0")}, unix.EAFNOSUPPORT},
	}
	for name, row := range rows {
		for _, head := range []string{"", "head"} {
			t.Run(fmt.Sprintf("%s, head %q", name, head), func(t *testing.T) {
				t.Parallel()
				p, c := probed(t, dialing(row.d, head))
				e := p.expect(t, "connected")
				var op *net.OpError
				if !errors.As(e.err, &op) || op.Op != "dial" || op.Net != row.d.Network || op.Addr == nil || !errors.Is(e.err, row.want) {
					t.Errorf("the attempt ended with %#v, want %v", e.err, row.want)
				}
				if row.want == os.ErrDeadlineExceeded && !op.Timeout() {
					t.Error("the error does not say that it is a timeout")
				}
				if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
					t.Errorf("the client reads %v, want a reset", err)
				}
			})
		}
	}
}

// A local port that is given serves a connection to each address.
func TestSessionsToDifferentAddressesShareALocalPort(t *testing.T) {
	t.Parallel()
	local := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), realtest.FreeAddr(t).Port())
	one, other := echo(t), echo(t)
	for i, to := range []netip.AddrPort{one, other, one} {
		p, c := probed(t, dialing(Dial{Network: "tcp", Addr: to, Local: local}, "head"))
		if i == 2 {
			if e := p.expect(t, "connected"); !errors.Is(e.err, unix.EADDRNOTAVAIL) && !errors.Is(e.err, unix.EADDRINUSE) {
				t.Errorf("a second connection to the same address: %v", e.err)
			}
			continue
		}
		b := make([]byte, 4)
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "head" {
			t.Errorf("received %q, %v", b, err)
		}
	}
}

// The next attempt after one that failed, or one that stood, begins anew.
func TestASessionMayDialAgain(t *testing.T) {
	t.Parallel()
	good, unanswered := Dial{Network: "tcp", Addr: echo(t)}, Dial{Network: "tcp", Addr: deaf(t), Timeout: 20 * time.Millisecond}
	like := dialing(unanswered, "first")
	like.told = func(p *probe) {
		if p.err == nil {
			t.Error("an attempt stands that nobody has answered")
		}
		if _, err := p.Dial(Dial{Network: "tcp", Addr: refusing(t)}, []byte("first")); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("the second attempt: %v", err)
		}
		for range 2 { // the first of them is given up
			if sent, err := p.Dial(good, []byte("first")); sent != 5 || err != nil {
				t.Errorf("sent %d bytes, %v", sent, err)
			}
		}
		p.Relay(nil, relay.Options{})
	}
	p, c := probed(t, like)
	p.expect(t, "connected")
	_ = c.CloseWrite()
	if b, err := io.ReadAll(c); err != nil || string(b) != "first" {
		t.Errorf("received %q, then %v", b, err)
	}
	if e := p.expect(t, "ended"); e.result.Up != 5 || e.result.Down != 5 {
		t.Errorf("result %+v", e.result)
	}
}

// Recv tells the session of a reset, and the kernel tells nobody again.
func TestAResetThatRecvSawReachesTheUpstream(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	p, c := probed(t, script{start: forBytes, ready: func(p *probe) {
		b := make([]byte, 16)
		for {
			_, err := p.Recv(b)
			if errors.Is(err, ErrAgain) {
				p.Wait(time.Time{})
				return
			}
			if err == nil {
				continue
			}
			if _, again := p.Recv(b); !errors.Is(err, unix.ECONNRESET) || !errors.Is(again, unix.ECONNRESET) {
				t.Errorf("received %v, then %v, want a reset", err, again)
			}
			if _, err := p.Dial(Dial{Network: "tcp", Addr: ln.Addr().(*net.TCPAddr).AddrPort()}, []byte("he")); err != nil {
				t.Error(err)
			}
			p.Relay([]byte("llo"), relay.Options{})
			return
		}
	}})
	_ = c.SetLinger(0)
	_ = c.Close()
	up, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	if b, err := io.ReadAll(up); string(b) != "hello" || !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the upstream received %q, then %v, want a reset", b, err)
	}
	p.expect(t, "ready")
	if r := p.expect(t, "ended").result; r.Reason != relay.Reset || r.By != relay.Down || r.Up != 5 || r.Cut {
		t.Errorf("result %+v, want a reset by the client after 5 bytes", r)
	}
}

// The event that says that an upstream stands may say that it has spoken, and end
// the stream as well: the kernel does not say it again.
func TestAnUpstreamThatSpeaksBeforeItIsKnownToStandIsHeard(t *testing.T) {
	t.Parallel()
	for name, ends := range map[string]bool{"and goes on": false, "and ends": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			spoken := make(chan net.Conn, 1)
			go func() {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				_, _ = c.Write([]byte("banner"))
				if ends {
					_ = c.(*net.TCPConn).CloseWrite()
				}
				spoken <- c
			}()
			var up net.Conn
			like := dialing(Dial{Network: "tcp", Addr: ln.Addr().(*net.TCPAddr).AddrPort()}, "")
			dial := like.start
			like.start = func(p *probe) {
				if _, err := p.Recv(make([]byte, 1)); !errors.Is(err, ErrAgain) {
					t.Errorf("received %v from a silent client", err)
				}
				dial(p)
				up = <-spoken
			}
			p, c := probed(t, like)
			p.expect(t, "connected")
			defer up.Close()
			b := make([]byte, 6)
			if _, err := io.ReadFull(c, b); err != nil || string(b) != "banner" {
				t.Errorf("received %q, then %v", b, err)
			}
			if ends {
				if _, err := c.Read(b); err != io.EOF {
					t.Errorf("then %v, want the end", err)
				}
			}
		})
	}
}

func TestATimeOfCenturiesIsNoOverflow(t *testing.T) {
	t.Parallel()
	p, c := probed(t, script{start: func(p *probe) { p.Wait(time.Unix(1<<40, 0)) }, ready: func(p *probe) { p.Close(false) }})
	_ = c.Close()
	p.expect(t, "ready")
}
