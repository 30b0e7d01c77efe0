package load

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/epoll"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/figures"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/meter"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/wire"
)

// run is a Load that runs. Its parts share a thread, an epoll and a buffer.
type run struct {
	*Load
	poller    *epoll.Poller
	parts     []part
	now       time.Time
	measuring bool
	buffer    []byte
	source    netip.Addr // the next local address
}

// part is one kind of client of a run.
type part interface {
	fill() error                           // opens and sends what is due
	event(slot int32, events uint32) error // one socket is ready
	done() bool                            // everything that Count asked for has ended
	end(*Sample)                           // closes everything and reports
}

const (
	bufferSize = 256 << 10
	sources    = 4 // local addresses, so that ports do not run out
	tick       = 20 * time.Millisecond
	patience   = 3 * time.Second // for an answer
)

// Run plays the clients and returns what they saw. It locks its goroutine to a thread
// meanwhile. An error means that there is nothing to report; what merely fails for one
// connection is counted.
func (l *Load) Run() (Sample, error) {
	if err := l.check(); err != nil {
		return Sample{}, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := epoll.New(256)
	if err != nil {
		return Sample{}, err
	}
	defer p.Close()
	r := &run{Load: l, poller: p, buffer: make([]byte, bufferSize), now: time.Now()}
	// Any of them, so that a run does not meet the ports of the one before.
	r.source = netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + rand.IntN(sources))})
	r.assemble()
	s, err := r.measure()
	for _, part := range r.parts {
		part.end(&s)
	}
	return s, err
}

func (r *run) assemble() {
	if r.Requests != nil { // first: small messages are served before bulk
		r.parts = append(r.parts, &requests{run: r, owner: int32(len(r.parts)), Requests: *r.Requests})
	}
	if r.Short != nil {
		r.parts = append(r.parts, &short{run: r, owner: int32(len(r.parts)), Short: *r.Short})
	}
	if r.Bulk != nil {
		r.parts = append(r.parts, &bulk{run: r, owner: int32(len(r.parts)), Bulk: *r.Bulk})
	}
	if r.Handshakes != nil {
		r.parts = append(r.parts, &handshakes{run: r, Handshakes: *r.Handshakes})
	}
}

// measure runs the parts through warm-up and window, and takes the processor times at
// the edges of the window.
func (r *run) measure() (Sample, error) {
	opens := r.now.Add(r.Warm)
	var edge edges
	for {
		r.now = time.Now()
		if !r.measuring && (r.Count > 0 || !r.now.Before(opens)) {
			if err := edge.take(r.Load); err != nil {
				return Sample{}, err
			}
			r.measuring = true
		}
		if r.measuring && r.over(edge.at) {
			return edge.sample(r.Load)
		}
		if err := r.turn(); err != nil {
			return Sample{}, err
		}
	}
}

// over reports whether the window that opened at a time is over.
func (r *run) over(opened time.Time) bool {
	return r.now.Sub(opened) >= r.Window || r.Count > 0 && r.done()
}

func (r *run) done() bool {
	for _, p := range r.parts {
		if !p.done() {
			return false
		}
	}
	return true
}

// turn lets every part open what is due, and then serves what is ready.
func (r *run) turn() error {
	for _, p := range r.parts {
		if err := p.fill(); err != nil {
			return err
		}
	}
	events := r.poller.Wait(tick)
	if len(events) > 0 {
		r.now = time.Now()
	}
	for owner := range r.parts {
		for _, e := range events {
			if e.Pad != int32(owner) {
				continue
			}
			if err := r.parts[owner].event(e.Fd, e.Events); err != nil {
				return err
			}
		}
	}
	return nil
}

// dial opens a connection, from the next local address.
func (r *run) dial() (int, error) {
	last := r.source.As4()
	last[3] = last[3]%sources + 1
	r.source = netip.AddrFrom4(last)
	return epoll.Dial(r.To, r.source)
}

// edges are the times at the beginning of the window.
type edges struct {
	at             time.Time
	proxy, helpers time.Duration
	busy           time.Duration
}

func (e *edges) take(l *Load) (err error) {
	if e.busy, err = meter.Busy(); err != nil {
		return err
	}
	e.at, e.proxy, e.helpers = time.Now(), meter.CPU(l.Proxy), meter.CPU(append(l.Helpers, os.Getpid()))
	return nil
}

// sample returns what was spent since the beginning.
func (e *edges) sample(l *Load) (Sample, error) {
	var end edges
	if err := end.take(l); err != nil {
		return Sample{}, err
	}
	return Sample{
		Elapsed: end.at.Sub(e.at), Proxy: end.proxy - e.proxy, Helpers: end.helpers - e.helpers, Busy: end.busy - e.busy,
	}, nil
}

// counts is what every part keeps.
type counts struct {
	Tally
	latency figures.Histogram
}

// fail counts a connection that did not do what it should.
func (c *counts) fail(doing string, errno unix.Errno) {
	what := doing + ": end of stream"
	if errno != 0 {
		what = fmt.Sprintf("%s: %v", doing, errno)
	}
	c.add(what)
}

// add counts something that failed.
func (c *counts) add(what string) {
	if c.Errors == nil {
		c.Errors = map[string]int{}
	}
	c.Errors[what]++
}

// check looks at who answered.
func (c *counts) check(expect uint16, answer []byte) {
	if port, ok := wire.Port(answer); ok && expect != 0 && port != expect {
		c.Wrong++
	}
}

func (c *counts) report() *Tally {
	t := c.Tally
	t.P50, t.P99, t.P999 = c.latency.Quantile(0.5), c.latency.Quantile(0.99), c.latency.Quantile(0.999)
	return &t
}
