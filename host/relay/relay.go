package relay

import (
	"errors"
	"net"
	"strconv"
	"time"
)

// Endpoint is one end of a link. Start takes ownership of its connection: nobody else
// may read, write or close the connection, or set its deadlines, from then on.
type Endpoint struct {
	// Conn is the connection. A *net.TCPConn, a *net.UnixConn and a *Conn are
	// read by system call, without a buffer while they are silent; every other
	// type through its Read. Its optional methods are those of CloseWriter,
	// Resetter and NetConner. A TLS handshake must be complete.
	Conn net.Conn
	// FD is used when Conn is nil: the number of a connected, non-blocking
	// stream socket that no net.Conn and no os.File refers to (Linux only).
	FD int
	// Head is what was read from this end before. The relay writes Head to the other
	// end first. Head must not be changed before Done.
	Head []byte
}

// CloseWriter is implemented by a connection that can end its sending side
// alone, as *net.TCPConn, *net.UnixConn and *tls.Conn do. An end without it
// cannot pass on a half-close; see Options.HalfClose.
type CloseWriter interface{ CloseWrite() error }

// CloseWrite ends the sending side of a connection alone. The error is
// [errors.ErrUnsupported] where the connection is no CloseWriter.
func CloseWrite(conn net.Conn) error {
	if c, ok := conn.(CloseWriter); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Resetter is implemented by a connection that can end abruptly: drop what it
// has not sent, tell the peer that the stream was cut, and close.
type Resetter interface{ Reset() error }

// NetConner is implemented by a connection that wraps another one, as *tls.Conn does.
// The relay follows NetConn down to the socket, to ask what the kernel holds and to
// reset the socket; the relay never reads or writes there.
type NetConner interface{ NetConn() net.Conn }

// ErrPanic is in Result.Err when a method of a connection panicked. The end that was
// read counts as broken; other links go on.
var ErrPanic = errors.New("panic")

// DefaultLinger leaves a slow mobile client the time to fetch what is queued for it, and
// bounds how long a dead client keeps a descriptor.
const DefaultLinger = 10 * time.Second

// Options are the limits of a link, and a function that is told its end. The zero value
// is useful: no limit but Linger.
type Options struct {
	// Idle ends the link when no byte moved either way for so long. A byte
	// that cannot be written does not move. 0 means never.
	Idle time.Duration
	// HalfClose is the limit instead of Idle, where it is shorter, once one
	// end has finished sending. 0 means that Idle is the only one. Where the
	// finish could not be passed on, because an end is no CloseWriter, it is
	// at most Linger: closing that end is then the only way to tell it.
	HalfClose time.Duration
	// Lifetime ends the link so long after Start, whatever moves. 0 means never.
	Lifetime time.Duration
	// Linger is how long the other end may take to receive what a broken end
	// had sent, before it is reset. 0 means DefaultLinger.
	Linger time.Duration
	// Done is called exactly once, after both descriptors are closed and
	// everything about the link is final, from a goroutine of the link. It may
	// be called before Start has returned. nil means nobody is told.
	Done func(Result)
}

// Side names an end of a link, or the relay itself.
type Side uint8

// The sides.
const (
	Self Side = iota // the relay: a limit, or Kill
	Down             // the client
	Up               // the upstream
)

// String returns "relay", "client" or "upstream".
func (s Side) String() string {
	switch s {
	case Self:
		return "relay"
	case Down:
		return "client"
	case Up:
		return "upstream"
	}
	return "side " + strconv.Itoa(int(s))
}

// Reason is why a link ended.
type Reason uint8

// The reasons. The last three are for callers of Kill, who may also use their
// own, from FirstFree on.
const (
	Finished   Reason = iota // both ends finished sending and got everything
	Reset                    // an end was reset by its peer
	Broken                   // an end failed otherwise; see Result.Err
	Idle                     // Options.Idle
	HalfClosed               // Options.HalfClose
	Expired                  // Options.Lifetime
	Drained                  // the program or the listener goes away
	Unhealthy                // the upstream was found unhealthy
	Killed                   // an operator asked for it
	FirstFree  Reason = 64   // the first value that this package will never use
)

// String returns one word for the reason.
func (r Reason) String() string {
	names := [...]string{
		"finished", "reset", "broken", "idle", "half-closed", "expired",
		"drained", "unhealthy", "killed",
	}
	if int(r) < len(names) {
		return names[r]
	}
	return "reason " + strconv.Itoa(int(r))
}

// Result is how a link ended. With HAProxy's words for it: By and Reason give
// the first character of the termination code (C, S: Reset or Broken by Down
// or Up; c, s: Idle or HalfClosed; K, D, L: Kill), UpFinished the second (L
// when the upstream had finished and its last data were on their way, else D).
type Result struct {
	// Up and Down count the bytes written to the upstream and to the client,
	// heads included: those the kernel took, not those a peer has read.
	Up, Down int64
	// By is the end that Reason is about. Finished: the end that finished first.
	// Reset, Broken: the end that was reset or failed. Idle, HalfClosed: the end that
	// did not take its bytes or, half-closed, did not finish; Self when there was
	// neither. Otherwise Self.
	By     Side
	Reason Reason
	// DownFinished and UpFinished report which ends had finished sending in order.
	DownFinished, UpFinished bool
	// Cut reports whether an end that had not broken did not get everything that the
	// other end had sent. Such an end was reset, so that its peer knows.
	Cut bool
	// Err is the error of a Reset or Broken end, else nil.
	Err error
}
