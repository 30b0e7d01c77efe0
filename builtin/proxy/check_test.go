package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/upstream"
)

// start runs the actors of a builder until the test ends.
func start(t *testing.T, b *builder, lines *logs) {
	t.Helper()
	ctx, cancel := context.WithCancel(host.WithLog(context.Background(), lines.logger()))
	var running sync.WaitGroup
	for _, a := range b.Actors() {
		running.Go(func() {
			if err := a.Run(ctx); err != nil {
				t.Errorf("actor: %v", err)
			}
		})
	}
	t.Cleanup(func() { cancel(); running.Wait() })
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.NewTimer(hosttest.Limit)
	defer end.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("%s: not within %v", what, hosttest.Limit)
		}
	}
}

func TestChecksFindADeadUpstreamAndOneThatReturned(t *testing.T) {
	t.Parallel()
	up := serve(t, "a")
	b := &builder{}
	h, err := b.make(t, "proxy "+up.addr+" {\nhealth_interval 5ms\nhealth_timeout 20s\n}", nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := &logs{}
	start(t, b, lines)
	state := func() upstream.Health { return h.primaries[0].up.State().Health }
	eventually(t, "a check", func() bool { return up.count() > 2 })
	if state() != upstream.Up {
		t.Error("it is not up")
	}
	up.stop()
	eventually(t, "unhealthy", func() bool { return state() == upstream.Unfit })
	again := serveAt(t, "a", up.addr)
	eventually(t, "healthy", func() bool { return state() == upstream.Up })
	eventually(t, "more checks", func() bool { return again.count() > 3 })
	if lines.count("upstream is unhealthy") != 1 || lines.count("upstream is healthy again") != 1 {
		t.Errorf("log:\n%s", lines.b.String())
	}
}

func TestHTTPChecksWantTwoOrThreeHundred(t *testing.T) {
	t.Parallel()
	var code atomic.Int32
	var asked atomic.Pointer[http.Request]
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r)
		w.Header().Set("Location", "http://127.0.0.1:1/")
		w.WriteHeader(int(code.Load()))
	}))
	defer web.Close()
	addr := strings.TrimPrefix(web.URL, "http://")
	b := &builder{}
	// Traffic goes to a port where nobody is; the checks go elsewhere.
	_, port, _ := strings.Cut(addr, ":")
	if _, err := b.make(t, "proxy "+refusing(t)+" {\nhealth_port "+port+"\nhealth_uri /ok?x=1\nhealth_timeout 10s\n}", nil); err != nil {
		t.Fatal(err)
	}
	var k *checker
	for _, a := range b.Actors() {
		k = a.(*checker)
	}
	for c, want := range map[int32]bool{200: true, 204: true, 301: true, 399: true, 400: false, 404: false, 500: false, 503: false} {
		code.Store(c)
		if err := k.check(t.Context()); (err == nil) != want {
			t.Errorf("%d: %v", c, err)
		}
	}
	r := asked.Load()
	got := []string{r.Method, r.RequestURI, r.Host, r.UserAgent(), r.Header.Get("Connection")}
	if diff := cmp.Diff([]string{"GET", "/ok?x=1", addr, "dwaar-health-check", "close"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnUpstreamThatAnswersNothingFailsItsCheckInTime(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := &builder{}
	if _, err := b.make(t, "proxy "+l.Addr().String()+" {\nhealth_uri /\nhealth_timeout 20ms\n}", nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Actors()[0].(*checker).check(t.Context()); err == nil {
		t.Error("it is taken for well")
	}
}

func TestVerdictsNeedTheirNumberInARow(t *testing.T) {
	t.Parallel()
	up := upstream.New("x", upstream.Options{})
	k := &checker{up: up, fall: 2, rise: 3}
	lines := &logs{}
	var s streak
	var got strings.Builder
	for _, result := range "-+--+--++-+++-" {
		var err error
		if result == '-' {
			err = io.ErrUnexpectedEOF
		}
		k.note(&s, err, lines.logger())
		got.WriteByte(up.State().Health.String()[1])
	}
	// The second letters of up and unhealthy.
	if diff := cmp.Diff("pppnnnnnnnnnpp", got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if lines.count("unhealthy") != 1 || lines.count("healthy again") != 1 {
		t.Errorf("log:\n%s", lines.b.String())
	}
}

func TestConnectionsOfAnUnhealthyUpstreamEndIfTheyShall(t *testing.T) {
	t.Parallel()
	for option, want := range map[string]string{"close_if_unhealthy": "upstream.relay.unhealthy", "": "client.relay.closed"} {
		up := serve(t, "a")
		h := mustMake(t, "proxy "+up.addr+" {\nhealth_interval 1h\n"+option+"\n}")
		h.primaries[0].up.SetHealthy(true)
		s := hosttest.Serve(t, h, nil)
		var conns []net.Conn
		for range 3 {
			conn, err := net.Dial("tcp", s.Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
		}
		h.primaries[0].up.SetHealthy(false)
		if option == "" {
			for _, conn := range conns {
				_ = conn.Close()
			}
		}
		for range conns {
			if o := s.Outcome(t); o.Code.String() != want {
				t.Errorf("ended %v, want %s", o.Code, want)
			}
		}
		if n := h.primaries[0].up.Conns(); n != 0 {
			t.Errorf("%d are left", n)
		}
	}
}

func TestAConnectionThatStandsJustAfterTheVerdictEndsToo(t *testing.T) {
	t.Parallel()
	up := serve(t, "a")
	h := mustMake(t, "proxy "+up.addr+" {\nhealth_interval 1h\nclose_if_unhealthy\n}")
	h.primaries[0].up.SetHealthy(true)
	s := hosttest.Serve(t, handler(func(ctx context.Context, c host.Conn, _ host.Next) error {
		return c.Connect(ctx, late{h})
	}), nil)
	exchange(t, s.Addr, "")
	if o := s.Outcome(t); o.Code.String() != "upstream.relay.unhealthy" {
		t.Errorf("ended %v", o.Code)
	}
}

// late is a handler whose upstream gets sick between its choice and the dial.
type late struct{ *Handler }

func (l late) Plan(c host.View, last error) (upstream.Dial, error) {
	d, err := l.Handler.Plan(c, last)
	l.primaries[0].up.SetHealthy(false)
	return d, err
}

func TestChecksSendAHeaderThatNamesNobody(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		b, _ := io.ReadAll(conn)
		got <- string(b)
	}()
	b := &builder{}
	if _, err := b.make(t, "proxy "+l.Addr().String()+" {\nproxy_protocol v1\nhealth_interval 1h\n}", nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Actors()[0].(*checker).check(t.Context()); err != nil {
		t.Error(err)
	}
	if got := <-got; got != "PROXY UNKNOWN\r\n" {
		t.Errorf("got %q", got)
	}
}

func TestOnlyOneOfTwoGraphsChecks(t *testing.T) {
	t.Parallel()
	k := &checker{turn: newTurn()}
	if !k.turn.take(t.Context()) {
		t.Fatal("the turn is nobody's and cannot be had")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Run(ctx); err != nil {
		t.Error(err)
	}
}
