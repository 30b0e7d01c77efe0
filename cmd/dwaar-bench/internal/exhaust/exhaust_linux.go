// Package exhaust attacks a dwaar from one address, in one phase of a connection after the
// other, and says how many clients of other addresses are served meanwhile.
//
//	for _, p := range exhaust.Phases() {
//		row, err := exhaust.Run(ctx, exhaust.Options{Binary: "bin/dwaar", Cert: files}, p)
//	}
//
// The attacker keeps as many connections open as dwaar's descriptors allow, and a tenth
// more, and opens a new one for each that ends. Nothing here tells how fast anything is.
package exhaust

import (
	"context"
	"fmt"
	"os"
	"time"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/cert"
)

// Name is the server name of the certificate, and of the route that hellos take.
const Name = "app.example.com"

// Options are what is attacked, and how long everything waits.
type Options struct {
	Binary   string        // the dwaar
	Args     []string      // of serve, beside the configuration
	Cert     cert.Files    // of its port that terminates TLS
	Scale    int           // by how much less than everything: 10 attacks a tenth of the descriptors; 0: 1
	Others   int           // clients of other addresses, one after the other; 0: 200
	Patience time.Duration // how long one of them waits for its answer, and dwaar may take to start; 0: 10 s
}

// Phase is one attack.
type Phase struct {
	Name string // on the command line
	Doc  string // what the attacker sends
	// descriptors is the limit of dwaar, conns what the attacker holds.
	descriptors, conns int
	attack             func(*target) (payload []byte, answered bool)
	other              func(context.Context, *target, string) error
	addr               func(*target) string
}

// Row is what came of an attack.
type Row struct {
	Held   int   // connections that the attacker had open at once at most
	Opened int64 // in all
	Sent   int64 // bytes that the attacker sent
	Served int   // of Others: had their answer
	Others int   // clients of other addresses
	Memory int64 // the most that dwaar had resident, bytes
}

// Share is how many of the others were served, from 0 to 1.
func (r Row) Share() float64 { return float64(r.Served) / float64(r.Others) }

// String is the row as cells of a table.
func (r Row) String() string {
	return fmt.Sprintf("%d | %d | %.1f MB | %.1f %% | %d MB",
		r.Held, r.Opened, float64(r.Sent)/1e6, 100*r.Share(), r.Memory>>20)
}

// What the attacks of all phases but the first need.
const (
	fewer = 10_200 // descriptors: 5,000 connections
	more  = 20_000 // 9,900, of which 4,950 may be undecided
)

// Phases are the attacks.
func Phases() []Phase {
	plain := func(t *target) string { return t.plain }
	secure := func(t *target) string { return t.secure }
	return []Phase{
		{
			"fragments", "47 bytes of a hello that announces 15,900", more, 4900,
			func(t *target) ([]byte, bool) { return t.fragment, false }, greet, plain,
		},
		{
			"silent", "connections that say nothing", fewer, 5500,
			func(*target) ([]byte, bool) { return nil, false }, greet, plain,
		},
		{
			"handshakes", "a hello of 30 kB to a terminated port, but for its last byte", fewer, 5500,
			func(t *target) ([]byte, bool) { return t.large, false }, secureGreet, secure,
		},
		{
			"hellos", "the same with 60 kB", fewer, 5500,
			func(t *target) ([]byte, bool) { return t.huge, false }, secureGreet, secure,
		},
		{
			"connects", "a route to an upstream that answers no SYN", fewer, 5500,
			func(*target) ([]byte, bool) { return []byte("DEAD"), false }, greet, plain,
		},
		{
			"relays", "one message and its answer, and then nothing", fewer, 5500,
			func(*target) ([]byte, bool) { return []byte("GOOD"), true }, greet, plain,
		},
	}
}

// Run attacks one dwaar in one phase.
func Run(ctx context.Context, o Options, p Phase) (row Row, err error) {
	o.Scale, o.Others = max(o.Scale, 1), orElse(o.Others, 200)
	o.Patience = orElse(o.Patience, 10*time.Second)
	dir, err := os.MkdirTemp("", "dwaar-exhaust-")
	if err != nil {
		return row, err
	}
	defer os.RemoveAll(dir)
	t, err := start(ctx, dir, &o, p.limit(o.Scale))
	if err != nil {
		return row, fmt.Errorf("starting %s: %w", o.Binary, err)
	}
	defer t.stop()
	a := t.begin(ctx, &p, p.conns/o.Scale)
	defer a.end()
	if err := a.ready(ctx, t); err != nil {
		return row, fmt.Errorf("attacking: %w", err)
	}
	row.Others = o.Others
	for i := range o.Others {
		if ctx.Err() != nil {
			return row, ctx.Err()
		}
		one, cancel := context.WithTimeout(ctx, o.Patience)
		if p.other(one, t, fmt.Sprintf("127.0.0.%d", 2+i%20)) == nil {
			row.Served++
		}
		cancel()
		row.Memory = max(row.Memory, t.resident())
	}
	row.Held, row.Opened, row.Sent = int(a.most.Load()), a.opened.Load(), a.sent.Load()
	return row, nil
}

// limit returns the descriptors of a dwaar that is attacked by so much less.
func (p *Phase) limit(scale int) int {
	const kept = 200 // by dwaar for itself
	return kept + (p.descriptors-kept)/scale
}

func orElse[T int | time.Duration](v, other T) T {
	if v == 0 {
		return other
	}
	return v
}
