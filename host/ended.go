package host

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// failed says how a connection ended whose handlers returned err.
func (c *Conn) failed(err error) Outcome {
	o := Outcome{Err: err, Ended: time.Now(), Code: Code{In: c.life.record.Phase}}
	var end *EndError
	switch killed := c.life.killed.Load(); {
	case killed != nil:
		o.Code.By, o.Code.Why = killed.By, killed.Why
	case err == nil:
		o.Code.Why = Closed
	case errors.As(err, &end):
		o.Code.By, o.Code.Why = end.By, end.Why
		if err == error(end) && end.Err == nil {
			o.Err = nil // the code says it all
		}
	case errors.Is(err, ErrNoRoute):
		o.Code.Why = NoRoute
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		o.Code.By, o.Code.Why = ByClient, Timeout
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		o.Code.By, o.Code.Why = ByClient, Reset
	default:
		o.Code.Why = Failed
	}
	return o
}

// relayed says how a connection ended that a relay had.
func (c *Conn) relayed(r relay.Result) Outcome {
	o := Outcome{Err: r.Err, Up: c.life.fromClient(r.Up), Down: r.Down, Ended: time.Now(), Code: Code{In: InRelay}}
	switch r.By {
	case relay.Down:
		o.Code.By = ByClient
	case relay.Up:
		o.Code.By = ByUpstream
	}
	// Kill may have closed the socket under the relay that was just beginning.
	if killed := c.life.killed.Load(); killed != nil && r.Reason != relay.Finished {
		o.Code.By, o.Code.Why = killed.By, killed.Why
		return o
	}
	o.Code.Why = relayWhy(r.Reason)
	return o
}

// relayWhy translates what a relay says of itself.
func relayWhy(r relay.Reason) Why {
	switch r {
	case relay.Finished:
		return Closed
	case relay.Reset:
		return Reset
	case relay.Idle:
		return Idle
	case relay.HalfClosed:
		return HalfClosed
	case relay.Expired:
		return Lifetime
	case relay.Drained:
		return Drained
	case relay.Unhealthy:
		return Unhealthy
	case relay.Killed:
		return Killed
	}
	return Failed
}

func relayReason(w Why) relay.Reason {
	switch w {
	case Drained:
		return relay.Drained
	case Unhealthy:
		return relay.Unhealthy
	}
	return relay.Killed
}
