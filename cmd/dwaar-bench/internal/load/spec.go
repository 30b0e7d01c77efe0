// Package load plays the clients of a measurement: it opens connections to a proxy on
// this machine and counts what comes back, on one thread, for a fixed time.
//
//	l := load.Load{To: addr, Window: time.Second, Short: &load.Short{InFlight: 32, First: first, Answer: 64}}
//	sample, err := l.Run()
//
// Everything is bounded: the time, the connections, and the address, which must be
// of 127.0.0.0/8.
package load

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Load is what clients do at the same time. At least one of its parts is set. It
// travels to the process that runs it as JSON.
type Load struct {
	To      netip.AddrPort `json:"to"`                // the proxy
	Warm    time.Duration  `json:"warm,omitempty"`    // runs so long before anything counts
	Window  time.Duration  `json:"window"`            // what counts, or with Count the limit
	Count   int            `json:"count,omitempty"`   // ends after so many connections or requests, all of which count
	Expect  uint16         `json:"expect,omitempty"`  // the upstream's port, if a wrong one shall be noticed
	Proxy   []int          `json:"proxy,omitempty"`   // processes whose CPU time is taken
	Helpers []int          `json:"helpers,omitempty"` // and those of the measurement itself, beside this one

	// The parts.
	Short      *Short      `json:"short,omitempty"`
	Requests   *Requests   `json:"requests,omitempty"`
	Bulk       *Bulk       `json:"bulk,omitempty"`
	Handshakes *Handshakes `json:"handshakes,omitempty"`
}

// Short opens connections that send once, take the answer and the end of the stream,
// and close.
type Short struct {
	InFlight int    `json:"in_flight"`
	First    []byte `json:"first"`  // all that is sent
	Answer   int    `json:"answer"` // bytes expected
}

// Requests keeps connections on which one request at a time is under way.
type Requests struct {
	Conns   int    `json:"conns"`
	First   []byte `json:"first"`   // sent once, before the first request
	Request int    `json:"request"` // bytes
	Answer  int    `json:"answer"`  // bytes
}

// Bulk keeps connections that send and take as fast as they can.
type Bulk struct {
	Conns int    `json:"conns"`
	First []byte `json:"first"`
	Up    bool   `json:"up"`              // sends
	Chunk int    `json:"chunk,omitempty"` // bytes moved at once, at most; 0: as many as are fast
}

// Handshakes opens TLS connections one after another, whoever terminates them, and
// closes them after the handshake.
type Handshakes struct {
	To       netip.AddrPort `json:"to"`
	InFlight int            `json:"in_flight"`
	Name     string         `json:"name"` // the server's name
}

// Sample is what a run counted.
type Sample struct {
	Elapsed time.Duration `json:"elapsed"` // length of the window
	Proxy   time.Duration `json:"proxy"`   // CPU time of Load.Proxy
	Helpers time.Duration `json:"helpers"` // CPU time of the measurement: Load.Helpers and this process
	Busy    time.Duration `json:"busy"`    // CPU time of the machine, in ticks of 10 ms

	// The parts that Load has.
	Short      *Tally `json:"short,omitempty"`
	Requests   *Tally `json:"requests,omitempty"`
	Bulk       *Tally `json:"bulk,omitempty"`
	Handshakes *Tally `json:"handshakes,omitempty"`
}

// Tally is what one part of a load counted.
type Tally struct {
	Done   int            `json:"done"`             // connections, requests or handshakes
	Bytes  int64          `json:"bytes,omitempty"`  // of Bulk, both directions
	Wrong  int            `json:"wrong,omitempty"`  // answers from another upstream than expected
	Errors map[string]int `json:"errors,omitempty"` // what failed, by how
	// Waiting is how many requests had waited longer at the end than the slowest that was
	// answered. Quantiles count them.
	Waiting int `json:"waiting,omitempty"`
	// Quantiles of how long it took: from connecting to the first byte of the answer, from
	// a request to its answer, from connecting to the end of the handshake.
	P50  time.Duration `json:"p50,omitempty"`
	P99  time.Duration `json:"p99,omitempty"`
	P999 time.Duration `json:"p999,omitempty"`
}

// Limits of a load: a typing error shall not take the machine down.
const (
	maxWindow = time.Minute
	maxConns  = 10_000
)

// ErrLoad is the error of a Load that is not run.
var ErrLoad = errors.New("a load needs a loopback address, a part, at most a minute and 10,000 connections")

// check refuses what is not bounded or not on loopback.
func (l *Load) check() error {
	to := []netip.AddrPort{l.To}
	if l.Handshakes != nil {
		to = append(to, l.Handshakes.To)
	}
	for _, addr := range to {
		if !addr.Addr().Is4() || !addr.Addr().IsLoopback() {
			return fmt.Errorf("checking %v: %w", addr, ErrLoad)
		}
	}
	if n := l.conns(); n < 1 || n > maxConns || l.Window <= 0 || l.Warm+l.Window > maxWindow {
		return ErrLoad
	}
	return nil
}

// conns returns how many connections are open at once.
func (l *Load) conns() int {
	n := 0
	if l.Short != nil {
		n += l.Short.InFlight
	}
	if l.Requests != nil {
		n += l.Requests.Conns
	}
	if l.Bulk != nil {
		n += l.Bulk.Conns
	}
	if l.Handshakes != nil {
		n += l.Handshakes.InFlight
	}
	return n
}
