package upstream

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// Attempts is what a planner remembers of a connection from one attempt to the next.
// By is the planner that wrote it: another planner begins with the zero value.
type Attempts struct {
	By    any       // the planner, a pointer; nil: none yet
	Began time.Time // when the first attempt began, where the planner needs that
	Tried [4]uint64 // the upstreams that were tried, a set of their numbers
	At    int       // the number of the current upstream
	Again bool      // the next attempt is for the current upstream again
	Blind bool      // upstreams without the result of a check are tried as well
	Addr  int       // how many addresses of the current answer were tried
	Start uint32    // the index of the address that was tried first

	Addrs *[]netip.Addr // the answer for the current upstream's name; nil: none yet
	Spent *[]netip.Addr // the answer before that, whose addresses were tried in vain; nil: none
}

// Course is the attempts to reach an upstream, one after the other until one stands.
// It counts each attempt out exactly once. The zero value is ready.
//
//	Begin ─▶ under way ─┬─ Stood
//	  ▲                 ├─ Failed ─▶ the planner is asked again, with Last
//	  └─────────────────┤
//	                    └─ Drop
type Course struct {
	Last  error // of the latest attempt that failed; nil: none did
	Tries int32 // attempts that were begun

	// Check is asked before Reach makes an attempt, and may have it followed or refused:
	// an error is that of the attempt. nil: nobody is asked.
	Check func(context.Context, *Dial) error

	dial     Dial
	underWay bool
}

// Plan returns the next attempt. last is the error of the one before, nil at first.
type Plan func(ctx context.Context, last error) (Dial, error)

// Hold keeps an attempt that was planned and not begun: Reach, in another goroutine,
// begins with it.
func (k *Course) Hold(d *Dial) { k.dial, k.underWay = *d, true }

// Begin notes that an attempt is made now, and returns the course's own copy of it,
// valid until Failed or Drop.
func (k *Course) Begin(d *Dial) *Dial {
	k.dial, k.underWay = *d, true
	k.Tries++
	return &k.dial
}

// UnderWay returns the attempt that is held or being made; nil: there is none.
func (k *Course) UnderWay() *Dial {
	if !k.underWay {
		return nil
	}
	return &k.dial
}

// Stood counts the attempt under way as a success and returns it. Its Hop is told by the
// caller when the connection has ended.
func (k *Course) Stood(log *slog.Logger) *Dial {
	k.dial.stood(log)
	k.underWay = false
	return &k.dial
}

// Failed counts the attempt under way as failed with err.
func (k *Course) Failed(log *slog.Logger, err error) {
	k.dial.over()
	k.dial.Failed(log, err)
	k.dial, k.underWay = Dial{}, false
	k.Last = err
}

// Drop counts the attempt under way out, if there is one, as one that proves nothing of
// its upstream.
func (k *Course) Drop() {
	if k.underWay {
		k.dial.over()
		k.dial.Dropped()
		k.dial, k.underWay = Dial{}, false
	}
}

// Reach makes the attempts that plan returns, in the calling goroutine, until one
// stands. It returns the connection, which the caller closes, and the attempt. It
// begins with the attempt that is held, if there is one. The error is that of plan or
// of ctx.
func (k *Course) Reach(ctx context.Context, log *slog.Logger, plan Plan) (net.Conn, *Dial, error) {
	for {
		if ctx.Err() != nil {
			k.Drop()
			return nil, nil, ctx.Err()
		}
		if !k.underWay {
			d, err := plan(ctx, k.Last)
			if err != nil {
				return nil, nil, err
			}
			k.Hold(&d)
		}
		conn, err := k.attempt(ctx)
		switch {
		case err == nil:
			return conn, k.Stood(log), nil
		case ctx.Err() != nil:
			k.Drop()
			return nil, nil, ctx.Err()
		}
		k.Failed(log, err)
	}
}

// attempt makes the attempt that is held.
func (k *Course) attempt(ctx context.Context) (net.Conn, error) {
	if err := Pause(ctx, k.dial.After); err != nil {
		return nil, err
	}
	if k.Check != nil {
		if err := k.Check(ctx, &k.dial); err != nil {
			return nil, err
		}
	}
	k.Tries++
	conn, err := k.dial.Connect(ctx)
	if err != nil || k.dial.Secure == nil {
		return conn, err
	}
	return k.dial.Secure(ctx, conn)
}

// Pause returns after d, or with the error of ctx when that is done before.
func Pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
