// Package listen opens the stream sockets that clients connect to, and says what
// to do when that fails: who holds the port, which privilege is missing.
//
//	opener := listen.Opener{Inherited: fds}
//	s, err := opener.Open(ctx, listen.Spec{Network: "tcp", Addr: netip.MustParseAddrPort("127.0.0.1:443")}, listen.Access{}, nil)
//	…
//	conn, err := s.Accept()
//
// Sockets are bound without SO_REUSEPORT: two programs on one port, each with half
// of its clients, are refused by the kernel. Everything here is ordinary net
// sockets; what only Linux can tell stands in files of its own.
package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Spec names a socket. Equal specs are the same socket.
type Spec struct {
	Network string         // "tcp", "tcp4", "tcp6", "unix", "unixpacket" or "fd"
	Addr    netip.AddrPort // tcp: an invalid address is every address of the network
	Path    string         // unix; a leading "@" is the abstract namespace
	FD      int            // fd: the number of an inherited descriptor
}

// String returns what messages call it, "tcp/127.0.0.1:443".
func (at Spec) String() string {
	switch at.Network {
	case "fd":
		if at.Path != "" {
			return "fd/" + at.Path
		}
		return "fd/" + strconv.Itoa(at.FD)
	case "unix", "unixpacket":
		return at.Network + "/" + at.Path
	}
	return at.Network + "/" + at.hostPort()
}

func (at Spec) hostPort() string {
	if !at.Addr.Addr().IsValid() {
		return ":" + strconv.Itoa(int(at.Addr.Port()))
	}
	return at.Addr.String()
}

// Socket is a listening socket. Accept, Queued and Shed are called by one
// goroutine; the rest from any.
type Socket struct {
	ln        listener
	path      string      // a socket file to remove, or ""
	file      os.FileInfo // what was there after bind
	inode     uint64      // 0: unknown
	keepAlive bool        // must be set per connection
	bare      int         // the descriptor that Use was given; 0: ln is open
	addr      net.Addr    // of bare
}

// listener is what *net.TCPListener and *net.UnixListener have in common.
type listener interface {
	net.Listener
	syscall.Conn
	SetDeadline(time.Time) error
}

// The keepalive of every connection: a peer that is gone is found within a minute.
const (
	keepIdle     = 30 * time.Second
	keepInterval = 10 * time.Second
	keepCount    = 3
)

func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: keepIdle, Interval: keepInterval, Count: keepCount}
}

// Accept waits for a connection. It returns os.ErrDeadlineExceeded after Wake and
// at the deadline.
func (s *Socket) Accept() (net.Conn, error) {
	c, err := s.ln.Accept()
	if err != nil {
		return nil, err
	}
	if s.keepAlive {
		keep(c)
	}
	return c, nil
}

// keep is for connections that no ListenConfig has set up. A socket that has no
// keepalive, because its client is gone already, says so when it is read.
func keep(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(keepAlive())
	}
}

// SetDeadline bounds Accept; the zero time is no bound.
func (s *Socket) SetDeadline(t time.Time) error { return s.ln.SetDeadline(t) }

// Wake makes an Accept that waits return, and every later one.
func (s *Socket) Wake() error {
	if s.bare != 0 {
		return nil // whoever has the descriptor is told otherwise
	}
	return s.ln.SetDeadline(time.Unix(1, 0))
}

// Addr is the address the kernel gave it.
func (s *Socket) Addr() net.Addr {
	if s.bare != 0 {
		return s.addr
	}
	return s.ln.Addr()
}

// Close closes the socket and removes its file, unless somebody else has put
// another one in its place.
func (s *Socket) Close() error {
	if s.path != "" {
		if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.file) {
			if err := os.Remove(s.path); err != nil {
				s.close()
				return err
			}
		}
	}
	return s.close()
}

// Discard closes a descriptor that Bare returned and nobody uses.
func Discard(fd int) { _ = closeDescriptor(fd) }

func (s *Socket) close() error {
	if s.bare != 0 {
		return closeDescriptor(s.bare)
	}
	return s.ln.Close()
}

// Opener opens sockets.
type Opener struct {
	Inherited []Descriptor // sockets that the service manager opened; they stay open

	refusers map[int]*refuser // of those that nobody listens on, by descriptor
	useless  map[int]bool     // descriptors that Refuse has told of
}

// Open opens the socket that at names: the inherited one with that address if there
// is one, else a new one, whose file is for those that access says. leaving are sockets of this process that will be closed
// when Open and all after it have succeeded: they do not stand in the way. The
// error says what to do. The caller closes the socket.
func (o *Opener) Open(ctx context.Context, at Spec, access Access, leaving []*Socket) (*Socket, error) {
	switch at.Network {
	case "tcp", "tcp4", "tcp6":
		return o.openTCP(ctx, at, leaving)
	case "unix", "unixpacket":
		return o.openUnix(ctx, at, access)
	case "fd":
		fd, err := o.numbered(at)
		if err != nil {
			return nil, err
		}
		return fromDescriptor(fd)
	}
	return nil, fmt.Errorf("network %q is not served", at.Network)
}

func (o *Opener) openTCP(ctx context.Context, at Spec, leaving []*Socket) (*Socket, error) {
	if fd, ok := o.inherited(at); ok {
		return fromDescriptor(fd)
	}
	config := net.ListenConfig{KeepAliveConfig: keepAlive()}
	config.SetMultipathTCP(false) // some socket options differ there
	ln, err := config.Listen(ctx, at.Network, at.hostPort())
	if errors.Is(err, syscall.EADDRINUSE) && len(leaving) > 0 {
		ln, err = handOver(leaving, &config, func() (net.Listener, error) {
			return config.Listen(ctx, at.Network, at.hostPort())
		})
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		if text := o.inTheWay(at); text != "" {
			return nil, fmt.Errorf("%w: %s", syscall.EADDRINUSE, text)
		}
	}
	if err != nil {
		return nil, explain(err, at)
	}
	return newSocket(ln.(listener)), nil
}

func newSocket(ln listener) *Socket {
	s := &Socket{ln: ln}
	_ = s.control(func(fd int) error { // 0 if it cannot be told
		s.inode = inode(fd)
		return nil
	})
	return s
}

// ID tells sockets apart as the kernel does: two that were inherited as one have
// one. It is 0 where that is unknown.
func (s *Socket) ID() uint64 { return s.inode }

// handOver lets listen bind an address that sockets of this process hold, for
// example :443 while 10.0.0.1:443 is about to go. For that moment both sides allow
// it with SO_REUSEPORT, which the kernel grants between sockets of one user only.
func handOver(leaving []*Socket, config *net.ListenConfig, listen func() (net.Listener, error)) (net.Listener, error) {
	for _, s := range leaving {
		s.reusePort(true)
		defer s.reusePort(false)
	}
	allow := func(fd int) error { return reusePort(fd, true) }
	config.Control = func(_, _ string, raw syscall.RawConn) error { return controlled(raw, allow) }
	ln, err := listen()
	if err != nil {
		return nil, err
	}
	raw, err := ln.(listener).SyscallConn()
	if err == nil {
		err = controlled(raw, func(fd int) error { return reusePort(fd, false) })
	}
	if err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

// reusePort is for a socket of ours. Where it cannot be set the bind that needs it
// fails and says so.
func (s *Socket) reusePort(on bool) {
	_ = s.control(func(fd int) error { return reusePort(fd, on) })
}

// control calls f with the descriptor.
func (s *Socket) control(f func(fd int) error) error {
	if s.bare != 0 {
		return f(s.bare)
	}
	raw, err := s.ln.SyscallConn()
	if err != nil {
		return err
	}
	return controlled(raw, f)
}

func controlled(raw syscall.RawConn, f func(fd int) error) (err error) {
	if failed := raw.Control(func(fd uintptr) { err = f(int(fd)) }); failed != nil {
		return failed
	}
	return err
}
