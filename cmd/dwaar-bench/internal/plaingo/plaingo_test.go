package plaingo_test

import (
	"io"
	"net"
	"testing"
	"time"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/plaingo"
)

func TestBothDirectionsAndTheirEndsAreRelayed(t *testing.T) {
	t.Parallel()
	upstream := listen(t)
	go func() {
		c, err := upstream.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		all, _ := io.ReadAll(c) // until the client has finished sending
		_, _ = c.Write(append([]byte("heard "), all...))
	}()
	l := listen(t)
	done := make(chan error, 1)
	go func() { done <- plaingo.Serve(l, upstream.Addr().String()) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("this")); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "heard this" {
		t.Errorf("the client got %q, error %v", got, err)
	}
	l.Close()
	if err := <-done; err != nil {
		t.Errorf("serving ended with %v", err)
	}
}

func TestClientOfADeadUpstreamIsClosed(t *testing.T) {
	t.Parallel()
	dead := listen(t)
	dead.Close()
	l := listen(t)
	go func() { _ = plaingo.Serve(l, dead.Addr().String()) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("the client got %d bytes, error %v", n, err)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
