package listen_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/engine/internal/listen"
)

func local(port uint16) listen.Spec {
	return listen.Spec{Network: "tcp", Addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)}
}

func open(t *testing.T, o *listen.Opener, at listen.Spec, leaving ...*listen.Socket) *listen.Socket {
	t.Helper()
	s, err := o.Open(t.Context(), at, asIs(), leaving)
	if err != nil {
		t.Fatalf("opening %s: %v", at, err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// asIs is the access of a socket that a configuration says nothing of.
func asIs() listen.Access { return listen.Access{Owner: -1, Group: -1} }

func dial(t *testing.T, a net.Addr) net.Conn {
	t.Helper()
	c, err := net.DialTimeout(a.Network(), a.String(), 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func portOf(s *listen.Socket) uint16 { return s.Addr().(*net.TCPAddr).AddrPort().Port() }

func mustFail(t *testing.T, o *listen.Opener, at listen.Spec, want ...string) {
	t.Helper()
	s, err := o.Open(t.Context(), at, asIs(), nil)
	if err == nil {
		s.Close()
		t.Fatalf("opening %s succeeded", at)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("opening %s: %v\nwant it to say %q", at, err, w)
		}
	}
}

func TestASpecPrintsAsItIsWritten(t *testing.T) {
	t.Parallel()
	for want, at := range map[string]listen.Spec{
		"tcp/:443":        {Network: "tcp", Addr: netip.AddrPortFrom(netip.Addr{}, 443)},
		"tcp6/[::1]:443":  {Network: "tcp6", Addr: netip.MustParseAddrPort("[::1]:443")},
		"unix//run/a":     {Network: "unix", Path: "/run/a"},
		"fd/3":            {Network: "fd", FD: 3},
		"unixpacket/@abc": {Network: "unixpacket", Path: "@abc"},
	} {
		if got := at.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestATakenPortSaysWhoHoldsIt(t *testing.T) {
	t.Parallel()
	var o listen.Opener
	s := open(t, &o, local(0))
	mustFail(t, &o, local(portOf(s)), "address already in use: this program holds it already")
}

func TestAnAddressThatIsNotOursSaysSo(t *testing.T) {
	t.Parallel()
	at := listen.Spec{Network: "tcp", Addr: netip.MustParseAddrPort("192.0.2.1:443")}
	mustFail(t, new(listen.Opener), at, "no interface of this machine has the address 192.0.2.1")
}

func TestAnUnknownNetworkIsRefused(t *testing.T) {
	t.Parallel()
	mustFail(t, new(listen.Opener), listen.Spec{Network: "udp"}, `network "udp" is not served`)
}

func TestALeavingSocketOfOursIsNotInTheWay(t *testing.T) {
	t.Parallel()
	var o listen.Opener
	old := open(t, &o, local(0))
	port := portOf(old)
	wide := open(t, &o, listen.Spec{Network: "tcp", Addr: netip.AddrPortFrom(netip.Addr{}, port)}, old)
	old.Close()
	c := dial(t, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
	got, err := wide.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if got.RemoteAddr().String() != c.LocalAddr().String() {
		t.Errorf("accepted %v, want %v", got.RemoteAddr(), c.LocalAddr())
	}
	mustFail(t, &o, local(port), "address already in use") // the permission is gone again
}

func TestQueuedConnectionsAreTakenWithoutWaiting(t *testing.T) {
	t.Parallel()
	s := open(t, new(listen.Opener), local(0))
	want := map[string]bool{}
	for range 10 {
		want[dial(t, s.Addr()).LocalAddr().String()] = true
	}
	if err := s.Wake(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Accept of a woken socket: %v", err)
	}
	got := map[string]bool{}
	for {
		c, err := s.Queued()
		if err != nil {
			t.Fatal(err)
		}
		if c == nil {
			break
		}
		got[c.RemoteAddr().String()] = true
		c.Close()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("connections (-want +got):\n%s", diff)
	}
}

func TestShedClosesWhatWaitsAndNoMore(t *testing.T) {
	t.Parallel()
	s := open(t, new(listen.Opener), local(0))
	var want, got []string
	for range 5 {
		want = append(want, dial(t, s.Addr()).LocalAddr().String())
	}
	shed := func(from netip.AddrPort) { got = append(got, host.Plain(from).String()) }
	if n := s.Shed(3, shed); n != 3 {
		t.Errorf("shed %d connections, want 3", n)
	}
	if n := s.Shed(10, shed); n != 2 {
		t.Errorf("shed %d connections, want the other 2", n)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("where they came from (-want +got):\n%s", diff)
	}
}

func TestASocketFileComesAndGoes(t *testing.T) {
	t.Parallel()
	at := listen.Spec{Network: "unix", Path: filepath.Join(t.TempDir(), "s")}
	var o listen.Opener
	s := open(t, &o, at)
	dial(t, s.Addr())
	mustFail(t, &o, at, "address already in use: this program holds it already")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(at.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket file is still there: %v", err)
	}
}

func TestAStaleSocketFileIsReplaced(t *testing.T) {
	t.Parallel()
	at := listen.Spec{Network: "unix", Path: filepath.Join(t.TempDir(), "s")}
	left, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: at.Path})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	dial(t, open(t, new(listen.Opener), at).Addr())
}

func TestAnotherFileInTheWayIsKept(t *testing.T) {
	t.Parallel()
	at := listen.Spec{Network: "unix", Path: filepath.Join(t.TempDir(), "s")}
	if err := os.WriteFile(at.Path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustFail(t, new(listen.Opener), at, "exists and is no socket")
	if b, err := os.ReadFile(at.Path); err != nil || string(b) != "precious" {
		t.Errorf("the file is now %q, %v", b, err)
	}
}

func TestASocketFileOfSomebodyElseIsNotRemoved(t *testing.T) {
	t.Parallel()
	at := listen.Spec{Network: "unix", Path: filepath.Join(t.TempDir(), "s")}
	s := open(t, new(listen.Opener), at)
	if err := os.Remove(at.Path); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", at.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	s.Close()
	dial(t, other.Addr())
}

func TestAbstractSocketsHaveNoFile(t *testing.T) {
	t.Parallel()
	at := listen.Spec{Network: "unix", Path: "@dwaar-test-" + strconv.Itoa(os.Getpid())}
	s := open(t, new(listen.Opener), at)
	dial(t, s.Addr())
	mustFail(t, new(listen.Opener), at, "address already in use")
}

// descriptor returns a number that a service manager would have passed.
func descriptor(t *testing.T, ln interface{ File() (*os.File, error) }) int {
	t.Helper()
	f, err := ln.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	var fd int
	raw, err := f.SyscallConn()
	if err == nil {
		err = raw.Control(func(n uintptr) { fd = int(n) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestAnInheritedSocketIsUsedByNumberAndByAddress(t *testing.T) {
	t.Parallel()
	manager, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(local(0).Addr))
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	fd := descriptor(t, manager)
	o := listen.Opener{Inherited: []listen.Descriptor{{FD: fd}}}
	port := manager.Addr().(*net.TCPAddr).AddrPort().Port()
	byNumber := open(t, &o, listen.Spec{Network: "fd", FD: fd})
	byAddress := open(t, &o, local(port))
	if byNumber.ID() != byAddress.ID() {
		t.Error("number and address are two sockets")
	}
	if byNumber.ID() == open(t, &o, local(0)).ID() {
		t.Error("another socket is the same")
	}
	byNumber.Close()
	c := dial(t, manager.Addr())
	got, err := byAddress.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if got.RemoteAddr().String() != c.LocalAddr().String() {
		t.Errorf("accepted %v, want %v", got.RemoteAddr(), c.LocalAddr())
	}
	mustFail(t, &o, listen.Spec{Network: "tcp", Addr: netip.AddrPortFrom(netip.Addr{}, port)}, "address already in use")
}

func TestAnInheritedUnixSocketKeepsItsFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	manager, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	o := listen.Opener{Inherited: []listen.Descriptor{{FD: descriptor(t, manager)}}}
	open(t, &o, listen.Spec{Network: "unix", Path: path}).Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the socket file is gone: %v", err)
	}
}

func TestADescriptorThatListensNowhereIsRefused(t *testing.T) {
	t.Parallel()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		mustFail(t, new(listen.Opener), listen.Spec{Network: "fd", FD: int(fd)}, "no listening stream socket")
	})
	mustFail(t, new(listen.Opener), listen.Spec{Network: "fd", FD: 1 << 20}, "descriptor 1048576", "no listening stream socket")
}

func TestTheServiceManagersWordsAreRead(t *testing.T) {
	t.Parallel()
	const pid = 1 << 22
	env := func(pid, fds, names string) func(string) string {
		return func(name string) string {
			return map[string]string{"LISTEN_PID": pid, "LISTEN_FDS": fds, "LISTEN_FDNAMES": names}[name]
		}
	}
	for _, tc := range []struct {
		name, pid, fds, names string
		want                  []listen.Descriptor
		fails                 bool
	}{
		{name: "nothing passed"},
		{name: "meant for another process", pid: "17", fds: "2"},
		{name: "none", pid: strconv.Itoa(pid), fds: "0", want: []listen.Descriptor{}},
		{name: "no number", pid: strconv.Itoa(pid), fds: "two", fails: true},
		{name: "negative", pid: strconv.Itoa(pid), fds: "-1", fails: true},
		{name: "far too many", pid: strconv.Itoa(pid), fds: "1000000", fails: true},
		{name: "fewer names", pid: strconv.Itoa(pid), fds: "2", names: "web", fails: true},
		{name: "without names", pid: strconv.Itoa(pid), fds: "1", want: []listen.Descriptor{{FD: 3}}},
		{name: "with names", pid: strconv.Itoa(pid), fds: "2", names: "web:db", want: []listen.Descriptor{{FD: 3, Name: "web"}, {FD: 4, Name: "db"}}},
	} {
		got, err := listen.Inherited(env(tc.pid, tc.fds, tc.names), pid)
		if (err != nil) != tc.fails {
			t.Errorf("%s: error %v", tc.name, err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestKeepaliveIsSet(t *testing.T) {
	t.Parallel()
	s := open(t, new(listen.Opener), local(0))
	dial(t, s.Addr())
	c, err := s.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		for option, want := range map[int]int{syscall.TCP_KEEPIDLE: 30, syscall.TCP_KEEPINTVL: 10, syscall.TCP_KEEPCNT: 3} {
			if got, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, option); err != nil || got != want {
				t.Errorf("option %d is %d, %v; want %d", option, got, err, want)
			}
		}
	})
}
