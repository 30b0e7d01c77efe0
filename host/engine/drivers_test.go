package engine_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/closer"
	"dwaar.dev/dwaar/builtin/proxyprotocol"
	"dwaar.dev/dwaar/builtin/subroute"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/upstream"
)

// script is what a client does: it sends pieces, hears so much, and ends.
type script struct {
	pieces []string
	hears  int    // bytes that are waited for before the end
	end    string // "fin", "close", "reset", or "wait" for the other side
}

// scripts are many clients: every way to be routed, cut at every byte or at random.
func scripts(r *rand.Rand) []script {
	var all []script
	add := func(text string, hears int, end string) {
		all = append(all, script{[]string{text}, hears, end})
		var pieces []string
		for rest := text; rest != ""; {
			n := 1 + r.IntN(len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		all = append(all, script{pieces, hears, end})
	}
	for _, word := range []string{"aaa", "bbb", "ccc", "ddd", "eee"} {
		for _, end := range []string{"fin", "close", "reset"} {
			text := word + "-some-more-bytes"
			hears := len(text)
			if word == "ccc" {
				hears += len("PROXY ")
			}
			add(text, hears, end)
		}
	}
	for _, header := range []string{"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n", "PROXY UNKNOWN\r\n", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x01x"} {
		for _, end := range []string{"fin", "close", "reset"} {
			add(header+"aaa behind a header", len("aaa behind a header"), end)
			add(header+"eee to a handler", len("eee to a handler"), end)
			add(header+"sss in a subroute", len("sss in a subroute"), end)
		}
		add(header, 0, "fin")
		add(header, 0, "wait")       // nothing behind it until the deadline
		add(header+"a", 0, "wait")   // undecided until the deadline
		add(header+"a", 0, "fin")    // undecided until the end
		add(header+"hhh", 0, "wait") // denied
		add(header+"rrr", 0, "wait") // denied with a reset
		add(header+"scc", 0, "wait") // closed
		add(header+"scr", 0, "wait") // reset
		add(header+"srr", 0, "wait") // denied with a reset in the subroute
		add(header+"sxx", 0, "wait") // no route of the subroute, and none behind it
		add(header+"sx", 0, "fin")   // undecided there
		add(header+"ppp", 0, "wait") // a handler with a defect
		add(header+"zzz", 0, "wait") // no route
	}
	add("PROXY TCP4 nonsense\r\n", 0, "wait")
	add("PROXY TCP4 ", 0, "wait") // not the whole header until the deadline
	add("PROXY TCP4 ", 0, "fin")
	add("PROXX", 0, "wait")
	add("zzz", 0, "wait")                 // no route
	add("aa", 0, "wait")                  // undecided until the deadline
	add("aa", 0, "fin")                   // undecided until the end
	add("fff", 0, "wait")                 // a planner that has nowhere to go
	add("ggg", 0, "wait")                 // an upstream that refuses
	add("ppp", 0, "wait")                 // a handler with a defect
	add("hhh", 0, "wait")                 // denied
	add("hh", 0, "wait")                  // a deny is undecided until the deadline
	add("hh", 0, "fin")                   // a deny is undecided until the end
	add("rrr", 0, "wait")                 // denied with a reset
	add("rr", 0, "fin")                   // the same, undecided
	all = append(all, script{end: "fin"}) // not a byte
	return all
}

// run has a client do it and returns what it heard.
func (s script) run(f *fixture) string {
	c := f.dial()
	defer c.Close()
	_ = c.Conn.(*net.TCPConn).SetNoDelay(true)
	for _, p := range s.pieces {
		if _, err := io.WriteString(c, p); err != nil {
			return err.Error()
		}
	}
	heard := make([]byte, s.hears)
	n, _ := io.ReadFull(c, heard)
	switch s.end {
	case "fin":
		_ = c.Conn.(*net.TCPConn).CloseWrite()
	case "reset":
		c.resets()
		return string(heard[:n])
	case "close":
		return string(heard[:n])
	}
	rest, err := io.ReadAll(c)
	if errors.Is(err, syscall.ECONNRESET) {
		return string(heard[:n]) + string(rest) + " and a reset"
	}
	return string(heard[:n]) + string(rest)
}

// plans are those of the routes: by the first byte of the head.
func (f *fixture) plans(nobody netip.AddrPort) {
	f.plan = func(v host.View, attempt int, last error) (upstream.Dial, error) {
		d := f.toUpstream()
		switch head := v.Flow().Head; {
		case head[0] == 'b' && attempt == 0: // the first one refuses
			d.Addr = nobody
		case head[0] == 'c':
			d.First = []byte("PROXY ")
		case head[0] == 'd' && attempt == 0:
			return d, host.ErrBlocks
		case head[0] == 'f':
			return d, host.End(host.ByProxy, host.Unavailable, nil)
		case head[0] == 'g' && last != nil:
			return d, host.Unreached(last)
		case head[0] == 'g':
			d.Addr = nobody
		}
		return d, nil
	}
}

func TestBothDriversDoTheSameWithTheSameClients(t *testing.T) {
	if !inLoops {
		return // the other run of TestMain compares
	}
	nobody := deaf(t)
	all := scripts(rand.New(rand.NewPCG(7, 7)))
	outcomes := func(change func(*engine.Options)) []string {
		f := start(t, change)
		f.echoes()
		f.plans(nobody)
		f.registry.Handler(proxyprotocol.Spec(), proxyprotocol.New)
		f.registry.Handler(subroute.Spec(), subroute.New)
		f.registry.Handler(closer.Spec(), closer.New)
		lines := []string{
			"matching_timeout 200ms", "route {", "proxy_protocol {", "timeout 200ms", "}", "}",
			"@s first s", "route @s {", "subroute {", "matching_timeout 200ms", "@c first scc", "route @c {", "close", "}",
			"@cr first scr", "route @cr {", "close reset", "}", "@r first srr", "deny @r reset", "@ss first sss", "route @ss {", "proxy", "}", "}", "}",
			"@hhh first hhh", "deny @hhh", "@rrr first rrr", "deny @rrr reset",
		}
		for _, word := range []string{"aaa", "bbb", "ccc", "ddd", "fff", "ggg"} {
			lines = append(lines, "@"+word+" first "+word, "route @"+word+" {", "proxy", "}")
		}
		lines = append(lines, "@eee first eee", "route @eee {", "relay", "}", "@ppp first ppp", "route @ppp {", "panic", "}")
		f.load(serve(lines...))
		var got []string
		for i, s := range all {
			heard := s.run(f)
			await(t, "the line of the connection", func() bool { return len(f.lines("connection")) == i+1 })
			line := f.lines("connection")[i]
			for _, key := range []string{"time", "conn", "client", "matching", "connect", "total", "level", "listener", "error", "upstream"} {
				delete(line, key)
			}
			if facts, ok := line["facts"].(map[string]any); ok {
				delete(facts, "conn.peer_addr") // with a port of its own
			}
			got = append(got, fmt.Sprintf("%q then %s: heard %q, %v", s.pieces, s.end, heard, line))
		}
		return got
	}
	looped := outcomes(nil)
	single := outcomes(func(o *engine.Options) { o.Loops = nil })
	if diff := cmp.Diff(single, looped); diff != "" {
		t.Errorf("(-in a goroutine +in a loop):\n%s", diff)
	}
	if len(slices.Compact(slices.Sorted(slices.Values(looped)))) < 20 {
		t.Errorf("the clients hardly differ:\n%q", looped)
	}
}
