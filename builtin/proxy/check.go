package proxy

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// checkSettings are the options of active health.
type checkSettings struct {
	every      limit
	port       uint16 // 0: the port of the connections
	uri        string // "": connecting is enough
	fall, rise int    // 0: 1
	close      bool
	tls        *entry // the TLS options of checks where connections have no TLS; nil: none
}

// setHealthTLS reads "health_tls { … }", whose options are those of TLS to an upstream.
func (s *settings) setHealthTLS(n *sdk.Node) error {
	u := newUpstream(n.Pos)
	err := sdk.Apply(&u, n.Block, checkTLSOptions())
	u.note(n.Block)
	u.tls.on = true
	s.check.tls = &u
	if err == nil && u.tls.name != nil && len(u.tls.name.Facts()) > 0 {
		err = errNoFacts(n.Pos, "tls_server_name")
	}
	return err
}

// errNoFacts is the error of checks whose option has a placeholder.
func errNoFacts(p sdk.Pos, option string) error {
	return sdk.Errorf(p, "a check has no connection to fill %s in from: write it without placeholders, or no health_ options", option)
}

func (s *settings) setHealthPort(n *sdk.Node) error {
	port, err := parsePort(n.Args[0].Text)
	if err != nil {
		return sdk.Errorf(n.Args[0].Pos, "health_port: %s is no port: write a number from 1 to 65535", n.Args[0].Text)
	}
	s.check.port = port
	return nil
}

func (s *settings) setHealthURI(n *sdk.Node) error {
	w := n.Args[0]
	if !strings.HasPrefix(w.Text, "/") || strings.ContainsFunc(w.Text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return sdk.Errorf(w.Pos, "health_uri %q is no path: write /health", w.Text)
	}
	s.check.uri = w.Text
	return nil
}

// checked reports whether there are active checks.
func (s *settings) checked() bool {
	return s.check.every.Duration > 0 || s.check.uri != "" || s.check.port > 0 || s.check.tls != nil
}

func (s *settings) checkEvery() time.Duration { return cmp.Or(s.check.every.Duration, defaultEvery) }

func (s *settings) checkTimeout() time.Duration {
	return cmp.Or(s.healthTimeout.Duration, min(s.checkEvery(), longestCheck))
}

// checkChecks refuses options of checks that would do nothing.
func (s *settings) checkChecks(n *sdk.Node) error {
	if s.checked() {
		return s.checkHealthTLS(n)
	}
	var errs sdk.Errors
	for _, name := range [...]string{"health_fall", "health_rise", "close_if_unhealthy"} {
		if o := n.Find(name); o != nil {
			errs.Add(o.Pos, sdk.Errorf(o.Pos, "%s means nothing without checks: write health_interval 10s", name))
		}
	}
	return errs.Err()
}

// checkHealthTLS refuses health_tls where all connections have TLS.
func (s *settings) checkHealthTLS(n *sdk.Node) error {
	if s.check.tls == nil {
		return nil
	}
	for i := range s.upstreams {
		if u := &s.upstreams[i]; !u.tls.on || len(u.tls.except) > 0 {
			return nil
		}
	}
	return sdk.Errorf(n.Find("health_tls").Pos, "health_tls is for upstreams without TLS: the checks of these use their own tls_ options: leave it out")
}

// maxChecks is how many checks of all upstreams run at once.
const maxChecks = 64

// checker asks an upstream in regular intervals whether it is well.
type checker struct {
	up         *upstream.Upstream
	dialer     dialer
	targets    []target // all must be well
	port       uint16
	uri        string
	every      time.Duration
	timeout    time.Duration
	fall, rise int
	slots      chan struct{} // shared by all checkers
	turn       turn
}

// Run checks until ctx is done. Of several graphs that share the upstream, the one
// that was first checks it.
func (k *checker) Run(ctx context.Context) error {
	if !k.turn.take(ctx) {
		return nil
	}
	defer k.turn.giveBack()
	defer k.up.Uncheck()
	var s streak
	for {
		err := k.check(ctx)
		if ctx.Err() != nil {
			return nil
		}
		k.note(&s, err, host.Log(ctx))
		if upstream.Pause(ctx, jitter(k.every)) != nil {
			return nil
		}
	}
}

// streak is how many checks in a row had the same result.
type streak struct{ good, bad int }

// note draws the conclusion from one more check. The first one decides by itself.
func (k *checker) note(s *streak, err error, log *slog.Logger) {
	if err == nil {
		s.good, s.bad = s.good+1, 0
	} else {
		s.good, s.bad = 0, s.bad+1
	}
	first := k.up.Blank()
	switch {
	case (first && err == nil || s.good >= k.rise) && k.up.SetHealthy(true):
		log.Info("upstream is healthy again", slog.String("upstream", k.up.Name))
	case (first && err != nil || s.bad >= k.fall) && k.up.SetHealthy(false):
		log.Warn("upstream is unhealthy", slog.String("upstream", k.up.Name), slog.Any("error", err))
	}
}

// check makes one check. It waits for its slot at most as long as it may take.
func (k *checker) check(ctx context.Context) error {
	select {
	case k.slots <- struct{}{}:
		defer func() { <-k.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	limited, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	for _, t := range k.targets {
		conn, err := k.ask(limited, t)
		rest := ctx
		if limited.Err() != nil {
			rest = limited // who has said nothing in time has nothing to say
		}
		part(rest, conn)
		if err != nil {
			return fmt.Errorf("checking: %w", err)
		}
	}
	return nil
}

// ask checks one address. The caller parts with the connection, which is nil if there is
// nothing to part with.
func (k *checker) ask(ctx context.Context, t target) (net.Conn, error) {
	var header []byte
	if k.dialer.header != noHeader && k.port == 0 {
		header = k.dialer.header.header(netip.AddrPort{}, netip.AddrPort{})
	}
	if k.port > 0 {
		t = &elsewhere{t, k.port}
	}
	conn, p, err := k.dialer.dial(ctx, nil, t, header)
	if err != nil || k.uri == "" {
		return conn, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	return conn, k.get(conn, p)
}

// The limits of what an upstream says to a check that has its result already.
const (
	partingTime  = time.Second
	partingBytes = 4 << 20
)

// part closes the connection of a check, if there is one, as a client that is done with it:
// it tells that nothing more comes, and takes what there is to take. A socket that is
// closed with something unread resets the connection, which servers log and count.
func part(ctx context.Context, conn net.Conn) {
	if conn == nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(partingTime))
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	farewell(conn)
	if secure, ok := conn.(relay.NetConner); ok {
		farewell(secure.NetConn()) // behind close_notify, which ends TLS and not TCP
	}
}

func farewell(conn net.Conn) {
	if w, ok := conn.(relay.CloseWriter); ok && w.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, conn, partingBytes)
	}
}

// maxAnswer is more than the header of any answer to a check.
const maxAnswer = 64 << 10

// get asks for the URI, of the server at p. Redirects are good and not followed.
func (k *checker) get(conn io.ReadWriter, p place) error {
	asked := "GET " + k.uri + " HTTP/1.1\r\nHost: " + hostHeader(p, k.dialer.tls(nil, p) != nil) +
		"\r\nUser-Agent: dwaar-health-check\r\nAccept: */*\r\nConnection: close\r\n\r\n"
	if _, err := io.WriteString(conn, asked); err != nil {
		return fmt.Errorf("asking for %s: %w", k.uri, err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxAnswer)), &http.Request{Method: http.MethodGet})
	if err != nil {
		return fmt.Errorf("reading the answer to GET %s: %w", k.uri, err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 399 {
		return fmt.Errorf("GET %s was answered by %s", k.uri, answer.Status)
	}
	return nil
}

// hostHeader returns whom a request that goes to p asks for, as a browser would: the host
// as configured, and the port that is asked unless it is the scheme's own (RFC 9110, section
// 7.2).
func hostHeader(p place, secure bool) string {
	if p.network == "unix" {
		return "localhost"
	}
	name := p.host
	if ip, err := netip.ParseAddr(name); err == nil && ip.Is6() {
		name = "[" + ip.WithZone("").String() + "]" // a zone means something to this machine only
	}
	port, usual := p.addr.Port(), uint16(http80)
	if secure {
		usual = https443
	}
	if port == usual {
		return name
	}
	return name + ":" + strconv.Itoa(int(port))
}

// The ports of HTTP (RFC 9110, section 4.2).
const (
	http80   = 80
	https443 = 443
)

// elsewhere is a target on another port.
type elsewhere struct {
	target
	port uint16
}

func (e *elsewhere) find(ctx context.Context, c host.View, a *upstream.Attempts, wait bool) (place, error) {
	p, err := e.target.find(ctx, c, a, wait)
	p.addr = netip.AddrPortFrom(p.addr.Addr(), e.port)
	return p, err
}
