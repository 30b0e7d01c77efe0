package proxy

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"dwaar.dev/dwaar/host"
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
	return s.check.every.Duration > 0 || s.check.uri != "" || s.check.port > 0
}

func (s *settings) checkEvery() time.Duration { return cmp.Or(s.check.every.Duration, defaultEvery) }

func (s *settings) checkTimeout() time.Duration {
	return cmp.Or(s.healthTimeout.Duration, min(s.checkEvery(), longestCheck))
}

// checkChecks refuses options of checks that nothing would make.
func (s *settings) checkChecks(n *sdk.Node) error {
	if s.checked() {
		return nil
	}
	var errs sdk.Errors
	for _, name := range [...]string{"health_fall", "health_rise", "close_if_unhealthy"} {
		if o := n.Find(name); o != nil {
			errs.Add(o.Pos, sdk.Errorf(o.Pos, "%s means nothing without checks: write health_interval 10s", name))
		}
	}
	return errs.Err()
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
	var s streak
	// The first verdict is wanted soon, but not all of them at once.
	pause := time.Duration(rand.Int64N(int64(min(k.every/10, time.Second)) + 1))
	for upstream.Pause(ctx, pause) == nil {
		err := k.check(ctx)
		if ctx.Err() != nil {
			return nil
		}
		k.note(&s, err, host.Log(ctx))
		pause = jitter(k.every)
	}
	return nil
}

// streak is how many checks in a row had the same result.
type streak struct{ good, bad int }

// note draws the conclusion from one more check.
func (k *checker) note(s *streak, err error, log *slog.Logger) {
	if err == nil {
		s.good, s.bad = s.good+1, 0
	} else {
		s.good, s.bad = 0, s.bad+1
	}
	switch {
	case s.good >= k.rise && k.up.SetHealthy(true):
		log.Info("upstream is healthy again", slog.String("upstream", k.up.Name))
	case s.bad >= k.fall && k.up.SetHealthy(false):
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
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	for _, t := range k.targets {
		if err := k.ask(ctx, t); err != nil {
			return fmt.Errorf("checking: %w", err)
		}
	}
	return nil
}

func (k *checker) ask(ctx context.Context, t target) error {
	var header []byte
	if k.dialer.header != noHeader && k.port == 0 {
		header = k.dialer.header.header(netip.AddrPort{}, netip.AddrPort{})
	}
	if k.port > 0 {
		t = &elsewhere{t, k.port}
	}
	conn, err := k.dialer.dial(ctx, nil, t, header)
	if err != nil {
		return err
	}
	defer conn.Close()
	if k.uri == "" {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	return k.get(conn)
}

// maxAnswer is more than the header of any answer to a check.
const maxAnswer = 64 << 10

// get asks for the URI. Redirects are good and not followed.
func (k *checker) get(conn io.ReadWriter) error {
	asked := "GET " + k.uri + " HTTP/1.1\r\nHost: " + k.hostHeader() +
		"\r\nUser-Agent: dwaar-health-check\r\nAccept: */*\r\nConnection: close\r\n\r\n"
	if _, err := io.WriteString(conn, asked); err != nil {
		return fmt.Errorf("asking for %s: %w", k.uri, err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxAnswer)), &http.Request{Method: http.MethodGet})
	if err != nil {
		return fmt.Errorf("reading the answer to GET %s: %w", k.uri, err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 399 {
		return fmt.Errorf("GET %s was answered by %s", k.uri, answer.Status)
	}
	return nil
}

// hostHeader is the upstream's name, which is what a client would have asked for.
func (k *checker) hostHeader() string {
	name, _, _ := strings.Cut(k.up.Name, " ")
	if network, rest, ok := strings.Cut(name, "/"); ok {
		if network == "unix" {
			return "localhost"
		}
		name = rest
	}
	return name
}

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
