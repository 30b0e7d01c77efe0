// Package deadline is deadlines for connections that wait by themselves, beside a socket.
//
//	func (c *conn) SetReadDeadline(t time.Time) error {
//		c.reads.Set(t)
//		return nil
//	}
package deadline

import (
	"os"
	"sync"
	"time"
)

// Deadline ends a wait, also if it is set while somebody waits. The zero value is none. Any
// goroutine may call its methods.
type Deadline struct {
	mu     sync.Mutex
	at     time.Time
	change chan struct{} // closed when at changes; nil: nobody waits
}

// Set sets the deadline; the zero time is none.
func (d *Deadline) Set(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = at
	if d.change != nil {
		close(d.change)
		d.change = nil
	}
}

// get returns the deadline, and what is closed when there is another one.
func (d *Deadline) get() (at time.Time, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.change == nil {
		d.change = make(chan struct{})
	}
	return d.at, d.change
}

// Wait waits until a time, or until signal can be received from or is closed, and reports
// whether that ended the wait. The zero time is never. At the deadline, if that comes
// before, the error is [os.ErrDeadlineExceeded].
func (d *Deadline) Wait(until time.Time, signal <-chan struct{}) (signaled bool, err error) {
	for {
		at, changed := d.get()
		end := until
		if !at.IsZero() && (until.IsZero() || at.Before(until)) {
			end, err = at, os.ErrDeadlineExceeded
		}
		var over <-chan time.Time
		if !end.IsZero() {
			left := time.Until(end)
			if left <= 0 {
				return false, err
			}
			over = time.After(left)
		}
		select {
		case <-over:
			return false, err
		case <-signal:
			return true, nil
		case <-changed:
			err = nil
		}
	}
}
