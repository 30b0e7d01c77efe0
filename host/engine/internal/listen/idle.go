package listen

import (
	"net"
	"time"
)

// refuser closes the connections of a socket that the service manager holds open and
// nobody listens on: to close our descriptor would leave the clients waiting in the
// kernel's queue, as the service manager has one of its own.
type refuser struct {
	socket *Socket
	stop   chan struct{}
	done   chan struct{}
}

// Idle is an inherited descriptor that no listener uses.
type Idle struct {
	Descriptor
	Addr net.Addr // where its clients are refused; nil: it is no listening stream socket
}

// Refuse makes the clients of all inherited sockets hear at once that nobody serves
// them, but for those whose ID is in use. It returns the descriptors that it has not
// returned before, since they were last in use. It is not called while Engage or Rest is.
func (o *Opener) Refuse(inUse map[uint64]bool) []Idle {
	var all []Idle
	for _, d := range o.Inherited {
		if o.refusers[d.FD] != nil || o.useless[d.FD] || inUse[inode(d.FD)] {
			continue
		}
		s, err := fromDescriptor(d.FD)
		if err != nil {
			if o.useless == nil {
				o.useless = map[int]bool{}
			}
			o.useless[d.FD] = true
			all = append(all, Idle{Descriptor: d})
			continue
		}
		if o.refusers == nil {
			o.refusers = map[int]*refuser{}
		}
		r := &refuser{s, make(chan struct{}), make(chan struct{})}
		o.refusers[d.FD] = r
		go r.run()
		all = append(all, Idle{d, s.Addr()})
	}
	return all
}

// Engage ends the refusing at sockets whose ID is in use now. When it returns nobody but
// its caller accepts there.
func (o *Opener) Engage(inUse map[uint64]bool) {
	for fd, r := range o.refusers {
		if inUse[r.socket.ID()] {
			r.end()
			delete(o.refusers, fd)
		}
	}
}

// Rest ends all refusing: who connects now waits for the program that the service
// manager starts next.
func (o *Opener) Rest() {
	for fd, r := range o.refusers {
		r.end()
		delete(o.refusers, fd)
	}
}

func (r *refuser) end() {
	close(r.stop)
	_ = r.socket.Wake() // fails only on a closed socket, which does not wait
	<-r.done
}

// refusePause is how long a refuser waits when it cannot accept, for want of
// descriptors above all.
const refusePause = 100 * time.Millisecond

func (r *refuser) run() {
	defer close(r.done)
	defer r.socket.Close() // its own descriptor; the inherited one stays open
	for {
		c, err := r.socket.Accept()
		select {
		case <-r.stop:
			if err == nil {
				reset(c)
			}
			return
		default:
		}
		if err == nil {
			reset(c)
			continue
		}
		pause := time.NewTimer(refusePause)
		select {
		case <-r.stop:
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

// reset closes a connection so that the client hears that it was no server's end.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // then it is an orderly end
	}
	_ = c.Close() // nobody is left to tell
}
