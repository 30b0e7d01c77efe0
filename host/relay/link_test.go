package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// piped is a link on two net.Pipes, for tests in fake time. A pipe is no
// CloseWriter and has no buffer.
type piped struct {
	*Link
	client, server net.Conn
	done           chan Result
	born           time.Time
}

func startPiped(o Options) piped {
	client, down := net.Pipe()
	server, up := net.Pipe()
	p := piped{client: client, server: server, done: make(chan Result, 1), born: time.Now()}
	o.Done = func(r Result) { p.done <- r }
	p.Link = Start(Endpoint{Conn: down}, Endpoint{Conn: up}, o)
	return p
}

// end waits for the result and returns when it came.
func (p piped) end() (Result, time.Duration) {
	r := <-p.done
	after := time.Since(p.born)
	_ = p.client.Close()
	_ = p.server.Close()
	return r, after
}

// exchange sends one byte through.
func exchange(t *testing.T, from, to net.Conn) {
	t.Helper()
	go func() { _, _ = from.Write([]byte{'x'}) }()
	if _, err := io.ReadFull(to, make([]byte, 1)); err != nil {
		t.Fatalf("receiving: %v", err)
	}
}

func differ(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateErrors()); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestTheIdleLimitCountsFromTheLastByteEitherWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := startPiped(Options{Idle: time.Minute})
		for range 10 {
			time.Sleep(59 * time.Second)
			exchange(t, p.client, p.server)
			time.Sleep(59 * time.Second)
			exchange(t, p.server, p.client)
		}
		r, after := p.end()
		differ(t, "result", Result{Up: 10, Down: 10, Reason: Idle}, r)
		differ(t, "ended after", 20*59*time.Second+time.Minute, after)
	})
}

func TestTheLifetimeEndsABusyLink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := startPiped(Options{Idle: time.Hour, Lifetime: 90 * time.Second})
		for range 8 {
			time.Sleep(10 * time.Second)
			exchange(t, p.client, p.server)
		}
		r, after := p.end()
		differ(t, "result", Result{Up: 8, Reason: Expired}, r)
		differ(t, "ended after", 90*time.Second, after)
	})
}

func TestAnEndThatCannotBeHalfClosedIsClosedWhenTheOtherFallsSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := startPiped(Options{Linger: 5 * time.Second})
		_ = p.server.Close()
		r, after := p.end()
		differ(t, "result", Result{By: Down, Reason: HalfClosed, UpFinished: true}, r)
		differ(t, "ended after", 5*time.Second, after)
	})
}

func TestAStalledReaderIsNamedByTheIdleLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := startPiped(Options{Idle: time.Minute})
		go func() { _, _ = p.server.Write([]byte("nobody reads this")) }()
		r, _ := p.end()
		differ(t, "result", Result{By: Down, Reason: Idle, Cut: true}, r)
	})
}

// deaf ignores deadlines, and waits for its Close only.
type deaf struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func newDeaf() *deaf { return &deaf{closed: make(chan struct{})} }

func (d *deaf) Read([]byte) (int, error)         { <-d.closed; return 0, net.ErrClosed }
func (d *deaf) Write([]byte) (int, error)        { <-d.closed; return 0, net.ErrClosed }
func (d *deaf) Close() error                     { d.once.Do(func() { close(d.closed) }); return nil }
func (d *deaf) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (d *deaf) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (d *deaf) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

func TestAKillEndsConnectionsThatIgnoreDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		done := make(chan Result, 1)
		born := time.Now()
		l := Start(Endpoint{Conn: newDeaf(), Head: []byte("stuck")}, Endpoint{Conn: newDeaf()},
			Options{Done: func(r Result) { done <- r }})
		l.Kill(Drained)
		differ(t, "result", Result{Reason: Drained, Cut: true}, <-done)
		differ(t, "ended after", windUp, time.Since(born))
	})
}

// rude panics when it is read.
type rude struct{ *deaf }

func (rude) Read([]byte) (int, error) { panic("rude") }

func TestAPanicOfAConnectionEndsItsLinkOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		done := make(chan Result, 1)
		Start(Endpoint{Conn: rude{newDeaf()}}, Endpoint{Conn: newDeaf()}, Options{Done: func(r Result) { done <- r }})
		r := <-done
		if !errors.Is(r.Err, ErrPanic) || r.Reason != Broken || r.By != Down {
			t.Errorf("result %+v, want the client's connection broken by a panic", r)
		}
	})
}

// resettable says how it was ended.
type resettable struct {
	net.Conn
	was chan string
}

func (r resettable) Reset() error { r.was <- "reset"; return r.Conn.Close() }
func (r resettable) Close() error { r.was <- "closed"; return r.Conn.Close() }

func TestABrokenEndResetsTheOtherByItsOwnMethod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		far, near := net.Pipe()
		was, done := make(chan string, 2), make(chan Result, 1)
		broken := newDeaf()
		_ = broken.Close() // reading says net.ErrClosed, which is no end of a stream
		Start(Endpoint{Conn: broken}, Endpoint{Conn: resettable{near, was}}, Options{Done: func(r Result) { done <- r }})
		r := <-done
		r.Err = errors.Unwrap(r.Err)
		differ(t, "result", Result{By: Down, Reason: Broken, Err: net.ErrClosed}, r)
		differ(t, "the other end was", "reset", <-was)
		_ = far.Close()
	})
}
