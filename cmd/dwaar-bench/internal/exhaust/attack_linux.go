package exhaust

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// attacker is one address.
const attacker = "127.0.0.1"

// attack is connections of one address, each of which is opened again when it ends.
type attack struct {
	cancel context.CancelFunc
	all    sync.WaitGroup
	conns  int64

	open, most, opened, sent atomic.Int64
	tried                    atomic.Int64 // connections that stand or were turned away
}

// begin attacks until end is called.
func (t *target) begin(ctx context.Context, p *Phase, conns int) *attack {
	ctx, cancel := context.WithCancel(ctx)
	a := &attack{cancel: cancel, conns: int64(conns)}
	payload, answered := p.attack(t)
	for range conns {
		a.all.Go(func() {
			for first := true; ctx.Err() == nil; first = false {
				a.one(ctx, p.addr(t), payload, answered, first)
				select { // so that an attacker who is turned away does not only connect
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}
	return a
}

// one is a connection of the attacker, until it ends.
func (a *attack) one(ctx context.Context, to string, payload []byte, answered, first bool) {
	try := sync.OnceFunc(func() {
		if first {
			a.tried.Add(1)
		}
	})
	defer try()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(attacker)}, Timeout: 30 * time.Second}
	c, err := d.DialContext(ctx, "tcp", to)
	if err != nil {
		return
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	a.opened.Add(1)
	n, err := c.Write(payload)
	a.sent.Add(int64(n))
	if err != nil {
		return
	}
	if answered {
		if _, err := io.ReadFull(c, make([]byte, len(payload))); err != nil {
			return
		}
	}
	now := a.open.Add(1)
	defer a.open.Add(-1)
	for was := a.most.Load(); now > was && !a.most.CompareAndSwap(was, now); was = a.most.Load() {
	}
	try()
	_, _ = io.Copy(io.Discard, c) // says nothing more, until dwaar or end ends it
}

// ready waits until every connection was tried once, so that there is no room left that
// the attacker could have.
func (a *attack) ready(ctx context.Context, t *target) error {
	for a.tried.Load() < a.conns {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.done:
			return io.ErrUnexpectedEOF // dwaar has ended
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

func (a *attack) end() {
	a.cancel()
	a.all.Wait()
}
