package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// accepting listens, and tells what each client has sent when it has finished.
func accepting(t *testing.T) (netip.AddrPort, <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	sent := make(chan string, 16)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			text, _ := io.ReadAll(c)
			_ = c.Close()
			sent <- string(text)
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String()), sent
}

// refusing is an address that nobody listens on: its port is bound.
func refusing(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(name.(*syscall.SockaddrInet4).Port))
}

// lines is a log without times.
func lines() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), &b
}

// trace is a hop that counts what it is told.
type trace struct {
	stood []string
	over  int
}

func (h *trace) Stood(local net.Addr) { h.stood = append(h.stood, local.Network()) }
func (h *trace) Over()                { h.over++ }

// counted is an attempt that its upstream has counted in.
func counted(t *testing.T, u *Upstream, addr netip.AddrPort) Dial {
	t.Helper()
	trial, ok := u.Acquire(0)
	if !ok {
		t.Fatalf("%s takes no connection", u.Name)
	}
	return Dial{Network: "tcp", Addr: addr, Timeout: time.Minute, Up: u, Trial: trial}
}

// A course goes on until an attempt stands, tells the planner why the one before did not,
// and counts each out once.
func TestACourseCountsEveryAttemptOutOnce(t *testing.T) {
	t.Parallel()
	good, sent := accepting(t)
	bad := refusing(t)
	u := New("x", Options{MaxFails: 3, FailFor: time.Hour})
	log, said := lines()
	hops := []*trace{{}, {}, {}}
	var lasts []string
	var k Course
	conn, d, err := k.Reach(t.Context(), log, func(_ context.Context, last error) (Dial, error) {
		i := len(lasts)
		lasts = append(lasts, fmt.Sprint(last))
		d := counted(t, u, bad)
		if i == 2 {
			d.Addr, d.First = good, []byte("first ")
		}
		d.Hop = hops[i]
		return d, nil
	})
	if err != nil || d.Addr != good || k.Tries != 3 || k.UnderWay() != nil || !errors.Is(k.Last, syscall.ECONNREFUSED) {
		t.Fatalf("%v, %v, %d tries, under way %v, last %v", err, d, k.Tries, k.UnderWay(), k.Last)
	}
	refused := fmt.Sprintf("dial tcp %s: connect: connection refused", bad)
	if diff := cmp.Diff([]string{"<nil>", refused, refused}, lasts); diff != "" {
		t.Errorf("what the planner is told (-want +got):\n%s", diff)
	}
	if s := u.State(); s.Conns != 1 || s.Connects != 1 || s.Failures != 2 || s.Fails != 0 || s.Health != Up {
		t.Errorf("%+v", s)
	}
	for i, h := range hops {
		if want := []int{1, 1, 0}[i]; h.over != want || len(h.stood) != 1-want {
			t.Errorf("hop %d: over %d, stood %v", i, h.over, h.stood)
		}
	}
	_, _ = io.WriteString(conn, "rest")
	_ = conn.Close()
	if got := <-sent; got != "first rest" || said.Len() != 0 {
		t.Errorf("sent %q, said %s", got, said)
	}
}

func TestACourseThatIsOverOrRefusedCountsItsAttemptOut(t *testing.T) {
	t.Parallel()
	good, _ := accepting(t)
	why := errors.New("why")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx     context.Context
		prepare func(*Course, *Dial)
		err     error
		tries   int32
		planned int
		fails   uint64
	}{
		"its context is over":           {canceled, func(*Course, *Dial) {}, context.Canceled, 0, 0, 0},
		"held, and its context is over": {canceled, func(k *Course, d *Dial) { k.Hold(d) }, context.Canceled, 0, 0, 0},
		"the check refuses": {
			t.Context(), func(k *Course, _ *Dial) { k.Check = func(context.Context, *Dial) error { return why } }, why, 0, 2, 1,
		},
		"the handshake fails": {
			t.Context(), func(_ *Course, d *Dial) {
				d.Secure = func(_ context.Context, c net.Conn) (net.Conn, error) { _ = c.Close(); return nil, why }
			}, why, 1, 2, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := New("x", Options{})
			d := counted(t, u, good)
			hop := &trace{}
			d.Hop = hop
			var k Course
			c.prepare(&k, &d)
			held := k.UnderWay() != nil
			planned := 0
			_, _, err := k.Reach(c.ctx, slog.New(slog.DiscardHandler), func(_ context.Context, last error) (Dial, error) {
				if planned++; planned == 1 {
					return d, nil
				}
				return Dial{}, last
			})
			if planned == 0 && !held {
				d.Dropped()
			}
			if !errors.Is(err, c.err) || k.Tries != c.tries || planned != c.planned || k.UnderWay() != nil {
				t.Errorf("%v, %d tries, %d plans, under way %v", err, k.Tries, planned, k.UnderWay())
			}
			if s := u.State(); s.Conns != 0 || s.Failures != c.fails {
				t.Errorf("%+v", s)
			}
			if over := 0; hop.over == over && (held || planned > 0) {
				t.Error("who follows it is not told")
			}
		})
	}
}

// What the handshake returns is the connection.
func TestTheConnectionOfACourseIsWhatItsHandshakeMakes(t *testing.T) {
	t.Parallel()
	good, _ := accepting(t)
	var plain, secure net.Conn
	var k Course
	conn, _, err := k.Reach(t.Context(), nil, func(context.Context, error) (Dial, error) {
		return Dial{Network: "tcp", Addr: good, Timeout: time.Minute, Secure: func(_ context.Context, c net.Conn) (net.Conn, error) {
			plain = c
			secure = struct{ net.Conn }{c}
			return secure, nil
		}}, nil
	})
	if err != nil || conn != secure {
		t.Fatalf("%v, %v", conn, err)
	}
	_ = plain.Close()
}

// A held attempt is made first, by whoever goes on with the course.
func TestAHeldAttemptIsMadeBeforeThePlannerIsAsked(t *testing.T) {
	t.Parallel()
	good, _ := accepting(t)
	u := New("x", Options{})
	d := counted(t, u, good)
	var k Course
	k.Hold(&d)
	if k.Tries != 0 || k.UnderWay().Addr != good {
		t.Errorf("%d tries, %v", k.Tries, k.UnderWay())
	}
	conn, _, err := k.Reach(t.Context(), nil, func(context.Context, error) (Dial, error) { panic("asked") })
	if err != nil || u.Conns() != 1 {
		t.Fatalf("%v, %d connections", err, u.Conns())
	}
	_ = conn.Close()
	u.Forget(nil, 0, 0)
	if k.Drop(); u.Conns() != 0 { // there is nothing to drop
		t.Errorf("%d connections", u.Conns())
	}
}

func TestAPauseEndsWithItsTimeOrItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, c := range []struct {
			d, want time.Duration
			err     error
		}{{0, 0, nil}, {-time.Second, 0, nil}, {time.Nanosecond, time.Nanosecond, nil}, {500 * time.Millisecond, 500 * time.Millisecond, nil}, {time.Minute, time.Second - 500*time.Millisecond - time.Nanosecond, context.DeadlineExceeded}, {0, 0, nil}} {
			began := time.Now()
			err := Pause(short, c.d)
			if took := time.Since(began); took != c.want || !errors.Is(err, c.err) {
				t.Errorf("%v: %v, %v", c.d, took, err)
			}
		}
	})
}

func TestAFailureOfThisMachineIsNoneOfTheUpstream(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		syscall.EMFILE: true, syscall.ENFILE: true, syscall.ENOBUFS: true, syscall.ENOMEM: true, syscall.EADDRNOTAVAIL: true, syscall.EADDRINUSE: true,
		syscall.ECONNREFUSED: false, syscall.ETIMEDOUT: false, io.EOF: false,
	} {
		if got := LocalFault(fmt.Errorf("dialing: %w", err)); got != want {
			t.Errorf("%v: %v", err, got)
		}
		u := New("x", Options{MaxFails: 1, FailFor: time.Minute})
		log, said := lines()
		d := counted(t, u, netip.AddrPort{})
		d.Failed(log, err)
		if s := u.State(); s.Conns != 0 || (s.Health == Out) == want || (said.Len() == 0) != want {
			t.Errorf("%v: %+v, %s", err, s, said)
		}
	}
}

// The log says when an upstream goes out and comes back, once each.
func TestTheLogSaysWhenAnUpstreamGoesAndReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := New("x", Options{MaxFails: 2, FailFor: time.Minute})
		log, said := lines()
		for range 2 {
			d := counted(t, u, netip.AddrPort{})
			d.Failed(log, errors.New("why"))
		}
		time.Sleep(time.Minute + 1) // of the test's own clock
		for range 2 {
			d := counted(t, u, netip.AddrPort{})
			d.stood(log)
		}
		more := counted(t, u, netip.AddrPort{})
		more.More = true // another address of it is tried next
		more.Failed(log, errors.New("why"))
		want := "level=WARN msg=\"upstream is out\" upstream=x for=1m0s error=why\nlevel=INFO msg=\"upstream takes connections again\" upstream=x\n"
		if diff := cmp.Diff(want, said.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if s := u.State(); s.Failures != 2 || s.Connects != 2 || s.Conns != 2 || s.Fails != 0 {
			t.Errorf("%+v", s)
		}
	})
	none := Dial{} // counts for no upstream
	none.stood(nil)
	none.Failed(nil, io.EOF)
	none.Dropped()
}

// A name that leads elsewhere says nothing of what failed before.
func TestAnotherAnswerForItsNameEndsTheTimeOfAnUpstream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := New("x", Options{MaxFails: 2, FailFor: time.Minute})
		fail := func(n int) {
			for range n {
				if _, ok := u.Acquire(0); !ok {
					t.Fatal("it takes none")
				}
				u.failed(false)
			}
		}
		u.Leads(1)
		fail(1)
		u.Leads(1)
		if s := u.State(); s.Fails != 1 {
			t.Errorf("the same answer: %+v", s)
		}
		time.Sleep(time.Second) // of the test's own clock
		if u.Leads(2); u.State().Fails != 0 || !u.State().Since.Equal(u.born) {
			t.Errorf("another: %+v", u.State())
		}
		fail(2)
		time.Sleep(time.Second)
		if u.Leads(2); u.State().Health != Out {
			t.Errorf("the same: %+v", u.State())
		}
		if u.Leads(3); u.State().Health != Up || !u.State().Since.Equal(time.Now()) {
			t.Errorf("another: %+v", u.State())
		}
	})
}

func TestAnUpstreamOnAUnixSocketIsReachedOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	d := Dial{Network: "unix", Path: path, Timeout: time.Minute}
	if conn, err := d.Connect(t.Context()); conn != nil || err == nil || !strings.Contains(err.Error(), "dial unix "+path) {
		t.Errorf("%v, %v", conn, err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	hop := &trace{}
	for _, followed := range []bool{false, true} {
		if followed {
			d.Hop = hop
		}
		conn, err := d.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		at, err := l.AcceptUnix()
		if err != nil {
			t.Fatal(err)
		}
		if named := at.RemoteAddr().String() != "" && at.RemoteAddr().String() != "@"; named != followed || followed && len(hop.stood) != 1 {
			t.Errorf("followed %v: it comes from %q, told %v", followed, at.RemoteAddr(), hop.stood)
		}
		_, _ = conn.Close(), at.Close()
	}
}

// An attempt has its time, and one that is over begins none.
func TestAnAttemptIsWithinItsTimeout(t *testing.T) {
	t.Parallel()
	good, _ := accepting(t)
	d := Dial{Network: "tcp", Addr: good, Timeout: time.Nanosecond}
	if conn, err := d.Connect(t.Context()); conn != nil || !errors.Is(err, context.DeadlineExceeded) {
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v, %v", conn, err)
		}
	}
}

func TestHealthHasNames(t *testing.T) {
	t.Parallel()
	var got []string
	for h := Up; h <= Unfit; h++ {
		got = append(got, h.String())
	}
	if diff := cmp.Diff("up out trial unchecked unhealthy", strings.Join(got, " ")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
