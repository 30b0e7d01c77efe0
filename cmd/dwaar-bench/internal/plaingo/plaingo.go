// Package plaingo is the plainest proxy in Go, what the standard library gives:
// accept, dial, two io.Copy, which splice between TCP sockets. It is the baseline of
// the measurements, not a proxy to use: it has no timeouts and no limits, and urgent
// data defeats its splice.
//
//	l, err := net.Listen("tcp", "127.0.0.1:0")
//	err = plaingo.Serve(l, "127.0.0.1:5432")
package plaingo

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// Serve forwards every connection of l to an upstream until l is closed, and returns
// when the last of them has ended.
func Serve(l net.Listener, upstream string) error {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting: %w", err)
		}
		all.Go(func() { forward(c, upstream) })
	}
}

// forward relays one connection until both sides have finished sending.
func forward(client net.Conn, upstream string) {
	defer client.Close()
	server, err := net.Dial("tcp", upstream)
	if err != nil {
		return
	}
	defer server.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		pump(server, client)
	}()
	pump(client, server)
	<-done
}

// pump copies one direction, and its end.
func pump(to, from net.Conn) {
	_, _ = io.Copy(to, from) // whatever went wrong, the other direction finds out
	if c, ok := to.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
}
