package target_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/target"
)

// dial returns a client of a server that gives its connections to l.
func dial(t *testing.T, s *hosttest.Server) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(hosttest.Limit)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

func accept(t *testing.T, l *target.Listener) *target.Conn {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c.(*target.Conn)
}

func TestAcceptedConnectionsCarryBytesBothWays(t *testing.T) {
	t.Parallel()
	l := target.New("app")
	s := hosttest.Serve(t, l, nil)
	client := dial(t, s)
	if _, err := io.WriteString(client, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c := accept(t, l)
	if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
		t.Errorf("received %q, %v", got, err)
	}
	if got, want := c.RemoteAddr().String(), client.LocalAddr().String(); got != want {
		t.Errorf("the client is %s, want %s", got, want)
	}
	if _, err := io.WriteString(c, "bye"); err != nil {
		t.Error(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(client); string(got) != "bye" || err != nil {
		t.Errorf("the client received %q, %v", got, err)
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	if o := s.Outcome(t); o.Err != nil {
		t.Errorf("it ended with %v", o.Err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading what is closed: %v", err)
	}
	if _, ok := c.Fact("conn.id"); ok {
		t.Error("something is known of what is closed")
	}
	if l.Addr().Network() != "dwaar" || l.Addr().String() != "app" {
		t.Errorf("it listens on %v", l.Addr())
	}
}

// The connection is its owner's again only when nobody reads it any more.
func TestCloseEndsAReadThatWaits(t *testing.T) {
	t.Parallel()
	l := target.New("app")
	s := hosttest.Serve(t, l, nil)
	_ = dial(t, s)
	c := accept(t, l)
	read := make(chan error)
	go func() {
		_, err := c.Read(make([]byte, 1))
		read <- err
	}()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-read; err == nil {
		t.Error("it read something")
	}
	s.Outcome(t)
}

func TestAListenerThatWasClosedTakesNothing(t *testing.T) {
	t.Parallel()
	l := target.New("app")
	s := hosttest.Serve(t, l, nil)
	client := dial(t, s)
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	if o := s.Outcome(t); !errors.Is(o.Err, net.ErrClosed) || o.Code.Why != host.Failed {
		t.Errorf("it ended with %v, %v", o.Code, o.Err)
	}
	if got, err := io.ReadAll(client); len(got) > 0 || err != nil {
		t.Errorf("the client received %q, %v", got, err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accepting: %v", err)
	}
}

// A connection that nobody accepts ends with the program.
func TestTheEndOfTheProgramEndsWhatWaits(t *testing.T) {
	t.Parallel()
	waiting, accepted := target.New("waiting"), target.New("accepted")
	_ = dial(t, hosttest.Serve(t, waiting, nil)) // the end of the test ends it
	_ = dial(t, hosttest.Serve(t, accepted, nil))
	accept(t, accepted)
}

func TestTheHandlerIsTheListenerItself(t *testing.T) {
	t.Parallel()
	var r host.Registry
	l := target.New("app")
	l.Register(&r, "app", "Gives connections to the application")
	e := r.Handlers()[0]
	h, err := e.New(&hosttest.Builder{}, nil)
	if h != l || err != nil || e.Spec.Name != "app" || !e.Spec.Ends {
		t.Errorf("%v, %v, %+v", h, err, e.Spec)
	}
}
