package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/upstream"
)

// TestSoak runs for RELAY_SOAK, 1 s if that is not set: clients of every kind at once,
// while two configurations take turns, an upstream falls sick now and then, and an
// operator kills. Each stream has its own bytes. Who behaves gets all of his back;
// nobody ever gets another's; and at the end nothing is left.
func TestSoak(t *testing.T) {
	d := time.Second
	if s := os.Getenv("RELAY_SOAK"); s != "" {
		var err error
		if d, err = time.ParseDuration(s); err != nil {
			t.Fatalf("reading RELAY_SOAK: %v", err)
		}
	}
	s := newSoak(t)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var working sync.WaitGroup
	for k := range 24 {
		working.Go(func() { s.clients(ctx, rand.New(rand.NewPCG(uint64(k), uint64(d)))) })
	}
	working.Go(func() { s.operate(ctx) })
	working.Wait()
	s.isOver()
}

// soak is an engine, its upstreams, and what their clients have seen.
type soak struct {
	*fixture
	ups    map[byte]*upstream.Upstream // by the mode of their clients
	at     map[byte]net.Listener
	nobody netip.AddrPort
	path   string // of the listener that comes and goes

	streams, whole, cut, greeted, unserved atomic.Int64
	bytes                                  atomic.Int64
	kills, loads                           int
}

// The modes: what becomes of a client's connection is the first byte that it sends.
const (
	plainly  = 'e' // relayed
	retried  = 'r' // after an attempt that was refused
	headed   = 'p' // behind a header
	waiting  = 'w' // in a goroutine: the attempt has to wait
	blocking = 'b' // in a goroutine: the plan blocks
	byPath   = 'u' // over a Unix socket
	sick     = 's' // to an upstream that falls sick
	reset    = 'x' // to one that resets
	refused  = 'd' // to none
	greeted  = 'g' // to one that speaks first
)

const (
	patientModes = string(plainly) + string(retried) + string(headed) + string(waiting) + string(blocking) + string(byPath) + "BC"
	mortalModes  = string(plainly) + string(sick) + string(sick) + string(reset) + string(refused) + string(headed) + string(waiting) + string(retried)
)

const (
	header   = "HEADER "
	greeting = "220 ready "
)

func newSoak(t *testing.T) *soak {
	f := start(t, nil)
	s := &soak{
		fixture: f, nobody: deaf(t), path: t.TempDir() + "/s",
		ups: map[byte]*upstream.Upstream{}, at: map[byte]net.Listener{},
	}
	f.upstream = s.listen("tcp", "127.0.0.1:0", "")
	s.at[byPath] = s.listen("unix", t.TempDir()+"/u", "")
	s.at[greeted] = s.listen("tcp", "127.0.0.1:0", greeting)
	s.at[reset] = s.listen("tcp", "127.0.0.1:0", "RESET")
	for _, mode := range []byte{plainly, retried, headed, waiting, blocking, byPath, sick, reset, refused, greeted} {
		s.ups[mode] = upstream.New(string(mode), upstream.Options{CloseIfUnhealthy: mode == sick})
	}
	f.plan = s.attempt
	f.load(s.configuration(0))
	return s
}

// listen starts an upstream that greets and echoes, or resets.
func (s *soak) listen(network, addr, hello string) net.Listener {
	ln, err := net.Listen(network, addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.served.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.served.Go(func() { echoAfter(c, hello) })
		}
	})
	return ln
}

func echoAfter(c net.Conn, hello string) {
	defer c.Close()
	if hello == "RESET" {
		_, _ = c.Read(make([]byte, 2))
		_ = c.(*net.TCPConn).SetLinger(0)
		return
	}
	_, _ = io.WriteString(c, hello)
	buf := make([]byte, 8<<10)
	for {
		n, err := c.Read(buf)
		if _, werr := c.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// configuration returns one of two.
func (s *soak) configuration(k int) string {
	routes := "@B first bbbbbbbb\nroute @B {\nrelay\n}\n"
	for mode := range s.ups {
		routes += fmt.Sprintf("@%c first %caaa\nroute @%c {\nproxy\n}\n", mode, mode, mode)
	}
	routes += "route {\nproxy\n}\n"
	text := "layer4 {\n" + anyPort + " {\nmatching_timeout 0\n"
	if k%2 == 1 {
		return text + "@c first cccc\nroute @c {\necho\n}\n" + routes + "}\n}\n"
	}
	return text + routes + "}\nunix/" + s.path + " {\nmatching_timeout 20ms\nmax_matching 4\n" + routes + "}\n}\n"
}

// attempt plans by the mode of a client.
func (s *soak) attempt(c host.View, attempt int, _ error) (upstream.Dial, error) {
	mode := byte(greeted)
	if head := c.Flow().Head; len(head) > 3 && s.ups[head[0]] != nil {
		mode = head[0]
	}
	up := s.ups[mode]
	if mode == blocking && attempt == 0 && !c.Attempts().Again {
		c.Attempts().Again = true
		return upstream.Dial{}, host.ErrBlocks
	}
	if attempt > 0 && mode != retried {
		return upstream.Dial{}, host.Unreached(errors.New("once is enough"))
	}
	trial, ok := up.Acquire(0)
	if !ok {
		return upstream.Dial{}, host.End(host.ByProxy, host.Unavailable, nil)
	}
	d := s.toUpstream()
	d.Up, d.Trial = up, trial
	switch mode {
	case refused:
		d.Addr = s.nobody
	case retried:
		if attempt == 0 {
			d.Addr = s.nobody
		}
	case headed:
		d.First = []byte(header)
	case waiting:
		d.After = time.Millisecond
	case byPath:
		d.Network, d.Path = "unix", s.at[byPath].Addr().String()
	case reset, greeted:
		d.Addr = s.at[mode].Addr().(*net.TCPAddr).AddrPort()
	}
	d.Relay = relay.Options{Linger: time.Second, Idle: limit}
	return d, nil
}

// operate reloads, kills, and has an upstream fall sick.
func (s *soak) operate(ctx context.Context) {
	for ctx.Err() == nil {
		s.loads++
		if err := s.Load(s.t.Context(), s.build(s.configuration(s.loads))); err != nil {
			s.t.Errorf("loading: %v", err)
			return
		}
		s.ups[sick].SetHealthy(s.loads%3 == 0)
		for _, c := range s.Conns() {
			// Whose address is 127.0.0.2 has to expect it.
			if c.Client.Addr() == mortal && c.ID%2 == 0 {
				s.kills++
				s.Kill(c.ID)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	s.ups[sick].SetHealthy(true)
}

var mortal = netip.AddrFrom4([4]byte{127, 0, 0, 2})

func (s *soak) isOver() {
	s.t.Helper()
	s.active(0)
	for mode, up := range s.ups {
		await(s.t, "attempts to be counted out", func() bool { return up.Conns() == 0 })
		if up.State().Conns != 0 {
			s.t.Errorf("upstream %c has %d connections", mode, up.State().Conns)
		}
	}
	for _, ln := range s.at {
		ln.Close()
	}
	is := s.Stats()
	if is.Panics != 0 || is.HeadBytes != 0 || is.Loops.Links+is.Loops.Waiting+is.Loops.Connecting+is.Loops.Kept != 0 {
		s.t.Errorf("%d panics, %d head bytes, loops: %+v", is.Panics, is.HeadBytes, is.Loops)
	}
	if s.whole.Load() == 0 || s.cut.Load() == 0 {
		s.t.Errorf("%d streams were whole and %d cut: it shows nothing", s.whole.Load(), s.cut.Load())
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	s.t.Logf("loops %v: %d streams (%d whole, %d cut, %d greeted, %d not served), %d bytes back, %d loads, %d kills, heap %d KiB, %v",
		inLoops, s.streams.Load(), s.whole.Load(), s.cut.Load(), s.greeted.Load(), s.unserved.Load(), s.bytes.Load(),
		s.loads, s.kills, mem.HeapInuse>>10, codes(is))
}

// visit is one client.
type visit struct {
	*soak
	net.Conn
	rnd    *rand.Rand
	stream []byte // what it sends, if it comes to that
	want   []byte // what comes back, as far as it does
}

func (s *soak) clients(ctx context.Context, rnd *rand.Rand) {
	addr, _ := s.Addr(anyPort)
	for ctx.Err() == nil && !s.t.Failed() {
		s.streams.Add(1)
		switch rnd.IntN(6) {
		case 0:
			s.shortlived(rnd, "unix", s.path, nil)
		case 1:
			s.shortlived(rnd, "tcp", addr.String(), &net.TCPAddr{IP: mortal.AsSlice()})
		default:
			s.patient(rnd, addr.String())
		}
	}
}

// dialed connects and makes up a stream for a mode.
func (s *soak) dialed(rnd *rand.Rand, network, addr string, from net.Addr, mode byte, n int) (*visit, error) {
	c, err := (&net.Dialer{Timeout: limit, LocalAddr: from}).Dial(network, addr)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(limit))
	v := &visit{soak: s, Conn: c, rnd: rnd, stream: []byte(string(mode) + "aaa")}
	switch mode {
	case 'B':
		v.stream = []byte("bbbbbbbb")
	case 'C':
		v.stream = []byte("none of them")
	}
	v.stream = append(v.stream, pattern(rnd, n)...)
	v.want = v.stream
	switch mode {
	case headed:
		v.want = append([]byte(header), v.stream...)
	case 'C':
		v.want = append([]byte(greeting), v.stream...)
	}
	return v, nil
}

// pattern returns bytes that no other stream has in this order: words of its number
// and theirs.
func pattern(rnd *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+8)
	for word := uint64(rnd.Uint32()) << 32; len(b) < n; word++ {
		b = binary.BigEndian.AppendUint64(b, word)
	}
	return b[:n]
}

// size is mostly small; now and then no buffer takes all of it.
func size(rnd *rand.Rand) int {
	if rnd.IntN(30) == 0 {
		return rnd.IntN(8 << 20)
	}
	return rnd.IntN(3000)
}

// patient sends all, says that this was all, and must get all back.
func (s *soak) patient(rnd *rand.Rand, addr string) {
	mode := patientModes[rnd.IntN(len(patientModes))]
	v, err := s.dialed(rnd, "tcp", addr, nil, mode, size(rnd))
	if err != nil {
		s.t.Errorf("connecting: %v", err)
		return
	}
	defer v.Close()
	sent := make(chan error, 1)
	pieces := v.pieces()
	go func() { sent <- v.send(pieces, true) }()
	got, err := v.receive()
	if serr := <-sent; serr != nil || err != nil || got != len(v.want) {
		s.t.Errorf("mode %c: got %d of %d bytes back: %v, %v", mode, got, len(v.want), serr, err)
		return
	}
	s.whole.Add(1)
}

// pieces cuts the stream, at first into small ones.
func (v *visit) pieces() [][]byte {
	var pieces [][]byte
	rest := v.stream
	for range v.rnd.IntN(8) {
		n := min(1+v.rnd.IntN(6), len(rest))
		pieces, rest = append(pieces, rest[:n]), rest[n:]
	}
	return append(pieces, rest)
}

// send writes the pieces, and the end if that is wanted.
func (v *visit) send(pieces [][]byte, all bool) error {
	for _, p := range pieces {
		if _, err := v.Write(p); err != nil {
			return err
		}
		runtime.Gosched()
	}
	if !all {
		return nil
	}
	return v.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// receive reads to the end and compares.
func (v *visit) receive() (got int, err error) {
	buf := make([]byte, 64<<10)
	for {
		n, err := v.Read(buf)
		if got == 0 && n > 0 && v.RemoteAddr().Network() == "unix" && buf[0] == greeting[0] {
			v.want = append([]byte(greeting), v.stream...) // it was too slow there
		}
		if got+n > len(v.want) || !bytes.Equal(buf[:n], v.want[got:got+n]) {
			v.t.Errorf("after %d bytes: %.60q, want %.60q", got, buf[:n], v.want[got:min(got+n, len(v.want))])
			return got, errors.New("another's bytes")
		}
		got += n
		v.bytes.Add(int64(n))
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
	}
}

// shortlived is a client that may be killed and evicted, that resets, leaves, says
// nothing. What it gets must be the beginning of what it is to get.
func (s *soak) shortlived(rnd *rand.Rand, network, addr string, from *net.TCPAddr) {
	mode := mortalModes[rnd.IntN(len(mortalModes))]
	var local net.Addr
	if from != nil {
		local = from
	}
	v, err := s.dialed(rnd, network, addr, local, mode, size(rnd))
	if err != nil {
		s.unserved.Add(1) // that listener comes and goes
		return
	}
	defer v.Close()
	switch how := rnd.IntN(6); how {
	case 0:
		v.silent(network)
	case 1: // it leaves at once, with a reset maybe
		v.leave(v.stream[:rnd.IntN(min(len(v.stream), 6))])
	case 2: // in the middle
		v.leave(v.stream[:rnd.IntN(len(v.stream))])
	case 3: // it says that this was all where it is not known yet where it goes
		_ = v.send([][]byte{v.stream[:rnd.IntN(4)]}, true)
		_, _ = io.Copy(io.Discard, v.Conn)
	default:
		pieces := v.pieces()
		sent := make(chan error, 1)
		go func() { sent <- v.send(pieces, how == 4) }()
		if how == 5 {
			_ = v.SetReadDeadline(time.Now().Add(time.Duration(rnd.IntN(50)) * time.Millisecond))
		}
		_, _ = v.receive()
		v.abort()
		<-sent
	}
	s.cut.Add(1)
}

// silent is for the listener with a timeout: the upstream then speaks first.
func (v *visit) silent(network string) {
	if network != "unix" {
		return
	}
	hello := make([]byte, len(greeting))
	if n, _ := io.ReadFull(v, hello); string(hello[:n]) != greeting[:n] {
		v.t.Errorf("who says nothing hears %q", hello[:n])
	} else if n == len(greeting) {
		v.greeted.Add(1)
	}
}

func (v *visit) leave(after []byte) {
	_ = v.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = v.Write(after)
	if v.rnd.IntN(2) == 0 {
		v.abort()
	}
}

// abort resets where there is a reset.
func (v *visit) abort() {
	if tcp, ok := v.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = v.Close()
}
