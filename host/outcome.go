package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"dwaar.dev/dwaar/host/upstream"
)

// Party is the one who ended a connection.
type Party uint8

// The parties.
const (
	ByProxy    Party = iota // this program, by its rules
	ByClient                // the client
	ByUpstream              // the upstream
	ByOperator              // the operator: kill, drain, shutdown
)

// Phase is how far a connection had come.
type Phase uint8

// The phases, in the order a connection goes through them.
const (
	InAccept   Phase = iota // caps, before the first byte is looked at
	InMatching              // routes are being tried
	InHandling              // a handler has the connection: a handshake, a header
	InConnect               // no upstream stands yet
	InRelay                 // bytes flow both ways
)

// Why is the reason a connection ended.
type Why uint8

// The reasons.
const (
	Closed      Why = iota // both sides were done
	Reset                  // a reset
	Timeout                // a deadline of this phase
	Idle                   // no byte either way
	HalfClosed             // one side was done and the other one silent
	Lifetime               // max_lifetime
	NoRoute                // no route took it
	Probe                  // the client went away without a byte
	Refused                // no upstream took it
	Unavailable            // every upstream is out
	Cap                    // a cap: connections, bytes, descriptors
	Evicted                // it gave way to others: its crowd held most where a cap was reached
	Protocol               // the bytes broke a protocol a handler speaks
	Killed                 // killed through the control socket
	Drained                // shutdown or reload
	Unhealthy              // the upstream of the connection went down
	NoAddress              // no local address or port was left (EADDRNOTAVAIL)
	Loop                   // it led back to where it had been
	Failed                 // any other error
	Panicked               // a defect in this program
	Denied                 // a deny matched it
	Undecided              // a deny could not be told of it, which counts as a match
)

// How many of each there are.
const (
	parties = int(ByOperator) + 1
	phases  = int(InRelay) + 1
	whys    = int(Undecided) + 1
)

// String returns one word.
func (p Party) String() string {
	return [parties]string{"proxy", "client", "upstream", "operator"}[p]
}

// String returns one word.
func (p Phase) String() string {
	return [phases]string{"accept", "matching", "handling", "connect", "relay"}[p]
}

// String returns one word.
func (w Why) String() string {
	return [whys]string{
		"closed", "reset", "timeout", "idle", "half_closed", "lifetime", "no_route", "probe", "refused",
		"unavailable", "cap", "evicted", "protocol", "killed", "drained", "unhealthy", "no_address", "loop", "failed", "panicked",
		"denied", "undecided",
	}[w]
}

// Code says who ended a connection, in which phase, and why. It is printed as
// "client.relay.closed" and is the label of the termination counters.
type Code struct {
	By  Party
	In  Phase
	Why Why
}

// Codes is how many different codes there are; Index is below it.
const Codes = parties * phases * whys

// Index numbers the codes from 0, for counters.
func (c Code) Index() int {
	return (int(c.By)*phases+int(c.In))*whys + int(c.Why)
}

// CodeAt is the inverse of Index.
func CodeAt(i int) Code {
	w := i % whys
	i /= whys
	return Code{Party(i / phases), Phase(i % phases), Why(w)}
}

// String returns "client.relay.closed".
func (c Code) String() string { return c.By.String() + "." + c.In.String() + "." + c.Why.String() }

// Outcome is how a connection ended.
type Outcome struct {
	Code     Code      // who, in which phase, why
	Err      error     // nil if nothing was wrong
	Up, Down int64     // bytes from the client to the upstream, and back
	Ended    time.Time // when
	Silent   bool      // the client went away and had sent no byte: a port scan, a health check
}

// EndError is an error with the party that ended the connection, and the reason.
type EndError struct {
	By  Party
	Why Why
	Err error // may be nil
}

// End makes an [EndError]. Any other error of a handler is counted as Failed.
func End(by Party, why Why, err error) error { return &EndError{by, why, err} }

// Error returns the reason and the cause.
func (e *EndError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s by %s", e.Why, e.By)
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *EndError) Unwrap() error { return e.Err }

// Unreached returns the [EndError] of a connection whose last attempt to reach an
// upstream failed with err.
func Unreached(err error) error {
	switch {
	case errors.Is(err, ErrLoop):
		return End(ByProxy, Loop, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return End(ByProxy, NoAddress, err)
	case upstream.LocalFault(err):
		return End(ByProxy, Cap, err)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return End(ByUpstream, Timeout, err)
	}
	return End(ByUpstream, Refused, err)
}

// What Peek of a [Conn] returns beside the errors of a read.
var (
	// ErrFull means that the head cannot hold as many bytes.
	ErrFull = errors.New("the head is full")
	// ErrNoMemory means that all connections together hold as much memory as they may,
	// and that no other one has to give way.
	ErrNoMemory = errors.New("client_memory is used up")
)

// ErrLoop is why an attempt was not made: it leads to a listener of this program, and the
// connection has been there.
var ErrLoop = errors.New("it leads back here, where the connection has been: name the real upstream")

// ErrNoRoute is why a connection ended that no route took.
var ErrNoRoute = errors.New("no route took the connection")
