// Package target lets a program take connections out of dwaar as it would accept them
// from a socket: what a route gives to a handler of the program's own, or what no
// route takes.
//
//	l := target.New("app")
//	l.Register(registry, "app", "Gives connections to the application")
//	go http.Serve(l, mux)          // gets what the routes with the handler app take
package target

import (
	"context"
	"net"
	"sync"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// Listener is a [net.Listener] that accepts the connections it gets as a
// [host.Handler], or as the fallback of a configuration. Configurations may come and
// go: it stays until it is closed.
type Listener struct {
	name   addr
	conns  chan *Conn
	closed chan struct{}
	once   sync.Once
}

var (
	_ net.Listener = (*Listener)(nil)
	_ host.Handler = (*Listener)(nil)
)

// New returns a listener. name is its address, for messages.
func New(name string) *Listener {
	return &Listener{name: addr(name), conns: make(chan *Conn), closed: make(chan struct{})}
}

// Register makes a handler known that gives its connections to the listener. doc is
// its line of help.
func (l *Listener) Register(r *host.Registry, name, doc string) {
	spec := sdk.Spec{Name: name, Doc: doc, Ends: true}
	r.Handler(spec, func(host.Builder, *sdk.Node) (host.Handler, error) { return l, nil })
}

// Handle gives a connection to whoever accepts next, and returns when it was closed or
// ctx ends. A connection that nobody accepts waits, and counts against the caps of its
// server. Where the listener was closed the connection ends.
func (l *Listener) Handle(ctx context.Context, c host.Conn, _ host.Next) error {
	conn := &Conn{Conn: c.Net(), host: c, closed: make(chan struct{})}
	select {
	case l.conns <- conn:
	case <-l.closed:
		return host.End(host.ByProxy, host.Failed, net.ErrClosed)
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-conn.closed:
	case <-ctx.Done():
		_ = conn.Close() // whoever accepted it sees that it ended
	}
	conn.busy.Lock() // until the last Read has returned: c is its owner's again
	defer conn.busy.Unlock()
	return nil
}

// Accept returns the next connection, a [*Conn]. The error is [net.ErrClosed].
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. Connections that were accepted go on.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns the name of the listener, of the network "dwaar".
func (l *Listener) Addr() net.Addr { return l.name }

// addr is the address of a listener.
type addr string

func (addr) Network() string  { return "dwaar" }
func (a addr) String() string { return string(a) }
