package loop

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// mark is the pattern of a stream: word i of stream id says both.
func mark(b []byte, id uint32, from int) {
	for k := range b {
		var w [8]byte
		binary.LittleEndian.PutUint64(w[:], uint64(id)<<32|uint64(from+k)/8)
		b[k] = w[(from+k)%8]
	}
}

// Clients come and go as fast as they can: closed, reset, killed in every stage,
// refused, never connected. Their descriptors are somebody else's at once, and what
// one of them has sent comes back to nobody but him.
func TestNoStreamIsCrossedWhereDescriptorsAreUsedAgain(t *testing.T) {
	t.Parallel()
	const workers, each = 12, 60
	rs := newLoops(t, 2)
	dials := []Dial{
		{Network: "tcp", Addr: echo(t), Timeout: time.Minute},
		{Network: "tcp", Addr: echo(t), Timeout: time.Minute},
		{Network: "tcp", Addr: refusing(t)},
		{Network: "tcp", Addr: deaf(t), Timeout: time.Millisecond},
	}
	var wheres []netip.AddrPort
	links := make(chan *relay.Link, 1<<16) // of all, to be killed by somebody else
	for _, d := range dials {
		wheres = append(wheres, serve(t, rs, &forwarder{
			dial: d, until: 2 * time.Millisecond,
			began: func(c *forwarded) { links <- c.Link() },
		}))
	}
	over := make(chan struct{})
	var killing sync.WaitGroup
	killing.Go(func() {
		rnd := rand.New(rand.NewPCG(1, 2))
		for {
			select {
			case l := <-links:
				if rnd.IntN(3) == 0 {
					l.Kill(relay.Killed)
				}
			case <-over:
				return
			}
		}
	})
	var all sync.WaitGroup
	var seen atomic.Int64
	for worker := range workers {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(worker), 3))
			for i := range each {
				n, err := visit(wheres[rnd.IntN(len(wheres))], rnd, uint32(worker*each+i)+1)
				if err != nil {
					t.Error(err)
				}
				seen.Add(int64(n))
			}
		})
	}
	all.Wait()
	close(over)
	killing.Wait()
	if seen.Load() == 0 {
		t.Error("nothing came back at all")
	}
	for deadline := time.Now().Add(time.Minute); ; {
		st := rs.Stats()
		if st.Links+st.Waiting+st.Connecting == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the loops still hold %+v", st)
		}
		for range len(links) {
			(<-links).Kill(relay.Killed)
		}
	}
}

// visit is one client, and returns how many bytes came back to it. Only a wrong one
// is an error.
func visit(where netip.AddrPort, rnd *rand.Rand, id uint32) (got int, err error) {
	c, err := net.Dial("tcp", where.String())
	if err != nil {
		return 0, nil
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Duration(1+rnd.IntN(40)) * time.Millisecond))
	n := rnd.IntN(3000)
	if rnd.IntN(4) == 0 {
		n = rnd.IntN(300_000)
	}
	var sending sync.WaitGroup
	sending.Go(func() {
		b := make([]byte, n)
		mark(b, id, 0)
		_, _ = c.Write(b)
		switch {
		case n%3 == 0:
			_ = c.(*net.TCPConn).CloseWrite()
		case n%7 == 0:
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}
	})
	defer sending.Wait()
	buf, want := make([]byte, 32<<10), make([]byte, 32<<10)
	for {
		k, err := c.Read(buf)
		mark(want[:k], id, got)
		if string(buf[:k]) != string(want[:k]) {
			return got, fmt.Errorf("stream %d has foreign bytes within %d of offset %d", id, k, got)
		}
		if got += k; got > n {
			return got, fmt.Errorf("stream %d came back longer than it was", id)
		}
		if err != nil {
			return got, nil
		}
	}
}
