package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/host/upstream"
)

func TestAConnectionIsRelayedWithItsHead(t *testing.T) {
	t.Parallel()
	up := serve(t, "a:")
	h := mustMake(t, "proxy "+up.addr)
	peeked := handler(func(ctx context.Context, c host.Conn, next host.Next) error {
		if err := c.Peek(5); err != nil {
			return err
		}
		return h.Handle(ctx, c, next)
	})
	s := hosttest.Serve(t, peeked, nil)
	if got := exchange(t, s.Addr, "hello"); got != "a:hello" {
		t.Errorf("got %q", got)
	}
	o := s.Outcome(t)
	if o.Code.String() != "client.relay.closed" || o.Up != 5 || o.Down != 7 {
		t.Errorf("ended %+v", o)
	}
	st := h.primaries[0].up.State()
	st.Since = time.Time{}
	want := upstream.State{Name: up.addr, Connects: 1, BytesUp: 5, BytesDown: 7}
	if diff := cmp.Diff(want, st); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// handler is a func as a host.Handler.
type handler func(ctx context.Context, c host.Conn, next host.Next) error

func (f handler) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	return f(ctx, c, next)
}

func TestARefusedDialGoesToTheOtherUpstreamAndLosesNoByte(t *testing.T) {
	t.Parallel()
	up := serve(t, "b:")
	for _, policy := range policyNames() {
		h := mustMake(t, fmt.Sprintf("proxy %s %s {\nlb_policy %s\nmax_fails off\n}", refusing(t), up.addr, policy))
		s := hosttest.Serve(t, h, nil)
		for range 8 {
			if got := exchange(t, s.Addr, "hello"); got != "b:hello" {
				t.Errorf("%s: got %q", policy, got)
			}
			if o := s.Outcome(t); o.Code.Why != host.Closed {
				t.Errorf("%s: ended %v", policy, o)
			}
		}
	}
}

func TestEachUpstreamIsTriedOnceWithoutTryDuration(t *testing.T) {
	t.Parallel()
	h := mustMake(t, fmt.Sprintf("proxy %s %s %s {\nmax_fails off\n}", refusing(t), refusing(t), refusing(t)))
	s := hosttest.Serve(t, h, nil)
	exchange(t, s.Addr, "x")
	o := s.Outcome(t)
	if o.Code.String() != "upstream.connect.refused" || !errors.Is(o.Err, syscall.ECONNREFUSED) {
		t.Errorf("ended %v: %v", o.Code, o.Err)
	}
	for i := range h.primaries {
		if st := h.primaries[i].up.State(); st.Failures != 1 || st.Conns != 0 {
			t.Errorf("%+v", st)
		}
	}
}

func TestWithinTryDurationAllAreTriedAgain(t *testing.T) {
	t.Parallel()
	addr := refusing(t)
	h := mustMake(t, "proxy "+addr+" {\nlb_try_duration 30s\nlb_try_interval 1ms\nmax_fails off\n}")
	c := client("192.0.2.9:1", nil)
	var last error
	for attempt := range 5 {
		d, err := h.Plan(c, last)
		if err != nil {
			t.Fatal(err)
		}
		if want := time.Duration(min(attempt, 1)) * time.Millisecond; d.After != want {
			t.Errorf("attempt %d waits %v, want %v", attempt, d.After, want)
		}
		last = syscall.ECONNREFUSED
		d.Failed(c.Log(), last)
	}
}

func TestAfterTryDurationTheLastErrorEndsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mustMake(t, "proxy 10.0.0.1:1 {\nlb_try_duration 1s\nmax_fails 1\n}")
		c := client("192.0.2.9:1", nil)
		d, err := h.Plan(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		d.Failed(c.Log(), syscall.ECONNREFUSED)
		if _, err := h.Plan(c, syscall.ECONNREFUSED); !errors.Is(err, host.ErrBlocks) {
			t.Errorf("it is out, and waiting is all there is to do: %v", err)
		}
		before := time.Now()
		_, err = h.PlanWait(t.Context(), c, syscall.ECONNREFUSED)
		if took := time.Since(before); took != time.Second || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

func TestAWaitForAnUpstreamEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mustMake(t, "proxy 10.0.0.1:1 {\nlb_try_duration 1h\n}")
		h.primaries[0].up.SetHealthy(false)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := h.PlanWait(ctx, client("", nil), nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestQuarantineTrialReturn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mustMake(t, "proxy 10.0.0.1:1 {\nmax_fails 2\nfail_duration 10s\n}")
		up := h.primaries[0].up
		refused := syscall.ECONNREFUSED
		lines := &logs{}
		attempt := func() (upstream.Dial, host.View, error) {
			c := client("192.0.2.9:1", lines.logger())
			d, err := h.Plan(c, nil)
			return d, c, err
		}
		out := func(when string) {
			t.Helper()
			var end *host.EndError
			if _, _, err := attempt(); !errors.As(err, &end) || end.Why != host.Unavailable || end.By != host.ByProxy {
				t.Errorf("%s: %v", when, err)
			}
		}
		for range 2 {
			d, c, err := attempt()
			if err != nil || d.Trial {
				t.Fatal(d.Trial, err)
			}
			d.Failed(c.Log(), refused)
		}
		for range 5 {
			out("in quarantine")
		}
		if n := lines.count("no upstream takes connections"); n != 1 {
			t.Errorf("%d warnings, want 1", n)
		}
		if s := up.State(); s.Health != upstream.Out || s.Fails != 2 {
			t.Errorf("%+v", s)
		}
		time.Sleep(10*time.Second - 1)
		out("just before its end")
		time.Sleep(time.Nanosecond)
		for range 3 { // trials that fail, one at a time
			d, c, err := attempt()
			if err != nil || !d.Trial {
				t.Fatal(d.Trial, err)
			}
			out("while another one tries")
			d.Failed(c.Log(), refused)
		}
		if s := up.State(); s.Health != upstream.OnTrial {
			t.Errorf("%+v", s)
		}
		d, c, err := attempt()
		if err != nil || !d.Trial {
			t.Fatal(d.Trial, err)
		}
		var course upstream.Course
		course.Hold(&d)
		course.Stood(c.Log())
		if s := up.State(); s.Health != upstream.Up || s.Fails != 0 || s.Conns != 1 {
			t.Errorf("%+v", s)
		}
		if lines.count("upstream is out") != 1 || lines.count("upstream takes connections again") != 1 ||
			lines.count("no upstream takes connections") != 1 {
			t.Errorf("log:\n%s", lines.b.String())
		}
		if d, _, err := attempt(); err != nil || d.Trial {
			t.Error(d.Trial, err)
		}
	})
}

func TestAnUpstreamThatDiesAndReturnsGetsItsShareBack(t *testing.T) {
	t.Parallel()
	for _, policy := range policyNames() {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			a, b := serve(t, "a"), serve(t, "b")
			h := mustMake(t, fmt.Sprintf("proxy %s %s {\nlb_policy %s\nmax_fails 2\nfail_duration 1ms\n}", a.addr, b.addr, policy))
			s := hosttest.Serve(t, h, nil)
			run := func(when string, allowed ...string) {
				for range 20 {
					if got := exchange(t, s.Addr, ""); !slices.Contains(allowed, got) {
						t.Errorf("%s: got %q", when, got)
					}
					if o := s.Outcome(t); o.Code.Why != host.Closed {
						t.Errorf("%s: %v", when, o)
					}
				}
			}
			run("both", "a", "b")
			a.stop()
			run("b alone", "b")
			back := serveAt(t, "a", a.addr)
			b.stop()
			run("a alone", "a")
			if back.count() != 20 {
				t.Errorf("a had %d connections", back.count())
			}
			for i := range h.primaries {
				if n := h.primaries[i].up.Conns(); n != 0 {
					t.Errorf("%d connections are left", n)
				}
			}
		})
	}
}

func TestBackupsTakeConnectionsOnlyWhileNoPrimaryDoes(t *testing.T) {
	t.Parallel()
	h := mustMake(t, "proxy {\nto 10.0.0.1:1 10.0.0.2:1\nupstream 10.0.0.3:1 {\nbackup\n}\n}")
	chosen := func() string {
		c := client("192.0.2.9:1", nil)
		d, err := h.Plan(c, nil)
		if err != nil {
			return err.Error()
		}
		d.Dropped()
		return d.Addr.Addr().String()
	}
	for range 10 {
		if got := chosen(); got == "10.0.0.3" {
			t.Error("a backup was chosen beside primaries")
		}
	}
	h.primaries[0].up.SetHealthy(false)
	if got := chosen(); got != "10.0.0.2" {
		t.Errorf("chose %s", got)
	}
	h.primaries[1].up.SetHealthy(false)
	if got := chosen(); got != "10.0.0.3" {
		t.Errorf("chose %s", got)
	}
	h.primaries[0].up.SetHealthy(true)
	if got := chosen(); got != "10.0.0.1" {
		t.Errorf("chose %s", got)
	}
}

func TestFullUpstreamsArePassedOver(t *testing.T) {
	t.Parallel()
	h := mustMake(t, "proxy {\nlb_policy first\nunhealthy_connection_count 3\nupstream 10.0.0.1:1 {\nmax_connections 2\n}\nto 10.0.0.2:1\n}")
	var got []string
	for range 6 {
		d, err := h.Plan(client("192.0.2.9:1", nil), nil)
		if err != nil {
			got = append(got, err.Error())
			continue
		}
		got = append(got, d.Addr.Addr().String())
	}
	want := []string{"10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.2", errFull.Error()}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var end *host.EndError
	if _, err := h.Plan(client("", nil), nil); !errors.As(err, &end) || end.Why != host.Cap {
		t.Errorf("ended by %v", err)
	}
}

func TestFullUpstreamsAreNotAWarningPerConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mustMake(t, "proxy {\nupstream 10.0.0.1:1 {\nmax_connections 1\n}\n}")
		lines := &logs{}
		for range 50 {
			d, err := h.Plan(client("", nil), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.Plan(client("", lines.logger()), nil); err == nil {
				t.Fatal("it has two")
			}
			d.Dropped()
			time.Sleep(time.Second)
		}
		if n := lines.count("no upstream takes connections"); n != 5 {
			t.Errorf("%d warnings in 50 s", n)
		}
	})
}

func TestANameThatFailsAtOnceIsNotAskedForWithoutEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		h, err := (&builder{}).make(t, "proxy db.example:1 {\nlb_try_duration 1s\nmax_fails off\n}",
			func(context.Context, string, string) ([]netip.Addr, error) { asked++; return nil, io.ErrUnexpectedEOF })
		if err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		_, err = h.PlanWait(t.Context(), client("", nil), nil)
		if took := time.Since(before); asked != 2 || took != time.Second || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("asked %d times in %v: %v", asked, took, err)
		}
	})
}

func TestMaxConnectionsHoldsUnderConcurrency(t *testing.T) {
	t.Parallel()
	h := mustMake(t, "proxy {\nupstream 10.0.0.1:1 {\nmax_connections 7\n}\n}")
	up := h.primaries[0].up
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				d, err := h.Plan(client("", nil), nil)
				if n := up.Conns(); n > 7 {
					t.Errorf("%d connections", n)
				}
				if err == nil {
					d.Dropped()
				}
			}
		})
	}
	all.Wait()
	if n := up.Conns(); n != 0 {
		t.Errorf("%d are left", n)
	}
}

func TestLeastConnCountsExactlyUnderStress(t *testing.T) {
	t.Parallel()
	ups := []*server{serve(t, "a"), serve(t, "b"), serve(t, "c")}
	h := mustMake(t, fmt.Sprintf("proxy %s %s %s {\nlb_policy least_conn\n}", ups[0].addr, ups[1].addr, ups[2].addr))
	s := hosttest.Serve(t, h, nil)
	const workers, rounds = 9, 40
	var all sync.WaitGroup
	held := make(chan net.Conn, workers)
	for range workers {
		all.Go(func() {
			for range rounds - 1 {
				exchange(t, s.Addr, "x")
			}
			conn, err := net.Dial("tcp", s.Addr)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil { // the greeting: it stands
				t.Error(err)
			}
			held <- conn
		})
	}
	all.Wait()
	for range workers * (rounds - 1) {
		s.Outcome(t)
	}
	sum, connects := int64(0), uint64(0)
	for i := range h.primaries {
		st := h.primaries[i].up.State()
		sum, connects = sum+st.Conns, connects+st.Connects
	}
	if sum != workers || connects != workers*rounds {
		t.Errorf("%d open of %d, want %d of %d", sum, connects, workers, workers*rounds)
	}
	close(held)
	for conn := range held {
		_ = conn.Close()
	}
	for range workers {
		s.Outcome(t)
	}
	for i := range h.primaries {
		if n := h.primaries[i].up.Conns(); n != 0 {
			t.Errorf("%d are left", n)
		}
	}
}

func TestAReloadKeepsWhatIsKnownOfAnUpstream(t *testing.T) {
	t.Parallel()
	store := new(share.Store)
	load := func(text string) *Handler {
		b := &builder{}
		b.Store = store
		h, err := b.make(t, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	was := load("proxy 10.0.0.1:1 10.0.0.2:1")
	if load("proxy 10.0.0.2:1 {\nlb_policy first\n}").primaries[0].up != was.primaries[1].up {
		t.Error("another policy made another upstream")
	}
	if load("proxy 10.0.0.2:1 {\nmax_fails 1\n}").primaries[0].up == was.primaries[1].up {
		t.Error("upstreams with other health options are the same")
	}
}

func TestUnixSocketsAreUpstreams(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.Copy(conn, conn)
	}()
	s := hosttest.Serve(t, mustMake(t, "proxy unix/"+path), nil)
	if got := exchange(t, s.Addr, "hello"); got != "hello" {
		t.Errorf("got %q", got)
	}
	<-done
}

func TestLocalAddrIsWhereConnectionsComeFrom(t *testing.T) {
	t.Parallel()
	up := serve(t, "a")
	s := hosttest.Serve(t, mustMake(t, "proxy {\nupstream "+up.addr+" {\nlocal_addr 127.0.0.7\n}\n}"), nil)
	if got := exchange(t, s.Addr, ""); got != "a" {
		t.Fatalf("got %q", got)
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	if got := up.conns[0].RemoteAddr().String(); !strings.HasPrefix(got, "127.0.0.7:") {
		t.Errorf("came from %s", got)
	}
}

func TestALocalAddressThatIsNotOursHasItsOwnCode(t *testing.T) {
	t.Parallel()
	h := mustMake(t, "proxy {\nupstream "+serve(t, "a").addr+" {\nlocal_addr 192.0.2.77\n}\n}")
	s := hosttest.Serve(t, h, nil)
	exchange(t, s.Addr, "")
	if o := s.Outcome(t); o.Code.String() != "proxy.connect.no_address" {
		t.Errorf("ended %v: %v", o.Code, o.Err)
	}
	if st := h.primaries[0].up.State(); st.Failures != 0 || st.Conns != 0 {
		t.Errorf("it is not the upstream's fault: %+v", st)
	}
}

func TestAConnectTimeoutIsTheUpstreams(t *testing.T) {
	t.Parallel()
	// A full backlog answers nothing.
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 4 {
		if conn, err := net.DialTimeout("tcp", addr, 50*time.Millisecond); err == nil {
			defer conn.Close()
		}
	}
	for option, want := range map[string]time.Duration{
		"health_timeout 40ms":                        40 * time.Millisecond,
		"health_timeout 1h\nconnect_timeout 40ms":    40 * time.Millisecond,
		"connect_timeout 40ms\nhealth_interval 100s": 40 * time.Millisecond,
	} {
		h := mustMake(t, "proxy "+addr+" {\n"+option+"\n}")
		if h.timeout != want {
			t.Errorf("%s: the limit is %v", option, h.timeout)
		}
		s := hosttest.Serve(t, h, nil)
		exchange(t, s.Addr, "x")
		if o := s.Outcome(t); o.Code.String() != "upstream.connect.timeout" {
			t.Errorf("%s: ended %v: %v", option, o.Code, o.Err)
		}
	}
}

func TestAKilledConnectionDoesNotWaitForItsUpstream(t *testing.T) {
	t.Parallel()
	h := mustMake(t, "proxy 10.0.0.1:1 {\nlb_try_duration 1h\n}")
	h.primaries[0].up.SetHealthy(false)
	var s *hosttest.Server
	ready := make(chan struct{})
	s = hosttest.Serve(t, handler(func(ctx context.Context, c host.Conn, next host.Next) error {
		<-ready
		go s.Kill()
		return h.Handle(ctx, c, next)
	}), nil)
	close(ready)
	exchange(t, s.Addr, "")
	if o := s.Outcome(t); o.Code.String() != "operator.connect.killed" {
		t.Errorf("ended %v: %v", o.Code, o.Err)
	}
}

func TestPlanAllocatesNothing(t *testing.T) {
	const members = "10.0.0.1:1 10.0.0.2:1 [2001:db8::1]:1"
	for _, policy := range policyNames() {
		h := mustMake(t, "proxy "+members+" {\nlb_policy "+policy+"\n}")
		c := client("192.0.2.9:1", nil)
		n := testing.AllocsPerRun(200, func() {
			*c.Attempts() = upstream.Attempts{}
			d, err := h.Plan(c, nil)
			if err != nil {
				t.Error(err)
			}
			d.Dropped()
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", policy, n)
		}
	}
}

func BenchmarkPlan(b *testing.B) {
	for _, policy := range policyNames() {
		b.Run(policy, func(b *testing.B) {
			h := mustMake(b, "proxy 10.0.0.1:1 10.0.0.2:1 10.0.0.3:1 {\nlb_policy "+policy+"\n}")
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				c := client("192.0.2.9:1", nil)
				for pb.Next() {
					*c.Attempts() = upstream.Attempts{}
					d, _ := h.Plan(c, nil)
					d.Dropped()
				}
			})
		})
	}
}

func TestTargetsAreTheAddressesThatNeedNoLookingUp(t *testing.T) {
	t.Parallel()
	h := mustMake(t, "proxy {\nto 10.0.0.1:1 name:2 unix//x {vars.x}:4 :7 tcp6/localhost:8\nupstream {\ndial 10.0.0.2:5 [::1]:6\n}\n}")
	want := []string{"10.0.0.1:1", "unix//x", "127.0.0.1:7", "[::1]:7", "[::1]:8", "10.0.0.2:5", "[::1]:6"}
	var got []string
	for _, to := range h.Targets() {
		got = append(got, to.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
