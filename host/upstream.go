package host

import "sync/atomic"

// Upstream is one place connections are sent to. It is shared by every graph that
// names it and lives as long as one of them, or a connection, holds it.
type Upstream struct {
	Name string // as configured, "10.0.0.1:443"

	conns atomic.Int64
}

// Begin counts a connection in and returns how many there are now.
func (u *Upstream) Begin() int64 { return u.conns.Add(1) }

// End counts a connection out.
func (u *Upstream) End() { u.conns.Add(-1) }

// Conns returns how many connections are open.
func (u *Upstream) Conns() int64 { return u.conns.Load() }

// Held says whether a connection still holds the upstream.
func (u *Upstream) Held() bool { return u.Conns() > 0 }
