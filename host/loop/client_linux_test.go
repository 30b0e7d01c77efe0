package loop

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAClientThatWaitsIsToldOfBytesTheEndAndAReset(t *testing.T) {
	t.Parallel()
	type got struct {
		text string
		err  error
	}
	for name, row := range map[string]struct {
		do   func(*net.TCPConn)
		want []got
	}{
		"bytes and the end": {func(c *net.TCPConn) { _, _ = c.Write([]byte("hello")); _ = c.CloseWrite() }, []got{{"hello", nil}, {"", io.EOF}}},
		"the end":           {func(c *net.TCPConn) { _ = c.CloseWrite() }, []got{{"", io.EOF}}},
		"a close":           {func(c *net.TCPConn) { _ = c.Close() }, []got{{"", io.EOF}}},
		"a reset":           {func(c *net.TCPConn) { _ = c.SetLinger(0); _ = c.Close() }, []got{{"", unix.ECONNRESET}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			heard := make(chan got, 16)
			p, c := probed(t, script{start: forBytes, ready: func(p *probe) {
				b := make([]byte, 64)
				for {
					n, err := p.Recv(b)
					if errors.Is(err, ErrAgain) {
						p.Wait(time.Time{})
						return
					}
					heard <- got{string(b[:n]), err}
					if err != nil {
						p.Close(false)
						close(heard)
						return
					}
				}
			}})
			row.do(c)
			i := 0
			for g := range heard {
				if i >= len(row.want) || g.text != row.want[i].text || !errors.Is(g.err, row.want[i].err) {
					t.Errorf("received %q, then %v, want %+v", g.text, g.err, row.want)
				}
				i++
			}
			p.expect(t, "ready")
		})
	}
}

func TestASilentClientIsDue(t *testing.T) {
	t.Parallel()
	const patience = 30 * time.Millisecond
	var begun time.Time
	p, _ := probed(t, script{
		start: func(p *probe) { begun = time.Now(); p.Wait(begun.Add(patience)) },
		due: func(p *probe) {
			if d := time.Since(begun); d < patience {
				t.Errorf("due after %v, want %v", d, patience)
			}
			p.Close(false)
		},
	})
	p.expect(t, "due")
}

func TestWhatRecvLeavesBehindIsReadyAtOnce(t *testing.T) {
	t.Parallel()
	all := make(chan string, 1)
	var text []byte
	_, c := probed(t, script{start: forBytes, ready: func(p *probe) {
		b := make([]byte, 1)
		n, err := p.Recv(b)
		if err == io.EOF {
			p.Close(false)
			all <- string(text)
			return
		}
		text = append(text, b[:n]...)
		p.Wait(time.Time{})
	}})
	if _, err := c.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	_ = c.CloseWrite()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the client reads %v", err)
	}
	if text := <-all; text != "abc" {
		t.Errorf("received %q", text)
	}
}

// An urgent byte ends a receive: what follows it is not lost, nor is it taken for
// the end.
func TestAHeadWithAnUrgentByteIsWhole(t *testing.T) {
	t.Parallel()
	rs := newLoops(t, 1)
	at := serve(t, rs, &forwarder{dial: Dial{Network: "tcp", Addr: echo(t)}})
	for range 20 {
		c := connectTo(t, at)
		fd := taken(t, c)
		f := os.NewFile(uintptr(fd), "client")
		for _, part := range []struct {
			text string
			how  int
		}{{"before", 0}, {"!", unix.MSG_OOB}, {"after", 0}} {
			if err := unix.Sendto(fd, []byte(part.text), part.how, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(f); err != nil || string(b) != "beforeafter" {
			t.Fatalf("received %q, then %v", b, err)
		}
		_ = f.Close()
	}
}

func TestLocalIsTheAddressThatWasConnectedTo(t *testing.T) {
	t.Parallel()
	var local atomic.Value
	p, c := probed(t, script{start: func(p *probe) { local.Store(p.Local()); p.Wait(time.Time{}) }, ready: func(p *probe) { p.Close(false) }})
	_ = c.Close()
	p.expect(t, "ready")
	if want := c.RemoteAddr().(*net.TCPAddr).AddrPort(); local.Load() != want {
		t.Errorf("the local address is %v, want %v", local.Load(), want)
	}
}
