package listen_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/engine/internal/listen"
)

// passed is a socket that a service manager passes and holds open itself.
func passed(t *testing.T, network, addr, name string) (manager net.Listener, d listen.Descriptor) {
	t.Helper()
	manager, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { manager.Close() })
	return manager, listen.Descriptor{FD: descriptor(t, manager.(interface{ File() (*os.File, error) })), Name: name}
}

func TestAnInheritedSocketIsUsedByItsName(t *testing.T) {
	t.Parallel()
	web, first := passed(t, "tcp", "127.0.0.1:0", "web")
	_, second := passed(t, "tcp", "127.0.0.1:0", "db")
	_, third := passed(t, "tcp", "127.0.0.1:0", "db")
	o := listen.Opener{Inherited: []listen.Descriptor{first, second, third}}
	s := open(t, &o, listen.Spec{Network: "fd", Path: "web"})
	if s.Addr().String() != web.Addr().String() {
		t.Errorf("it listens on %v, want %v", s.Addr(), web.Addr())
	}
	mustFail(t, &o, listen.Spec{Network: "fd", Path: "db"}, "2 inherited descriptors have that name: write fd/"+strconv.Itoa(second.FD))
	mustFail(t, &o, listen.Spec{Network: "fd", Path: "mail"}, "there are fd/"+strconv.Itoa(first.FD)+" (web), ")
	mustFail(t, new(listen.Opener), listen.Spec{Network: "fd", Path: "web"}, "the service manager passes no descriptor")
}

func TestAnInheritedSocketOfOtherFamiliesIsSaidToBeInTheWay(t *testing.T) {
	t.Parallel()
	both, d := passed(t, "tcp", ":0", "web")
	o := listen.Opener{Inherited: []listen.Descriptor{d}}
	port := both.Addr().(*net.TCPAddr).AddrPort().Port()
	name := ":" + strconv.Itoa(int(port))
	mustFail(t, &o, listen.Spec{Network: "tcp4", Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), port)},
		"the inherited socket "+d.String()+" listens on "+name+": write that, or fd/"+strconv.Itoa(d.FD))
	if s := open(t, &o, listen.Spec{Network: "tcp", Addr: netip.AddrPortFrom(netip.Addr{}, port)}); s.Addr().String() != both.Addr().String() {
		t.Errorf("it listens on %v, want %v", s.Addr(), both.Addr())
	}
}

// ended waits for the end of a client's connection, and returns why.
func ended(t *testing.T, a net.Addr) error {
	t.Helper()
	c, err := net.DialTimeout(a.Network(), a.String(), 30*time.Second)
	if err != nil {
		return err // reset before connect had returned
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err = c.Read(make([]byte, 1))
	return err
}

func TestClientsOfAnInheritedSocketWithoutAListenerAreRefused(t *testing.T) {
	t.Parallel()
	tcp, first := passed(t, "tcp", "127.0.0.1:0", "web")
	unix, second := passed(t, "unix", filepath.Join(t.TempDir(), "s"), "")
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	other := listen.Descriptor{FD: int(null.Fd()), Name: "other"}
	o := listen.Opener{Inherited: []listen.Descriptor{first, second, other}}
	defer o.Rest()

	used := open(t, &o, listen.Spec{Network: "fd", FD: first.FD})
	inUse := map[uint64]bool{used.ID(): true}
	idle := o.Refuse(inUse)
	if len(idle) != 2 || idle[0].FD != second.FD || idle[0].Addr == nil || idle[1] != (listen.Idle{Descriptor: other}) {
		t.Fatalf("without a listener are %v", idle)
	}
	if err := ended(t, unix.Addr()); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a client of the Unix socket: %v", err)
	}
	c := dial(t, tcp.Addr())
	if got, err := used.Accept(); err != nil || got.RemoteAddr().String() != c.LocalAddr().String() {
		t.Errorf("the socket in use accepts %v, %v", got, err)
	}

	used.Close() // a reload has dropped it
	if idle := o.Refuse(nil); len(idle) != 1 || idle[0].FD != first.FD {
		t.Errorf("dropped are %v", idle)
	}
	if err := ended(t, tcp.Addr()); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a client of the dropped socket: %v", err)
	}
	if idle := o.Refuse(nil); len(idle) != 0 {
		t.Errorf("told of again: %v", idle)
	}

	again := open(t, &o, listen.Spec{Network: "fd", FD: first.FD}) // another reload names it
	o.Engage(map[uint64]bool{again.ID(): true})
	dial(t, tcp.Addr())
	if _, err := again.Accept(); err != nil {
		t.Errorf("in use again: %v", err)
	}

	again.Close()
	o.Refuse(nil)
	o.Rest() // the program stops: clients wait for the next one
	dial(t, tcp.Addr())
	if _, err := tcp.Accept(); err != nil {
		t.Errorf("the service manager: %v", err)
	}
}

func TestDiscardClosesADescriptorThatNobodyUses(t *testing.T) {
	t.Parallel()
	s := open(t, new(listen.Opener), local(0))
	fd, err := s.Bare()
	if err != nil {
		t.Fatal(err)
	}
	// Of a descriptor that is closed another goroutine may have the number at once:
	// what shows that it is closed is that the socket stops listening with the last one.
	addr := s.Addr()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	dial(t, addr)
	listen.Discard(fd)
	if c, err := net.DialTimeout("tcp", addr.String(), 30*time.Second); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the socket listens on: %v, %v", c, err)
	}
}
