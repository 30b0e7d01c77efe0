package terminate

import (
	"errors"
	"fmt"
)

// What a handshake holds.
const (
	// silentMemory is what it holds before the client has said anything: the stack of its
	// goroutine, and a tls.Conn.
	silentMemory = 16 << 10
	// spokenMemory is what comes to that for an ordinary hello: buffers, and what the
	// answer is made of.
	spokenMemory = 20 << 10
	// ordinary is how long the buffers of an ordinary hello are at most.
	ordinary = 4 << 10
	// perReceived is how many bytes crypto/tls holds for one that it has received of a
	// message that is not complete: its buffer doubles.
	perReceived = 2
	// memoryStep is what is charged at a time.
	memoryStep = 4 << 10
)

// The bounds of what a client sends before its handshake is done: a hello has some two
// kilobytes, a chain of certificates rarely more than ten.
const (
	defaultHandshake = 32 << 10
	defaultMutual    = 128 << 10 // with client_auth
	leastHandshake   = 4 << 10
	mostHandshake    = 1 << 20
)

// errHandshakeSize is why a handshake ends whose client has sent more than it may.
var errHandshakeSize = errors.New("the client sent too much before its handshake was done")

// account charges a client for an unfinished handshake.
type account struct {
	charge   func(n int) error // of the host.Conn
	most     int               // bytes that the client may send
	received int
	room     int // the largest buffer that was read into: crypto/tls makes it as long as a record is said to be
	charged  int
}

// hold charges for a handshake that is about to read into a buffer of that size.
func (a *account) hold(room int) error {
	a.room = max(a.room, room)
	want := silentMemory + max(a.room-ordinary, 0) + perReceived*max(a.received-ordinary, 0)
	if a.received > 0 {
		want += spokenMemory
	}
	if want <= a.charged {
		return nil
	}
	more := (want - a.charged + memoryStep - 1) / memoryStep * memoryStep
	if err := a.charge(more); err != nil {
		return err
	}
	a.charged += more
	return nil
}

// receive counts bytes that the client has sent, within their bound.
func (a *account) receive(n int) error {
	if a.received += n; a.received > a.most {
		return fmt.Errorf("%w: %d bytes and more; max_handshake allows %d", errHandshakeSize, a.received, a.most)
	}
	return nil
}

// close gives everything back.
func (a *account) close() {
	_ = a.charge(-a.charged) // giving back does not fail
	a.charged = 0
}
