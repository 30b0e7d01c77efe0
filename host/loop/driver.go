package loop

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/session"
)

// Driver drives a session in a loop: a Driver tells the session what happened to its
// sockets, and does what the session answers. It is a Client and the Events of that
// Client. A Driver is a field of its owner's struct, by value; nobody may copy it after
// Drive.
type Driver struct {
	Client
	session *session.Session
}

// Drive makes d ready to be returned by Acceptor.Accepted, as the driver of s.
func (d *Driver) Drive(s *session.Session) {
	d.session = s
	d.Init(d)
	s.Hold(d.Link())
}

// do does what the session answers until the client has to wait, is relayed, lands or
// is closed.
func (d *Driver) do(act session.Act) {
	for {
		switch act.Do {
		case session.Receive:
			act = d.receive(act.Bytes)
		case session.Wait:
			d.Wait(act.Until)
			return
		case session.Look:
			n, _ := d.Recv(act.Bytes) // the relay meets an end or an error again
			act = d.session.Step(session.Input{Event: session.Looked, N: n})
		case session.Dial:
			sent, err := d.dial(&act)
			if errors.Is(err, ErrPending) {
				return
			}
			act = d.dialed(sent, err)
		case session.Relay:
			d.Relay(act.Bytes, act.Relay)
			return
		case session.Land:
			act = d.land()
		case session.Close:
			d.Close(act.Reset)
			act = d.session.Step(session.Input{Event: session.Closed})
		default:
			return
		}
	}
}

// tell tells the session what happened just now.
func (d *Driver) tell(e session.Event, n int, err error) session.Act {
	return d.session.Step(session.Input{Event: e, At: time.Now(), N: n, Err: err})
}

// receive receives once.
func (d *Driver) receive(b []byte) session.Act {
	n, err := d.Recv(b)
	if errors.Is(err, ErrAgain) {
		return d.session.Step(session.Input{Event: session.Waits})
	}
	return d.tell(session.Received, n, err)
}

// dial begins an attempt. The error is ErrPending while the upstream does not stand.
func (d *Driver) dial(act *session.Act) (sent int, err error) {
	to := act.Dial
	return d.Dial(Dial{Network: to.Network, Addr: to.Addr, Path: to.Path, Local: to.Local, Timeout: to.Timeout}, act.Bytes)
}

// dialed tells the session how an attempt ended.
func (d *Driver) dialed(sent int, err error) session.Act {
	if err != nil {
		return d.tell(session.Refused, 0, err)
	}
	return d.tell(session.Connected, sent, nil)
}

// land gives the session to a goroutine.
func (d *Driver) land() session.Act {
	sock, err := d.detach()
	if err != nil {
		return d.tell(session.Returned, 0, err)
	}
	go d.session.Continue(sock)
	return session.Act{}
}

// detach takes the socket out of the loop and makes a net.Conn of it.
func (d *Driver) detach() (*relay.Conn, error) {
	fd, err := d.Detach()
	if err != nil {
		return nil, err
	}
	remote, local := d.session.Ends()
	if !remote.IsValid() {
		return relay.NewConn(fd, netAddr(local), unixPeer(fd))
	}
	return relay.NewConn(fd, netAddr(local), netAddr(remote))
}

// unixPeer returns the address of the peer of a Unix socket. Most have no name.
func unixPeer(fd int) net.Addr {
	a := &net.UnixAddr{Net: "unix"}
	if peer, err := syscall.Getpeername(fd); err == nil {
		if peer, ok := peer.(*syscall.SockaddrUnix); ok {
			a.Name = peer.Name
		}
	}
	return a
}

// netAddr returns an address as a net.Conn has it.
func netAddr(a netip.AddrPort) net.Addr {
	if a.IsValid() {
		return net.TCPAddrFromAddrPort(a)
	}
	return &net.UnixAddr{Net: "unix"}
}

// Start implements [Events].
func (d *Driver) Start() {
	if f := d.session.Flow(); f.Remote.IsValid() && !f.Local.IsValid() {
		f.Local = d.Local()
	}
	d.do(d.tell(session.Began, 0, nil))
}

// Ready implements [Events].
func (d *Driver) Ready() { d.do(d.tell(session.Ready, 0, nil)) }

// Due implements [Events].
func (d *Driver) Due() { d.do(d.tell(session.Due, 0, nil)) }

// Connected implements [Events].
func (d *Driver) Connected(err error) { d.do(d.dialed(0, err)) }

// Killed implements [Events].
func (d *Driver) Killed(relay.Reason) { d.do(d.tell(session.Killed, 0, nil)) }

// Ended implements [Events].
func (d *Driver) Ended(r relay.Result) {
	d.session.Step(session.Input{Event: session.Relayed, At: time.Now(), Result: r})
}

// Panicked implements [Events]. The client is closed.
func (d *Driver) Panicked(v any, stack []byte) { d.do(d.session.Step(d.session.Defect(v, stack))) }
