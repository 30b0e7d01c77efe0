package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/names"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// A piece that came and that nobody reads holds up no close.
func TestAFanWithAPieceThatNobodyTakesIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		closed := 0
		f := newFan([]net.Conn{a}, func() { closed++ })
		if _, err := io.WriteString(b, "x"); err != nil { // its reader has it
			t.Fatal(err)
		}
		synctest.Wait()
		if err := errors.Join(f.Close(), f.Close()); err != nil || closed != 1 {
			t.Errorf("%v, told %d times", err, closed)
		}
		if _, err := b.Write([]byte("x")); err == nil {
			t.Error("the other end is open")
		}
	})
}

func TestTheDeadlinesOfAFanAreThoseSetLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		f := newFan([]net.Conn{a}, func() {})
		defer b.Close()
		defer f.Close()
		for _, c := range []struct {
			set  []time.Duration // from now; 0: none
			want time.Duration   // until a read ends
		}{
			{[]time.Duration{time.Second}, time.Second},
			{[]time.Duration{time.Second, 3 * time.Second}, 3 * time.Second},
			{[]time.Duration{3 * time.Second, time.Second}, time.Second},
			{[]time.Duration{-time.Second}, 0},
			{[]time.Duration{-time.Second, 2 * time.Second}, 2 * time.Second},
			{[]time.Duration{-time.Second, -time.Second}, 0},
			{[]time.Duration{time.Second, 0, 2 * time.Second}, 2 * time.Second},
			{[]time.Duration{time.Nanosecond}, time.Nanosecond},
		} {
			began := time.Now()
			for _, d := range c.set {
				at := began.Add(d)
				if d == 0 {
					at = time.Time{}
				}
				if err := f.SetReadDeadline(at); err != nil {
					t.Fatal(err)
				}
			}
			n, err := f.Read(make([]byte, 1))
			if took := time.Since(began); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || took != c.want {
				t.Errorf("%v: %d bytes, %v, after %v", c.set, n, err, took)
			}
		}
		_ = f.SetReadDeadline(time.Time{})
		go func() { _, _ = io.WriteString(b, "xy") }()
		for _, want := range []string{"x", "y"} { // a piece is read in parts, also past a deadline
			p := make([]byte, 1)
			if _, err := f.Read(p); err != nil || string(p) != want {
				t.Errorf("%q, %v", p, err)
			}
			_ = f.SetReadDeadline(time.Now().Add(-1))
		}
	})
}

func TestAFanWritesToEachAndEndsEach(t *testing.T) {
	t.Parallel()
	ears := []*ear{{}, {}, {}}
	f := &fan{all: []net.Conn{ears[0], ears[1], struct{ net.Conn }{ears[2]}}, closing: make(chan struct{}), closed: func() {}}
	if n, err := f.Write([]byte("four")); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := f.CloseWrite(); err != nil { // one cannot
		t.Error(err)
	}
	for i, e := range ears {
		if e.said.String() != "four" || e.ended != (i < 2) {
			t.Errorf("%d: %q, ended %v", i, e.said.String(), e.ended)
		}
	}
	ears[1].err = io.ErrClosedPipe
	if n, err := f.Write([]byte("x")); n != 0 || !errors.Is(err, io.ErrClosedPipe) || ears[2].said.String() != "four" {
		t.Errorf("%d, %v, the third has %q", n, err, ears[2].said.String())
	}
	if err := f.CloseWrite(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v", err)
	}
	if err := f.Close(); !errors.Is(err, io.ErrClosedPipe) || !ears[0].closed || !ears[2].closed {
		t.Errorf("%v", err)
	}
}

// ear is a connection whose peer sends without end.
type ear struct {
	net.Conn
	said          bytes.Buffer
	heard         int
	ended, closed bool
	deadlines     []time.Time
	err           error
}

func (e *ear) Read(p []byte) (int, error) { e.heard += len(p); return len(p), nil }
func (e *ear) Write(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	return e.said.Write(p)
}
func (e *ear) CloseWrite() error              { e.ended = true; return e.err }
func (e *ear) Close() error                   { e.closed = true; return e.err }
func (e *ear) SetDeadline(at time.Time) error { e.deadlines = append(e.deadlines, at); return nil }

// A check parts as a client does: it says that it is done, and hears so much and no more.
func TestACheckPartsInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &ear{}
		part(t.Context(), e)
		if e.heard != partingBytes || !e.ended || !e.closed || len(e.deadlines) != 1 || !e.deadlines[0].Equal(time.Now().Add(partingTime)) {
			t.Errorf("heard %d bytes, ended %v, closed %v, deadlines %v", e.heard, e.ended, e.closed, e.deadlines)
		}
		e = &ear{err: io.ErrClosedPipe}
		if part(t.Context(), e); e.heard != 0 || !e.closed {
			t.Errorf("a broken one: heard %d bytes, closed %v", e.heard, e.closed)
		}
		plain := &ear{}
		if part(t.Context(), struct{ net.Conn }{plain}); plain.heard != 0 || plain.ended || !plain.closed {
			t.Errorf("one whose end cannot be said: heard %d bytes, ended %v, closed %v", plain.heard, plain.ended, plain.closed)
		}
		part(t.Context(), nil)
	})
}

// talk is a server that answers with a text.
type talk struct {
	io.Reader
	asked bytes.Buffer
}

func (k *talk) Write(p []byte) (int, error) { return k.asked.Write(p) }

func TestACheckAsksAndJudgesTheAnswer(t *testing.T) {
	t.Parallel()
	p := place{network: "tcp", host: "a.example", addr: netip.MustParseAddrPort("192.0.2.1:443")}
	k := &checker{uri: "/health?x"}
	for want, tls := range map[string]*secured{"a.example:443": nil, "a.example": {}} {
		k.dialer.checks = tls
		s := &talk{Reader: strings.NewReader("HTTP/1.1 204 No Content\r\n\r\n")}
		if err := k.get(s, p); err != nil {
			t.Error(err)
		}
		text := "GET /health?x HTTP/1.1\r\nHost: " + want + "\r\nUser-Agent: dwaar-health-check\r\nAccept: */*\r\nConnection: close\r\n\r\n"
		if diff := cmp.Diff(text, s.asked.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	for answer, want := range map[string]string{
		"HTTP/1.1 200 OK": "", "HTTP/1.0 399 Odd": "", "HTTP/1.1 301 Moved": "",
		"HTTP/1.1 199 Odd": "GET /health?x was answered by 199 Odd", "HTTP/1.1 400 Bad": "GET /health?x was answered by 400 Bad",
		"HTTP/1.1 503 Busy": "was answered by 503 Busy", "SSH-2.0-x": "reading the answer to GET /health?x: malformed HTTP",
		"": "reading the answer to GET /health?x", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxAnswer): "reading the answer to GET /health?x",
	} {
		err := k.get(&talk{Reader: strings.NewReader(answer + "\r\n\r\n")}, p)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", answer, err, want)
		}
	}
}

func TestAnswersHoldTheSameAddressesInAnyOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"1 2", "1 2", true},
		{"1 2", "2 1", true},
		{"", "", true},
		{"1", "1 2", false},
		{"1 2", "1", false},
		{"1 2", "1 3", false},
		{"1 1", "1 2", false},
		{"1 2", "1 1", false},
		{"1", "2", false},
	} {
		list := func(text string) (all []netip.Addr) {
			for _, n := range strings.Fields(text) {
				all = append(all, netip.MustParseAddr("192.0.2."+n))
			}
			return all
		}
		if got := sameAddrs(list(c.a), list(c.b)); got != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}

// A failed address has the name asked for again, once a second at most.
func TestDoubtsOfANameWakeItsResolverOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newResolver("a.example", nil)
		woken := func() bool {
			select {
			case <-r.wake:
				return true
			default:
				return false
			}
		}
		var got []bool
		for _, pause := range []time.Duration{0, 0, 999 * time.Millisecond, time.Millisecond, time.Millisecond, time.Minute} {
			time.Sleep(pause) // of the test's own clock
			r.failed()
			got = append(got, woken())
		}
		if diff := cmp.Diff([]bool{true, false, false, true, false, true}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		r.doubt.Store(0)
		r.wake <- struct{}{}
		r.failed() // it is awake already: nobody waits
	})
}

func TestAnEndSaysWhetherTheUpstreamTheClientOrRoomWasWanting(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err error
		by  host.Party
		why host.Why
	}{
		{fmt.Errorf("x: %w", names.ErrBusy), host.ByProxy, host.Cap},
		{clientErrorf("x"), host.ByProxy, host.Refused},
		{clientError{names.ErrBusy}, host.ByProxy, host.Cap},
		{syscall.ECONNREFUSED, host.ByUpstream, host.Refused},
		{context.DeadlineExceeded, host.ByUpstream, host.Timeout},
	} {
		var end *host.EndError
		if err := unreached(c.err); !errors.As(err, &end) || end.By != c.by || end.Why != c.why || !errors.Is(err, c.err) {
			t.Errorf("%v: %v", c.err, err)
		}
	}
}

func TestAGuardSaysWhereClientsMayGo(t *testing.T) {
	t.Parallel()
	prefixes := func(texts ...string) (all []netip.Prefix) {
		for _, text := range texts {
			all = append(all, netip.MustParsePrefix(text))
		}
		return all
	}
	none, ranges := &guard{}, &guard{prefixes: prefixes("10.0.0.0/8", "127.0.0.1/32")}
	named, both := &guard{names: []string{"a.example", "*.b.example"}}, &guard{names: []string{"a.example"}, prefixes: prefixes("10.0.0.0/8")}
	written := &guard{written: true}
	own := func(a netip.AddrPort) bool { return a.Port() == 1 }
	const us = "a listener of this program"
	for _, c := range []struct {
		g        *guard
		name, to string
		want     string // in the error
	}{
		{none, "x", "8.8.8.8:443", ""},
		{none, "x", "8.8.8.8:1", us},
		{none, "x", "10.1.1.1:443", ""},
		{none, "x", "127.0.0.1:443", "which clients may not choose without allow 127.0.0.1"},
		{none, "x", "[::ffff:127.0.0.1]:443", "which clients may not choose without allow"},
		{none, "x", "[64:ff9b::808:808]:1", us},
		{ranges, "x", "10.1.1.1:443", ""},
		{ranges, "x", "127.0.0.1:443", ""},
		{ranges, "x", "127.0.0.2:443", "which clients may not choose"},
		{ranges, "x", "8.8.8.8:443", "connecting to 8.8.8.8:443 (x): allow names neither"},
		{ranges, "x", "10.1.1.1:1", us},
		{ranges, "x", "127.0.0.1:1", ""}, // named by itself
		{named, "a.example", "8.8.8.8:443", ""},
		{named, "a.example", "127.0.0.1:443", "which clients may not choose"},
		{named, "c.b.example", "8.8.8.8:443", ""},
		{named, "x", "8.8.8.8:443", "allow names neither"},
		{both, "x", "10.1.1.1:443", ""},
		{both, "a.example", "8.8.8.8:443", ""},
		{both, "x", "8.8.8.8:443", "allow names neither"},
		{written, "x", "127.0.0.1:443", ""},
		{written, "x", "127.0.0.1:1", us},
	} {
		err := c.g.permits(c.name, netip.MustParseAddrPort(c.to), own)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v, %s at %s: %v, want %q", c.g, c.name, c.to, err, c.want)
		}
		if err != nil && !ofClients(err) {
			t.Errorf("%v is none of the client's choice", err)
		}
	}
	for name, want := range map[string]bool{
		"a.example": true, "x.b.example": true, "b.example": false, ".b.example": false, "x.y.b.example": false, "xa.example": false, "": false, "a": false,
	} {
		if named.hasName(name) != want || named.mayAsk(name) != want || !both.mayAsk(name) || !none.mayAsk(name) {
			t.Errorf("%q: %v, may be asked for %v, %v, %v", name, named.hasName(name), named.mayAsk(name), both.mayAsk(name), none.mayAsk(name))
		}
	}
	if !none.empty() || ranges.empty() || named.empty() {
		t.Error("what allow is empty of")
	}
}

func TestWhereAConnectionComesFrom(t *testing.T) {
	t.Parallel()
	four, six := netip.MustParseAddrPort("192.0.2.7:0"), netip.MustParseAddrPort("[2001:db8::7]:0")
	ported := netip.MustParseAddrPort("192.0.2.7:99")
	template, err := host.ParseTemplate(sdk.Word{Text: "{vars.from}"})
	if err != nil {
		t.Fatal(err)
	}
	to4, to6 := netip.MustParseAddrPort("198.51.100.1:1"), netip.MustParseAddrPort("[2001:db8::1]:1")
	for _, c := range []struct {
		l     localAddrs
		value string
		to    netip.AddrPort
		want  string
	}{
		{localAddrs{}, "", to4, "invalid AddrPort"},
		{localAddrs{v4: four, v6: six}, "", to4, "192.0.2.7:0"},
		{localAddrs{v4: four, v6: six}, "", to6, "[2001:db8::7]:0"},
		{localAddrs{v4: four, v6: six}, "", netip.AddrPort{}, "invalid AddrPort"},
		{localAddrs{v4: ported}, "", to4, "192.0.2.7:99"},
		{localAddrs{v4: ported}, "", ported, "local_addr 192.0.2.7:99 is the upstream's own address"},
		{localAddrs{chosen: &template, port: 98}, "192.0.2.9:80", to4, "192.0.2.9:98"},
		{localAddrs{v4: four}, "", to6, "invalid AddrPort"},
		{localAddrs{v4: four, chosen: &template}, "192.0.2.9", to4, "192.0.2.9:0"},
		{localAddrs{v4: four, chosen: &template}, "192.0.2.9:80", to4, "192.0.2.9:0"},
		{localAddrs{v4: four, chosen: &template}, "::ffff:192.0.2.9", to4, "192.0.2.9:0"},
		{localAddrs{v4: four, chosen: &template}, "[fe80::1%eth0]:80", to6, "[fe80::1]:0"},
		{localAddrs{v4: four, chosen: &template}, "2001:db8::9", to4, "192.0.2.7:0"},
		{localAddrs{v6: six, chosen: &template}, "192.0.2.9", to6, "[2001:db8::7]:0"},
		{localAddrs{chosen: &template}, "x", to4, `filling in local_addr {vars.from}: "x" is no address`},
		{localAddrs{chosen: &template}, "", to4, "filling in local_addr {vars.from}: "},
	} {
		v := client("203.0.113.1:1", nil)
		if c.value != "" {
			set(v, "from", c.value)
		}
		addr, err := c.l.of(v, c.to)
		got := addr.String()
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, c.want) || (err != nil) != strings.Contains(c.want, "local_addr") {
			t.Errorf("%s, %q, to %v: %s, want %s", c.l.String(), c.value, c.to, got, c.want)
		}
	}
	if !(&localAddrs{}).none() || (&localAddrs{v6: six}).none() || (&localAddrs{chosen: &template}).none() {
		t.Error("what is none")
	}
}

func TestTLSIsSpokenWhereItIsNotExcepted(t *testing.T) {
	t.Parallel()
	at := func(network, addr string) place {
		p := place{network: network}
		if addr != "" {
			p.addr = netip.MustParseAddrPort(addr)
		}
		return p
	}
	s := &secured{except: []uint16{80, 8080}}
	for _, c := range []struct {
		s    *secured
		p    place
		want bool
	}{
		{nil, at("tcp", "192.0.2.1:443"), false},
		{s, at("tcp", "192.0.2.1:443"), true},
		{s, at("tcp", "192.0.2.1:8080"), false},
		{s, at("unix", ""), true},
		{&secured{}, at("tcp", "192.0.2.1:80"), true},
	} {
		d := dialer{secured: c.s, checks: &secured{}}
		if d.extends(c.p) != c.want || c.s.covers(c.p) != c.want {
			t.Errorf("%+v at %+v: %v", c.s, c.p, !c.want)
		}
		v := client("203.0.113.1:1", nil)
		if got := d.tls(v, c.p); (got == c.s && c.s != nil) != c.want || !c.want && got != nil {
			t.Errorf("a connection to %+v: %+v", c.p, got)
		}
		if got := d.tls(nil, c.p); got == nil || c.want != (got == c.s) {
			t.Errorf("a check of %+v: %+v", c.p, got)
		}
	}
	if d := (&dialer{also: []target{nil}}); !d.extends(place{}) {
		t.Error("two addresses are one connection")
	}
}

func TestAnyOptionOfChecksAsksForThem(t *testing.T) {
	t.Parallel()
	for options, want := range map[string]bool{
		"": false, "health_timeout 1s": false, "health_interval 1s": true, "health_uri /": true, "health_port 1": true, "health_tls": true,
	} {
		h := mustMake(t, "proxy 192.0.2.1:1 {\n"+options+"\n}")
		if got := h.primaries[0].up.Blank(); got != want {
			t.Errorf("%q: %v", options, got)
		}
	}
	for options, want := range map[string]upstream.Options{
		"":                                  {MaxFails: 3, FailFor: 10 * time.Second},
		"max_fails off\nfail_duration 3s":   {},
		"max_fails 1\nfail_duration 3s":     {MaxFails: 1, FailFor: 3 * time.Second},
		"health_port 1\nclose_if_unhealthy": {MaxFails: 3, FailFor: 10 * time.Second, Checked: true, CloseIfUnhealthy: true},
		"health_port 1\nmax_fails 2":        {MaxFails: 2, FailFor: 10 * time.Second, Checked: true},
	} {
		n, err := parse(t, "proxy 192.0.2.1:1 {\n"+options+"\n}")
		if err != nil {
			t.Fatal(err)
		}
		s, err := read(n, placing{})
		got := upstream.Options{MaxFails: s.maxFails, FailFor: s.failFor.Duration, Checked: s.checked(), CloseIfUnhealthy: s.check.close}
		if got.MaxFails == 0 {
			got.FailFor = 0
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v (-want +got):\n%s", options, err, diff)
		}
	}
}

func TestProspectsAreNamedInTheirOrderWithPlaceholdersFilledIn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"proxy 192.0.2.1:1 a.example:2":                                       "192.0.2.1:1, a.example:2",
		"proxy {\nupstream 192.0.2.1:1 {\nbackup\n}\nupstream unix//run/a\n}": "unix//run/a, 192.0.2.1:1",
		"proxy {vars.x}:{vars.port}":                                          "a.example:8443",
		"proxy {vars.x}.b.example:1":                                          "a.example.b.example:1",
		"proxy {\nupstream {\ndial {vars.x}:1 192.0.2.1:2\n}\n}":              "a.example:1 192.0.2.1:2",
		"proxy {\nupstream {\ndial 192.0.2.1:2 {vars.x}:1\n}\n}":              "192.0.2.1:2 a.example:1",
		"proxy {vars.x}:1 {\nallow *.example\n}":                              "a.example:1",
		"proxy {vars.x}:1 {\nallow b.example\n}":                              "connecting to a.example: allow does not name it",
		"proxy {vars.ip}:1 {\nallow 10.0.0.0/8\n}":                            "10.1.1.1:1",
		"proxy {vars.ip}:1 {\nallow 10.2.0.0/16\n}":                           "connecting to 10.1.1.1:1 (10.1.1.1): allow names neither",
		"proxy {vars.none}:1":                                                 "filling in {vars.none}:1: ",
	} {
		v := client("203.0.113.1:1", nil)
		set(v, "x", "a.example")
		set(v, "port", "8443")
		set(v, "ip", "10.1.1.1")
		all, err := mustMake(t, text).Prospects(v)
		got := strings.Join(all, ", ")
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) || err == nil && got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// A limit that is switched off is none, whatever its default.
func TestLimitsThatAreOffAreNone(t *testing.T) {
	t.Parallel()
	for option, field := range map[string]func(*settings) *limit{
		"idle_timeout":       func(s *settings) *limit { return &s.idle },
		"half_close_timeout": func(s *settings) *limit { return &s.halfClose },
		"max_lifetime":       func(s *settings) *limit { return &s.lifetime },
		"fail_duration":      func(s *settings) *limit { return &s.failFor },
		"lb_try_duration":    func(s *settings) *limit { return &s.tryFor },
		"lb_try_interval":    func(s *settings) *limit { return &s.tryEvery },
		"connect_timeout":    func(s *settings) *limit { return &s.connect },
		"health_timeout":     func(s *settings) *limit { return &s.healthTimeout },
		"health_interval":    func(s *settings) *limit { return &s.check.every },
	} {
		for word, want := range map[string]time.Duration{"off": 0, "90s": 90 * time.Second, "1ms": time.Millisecond} {
			n, err := parse(t, "proxy 192.0.2.1:1 {\n"+option+" "+word+"\n}")
			if err != nil && word == "off" {
				continue // it cannot be switched off
			}
			if err != nil {
				t.Fatal(err)
			}
			s, err := read(n, placing{})
			if got := field(&s); err != nil || got.Duration != want || got.pos.Line != 2 {
				t.Errorf("%s %s: %v at %v, %v", option, word, got.Duration, got.pos, err)
			}
		}
	}
}

// The first connection goes to the first address, as the resolver has ordered them, and
// connections take turns from there.
func TestTheFirstAddressOfANameIsTheResolvers(t *testing.T) {
	t.Parallel()
	list := addrs("192.0.2.1", "192.0.2.2", "192.0.2.3")
	h, err := (&builder{}).make(t, "proxy a.example:443", func(context.Context, string, string) ([]netip.Addr, error) { return list, nil })
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for range 4 {
		d, err := h.PlanWait(t.Context(), client("203.0.113.1:1", nil), nil)
		if err != nil {
			t.Fatal(err)
		}
		d.Dropped()
		got = append(got, d.Addr.Addr().String())
	}
	if diff := cmp.Diff([]string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.1"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAChosenNameWithoutAnAddressOfTheFamilyIsSaid(t *testing.T) {
	t.Parallel()
	look := func(context.Context, string, string) ([]netip.Addr, error) { return addrs("198.51.100.1"), nil }
	h, err := (&builder{}).make(t, "proxy {\nupstream {vars.x}:1 {\nresolver_preference ipv6_only\n}\nallow *.example\n}", look)
	if err != nil {
		t.Fatal(err)
	}
	v := client("203.0.113.1:1", nil)
	set(v, "x", "a.example")
	const want = "connecting to a.example: it has no address of the family that resolver_preference or local_addr asks for"
	if d, err := h.PlanWait(t.Context(), v, nil); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, %v", d.Addr, err)
	}
	v = client("203.0.113.1:1", nil)
	if _, err := h.Prospects(v); err == nil || !strings.HasSuffix(err.Error(), "filling in {vars.x}:1: expanding {vars.x}: the connection has no such fact") {
		t.Errorf("without the variable: %v", err)
	}
}

// What is one plain connection stays what it is; where the handshake fails, no other
// address is connected to.
func TestOnlyWhatIsSeveralConnectionsBecomesAFan(t *testing.T) {
	t.Parallel()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	v := client("203.0.113.1:1", nil)
	if conn, err := (&dialer{}).extend(t.Context(), v, a, place{network: "tcp"}); conn != a || err != nil {
		t.Errorf("%T, %v", conn, err)
	}
	why := errors.New("why")
	d := &dialer{secured: mustMake(t, "proxy {\nupstream 192.0.2.1:1 {\ntls\n}\n}").primaries[0].dialer.secured, also: []target{nowhere{}}}
	e := &ear{err: why}
	if conn, err := d.extend(t.Context(), v, e, place{network: "tcp", host: "a.example"}); conn != nil || !errors.Is(err, why) || !e.closed {
		t.Errorf("%v, %v, closed %v", conn, err, e.closed)
	}
	f := &fan{running: 2, over: make(chan struct{})}
	f.leave(fmt.Errorf("reading: %w", io.EOF))
	if f.failed != nil {
		t.Errorf("one has ended: %v", f.failed)
	}
	if f.leave(io.EOF); f.failed != io.EOF {
		t.Errorf("all have ended: %v", f.failed)
	}
}

// nowhere is a target that nobody may ask for.
type nowhere struct{}

func (nowhere) find(context.Context, host.View, *upstream.Attempts, bool) (place, error) {
	panic("it is looked for")
}

// The files of a certificate or of authorities are part of what an upstream is: with others
// it is another one.
func TestOtherCertificatesAreAnotherUpstream(t *testing.T) {
	t.Parallel()
	_, file := secureServer(t)
	b := &builder{Builder: hosttest.Builder{Store: new(share.Store)}}
	path := filepath.Join(t.TempDir(), "ca.pem")
	var ups []*upstream.Upstream
	one, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{one, one, append(one, one...)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := b.make(t, "proxy {\nupstream 192.0.2.1:1 {\ntls_trust_pool "+path+"\n}\n}", nil)
		if err != nil {
			t.Fatal(err)
		}
		ups = append(ups, h.primaries[0].up)
	}
	if ups[0] != ups[1] || ups[1] == ups[2] {
		t.Errorf("the same: %v, another: %v", ups[0] == ups[1], ups[1] != ups[2])
	}
}

func TestEveryTLSOptionImpliesTLS(t *testing.T) {
	t.Parallel()
	found := 0
	for _, o := range upstreamOptions() {
		if strings.HasPrefix(o.Spec.Name, "tls_") {
			if found++; o.Spec.Implies != "tls" {
				t.Errorf("%s implies %q", o.Spec.Name, o.Spec.Implies)
			}
		}
	}
	if found < 8 {
		t.Errorf("%d options", found)
	}
}

// One primary is enough for its backups to be others.
func TestWeightsOfBackupsBehindOnePrimary(t *testing.T) {
	t.Parallel()
	h := mustMake(t, "proxy {\nlb_policy weighted_round_robin\nto 10.0.0.1:1\nupstream 10.0.1.1:1 {\nbackup\n}\nupstream 10.0.1.2:1 {\nbackup\nweight 3\n}\n}")
	h.primaries[0].up.SetHealthy(false)
	if diff := cmp.Diff([]int{1, 0, 1, 1}, turns(t, h, h.backups, 4)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOneCheckDecidesWhereNothingElseIsWritten(t *testing.T) {
	t.Parallel()
	for options, want := range map[string][2]int{"": {1, 1}, "health_fall 3\nhealth_rise 2": {3, 2}} {
		k := checkerOf(t, "proxy 192.0.2.1:1 {\nhealth_interval 1m\n"+options+"\n}")
		if k.fall != want[0] || k.rise != want[1] || k.every != time.Minute || k.timeout != 5*time.Second {
			t.Errorf("%q: %d to fall, %d to rise, every %v within %v", options, k.fall, k.rise, k.every, k.timeout)
		}
	}
}

// looked is a view that has its attempts followed.
type looked struct {
	host.View
	over int
}

func (l *looked) Check(_ context.Context, d *upstream.Dial) error { d.Hop = l; return nil }
func (*looked) Stood(net.Addr)                                    {}
func (l *looked) Over()                                           { l.over++ }

func TestAConnectionBesideOneOfASessionTellsItsEnd(t *testing.T) {
	t.Parallel()
	s := serve(t, "x")
	v := &looked{View: client("203.0.113.1:1", nil)}
	d := &dialer{timeout: time.Minute}
	conn, _, err := d.dial(t.Context(), v, &fixed{place{network: "tcp", addr: netip.MustParseAddrPort(s.addr)}}, nil)
	if err != nil || v.over != 0 {
		t.Fatalf("%v, over %d", err, v.over)
	}
	f := conn.(*followed)
	if err := f.CloseWrite(); err != nil || f.NetConn() == nil {
		t.Error(err)
	}
	if text, err := io.ReadAll(conn); string(text) != "x" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if _ = conn.Close(); v.over != 1 {
		t.Errorf("told %d times", v.over)
	}
	if err := (&followed{Conn: struct{ net.Conn }{conn}}).CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("of a connection that has none: %v", err)
	}
}

// PROXY protocol, version 2, section 2.2: LOCAL, UNSPEC, no addresses.
func TestTheHeaderOfNobodyHasNoAddresses(t *testing.T) {
	t.Parallel()
	const signature = "\r\n\r\n\x00\r\nQUIT\n"
	for v, want := range map[version]string{v1: "PROXY UNKNOWN\r\n", v2: signature + "\x20\x00\x00\x00"} {
		if got := string(v.header(netip.AddrPort{}, netip.AddrPort{})); got != want {
			t.Errorf("version %d: %q, want %q", v, got, want)
		}
	}
}

// The first answer is one, whoever asked for it.
func TestTheAnswerThatAConnectionAskedForCounts(t *testing.T) {
	t.Parallel()
	r := newResolver("a.example", pooled(func(context.Context, string, string) ([]netip.Addr, error) { return addrs("192.0.2.1"), nil }))
	if _, err := r.addrs(t.Context(), false); !errors.Is(err, host.ErrBlocks) || r.number() != 0 {
		t.Errorf("%v, answer %d", err, r.number())
	}
	for range 2 {
		if a, err := r.addrs(t.Context(), true); err != nil || len(*a) != 1 || r.number() != 1 {
			t.Errorf("%v, answer %d", err, r.number())
		}
	}
}
