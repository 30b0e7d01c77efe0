package relay

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// closable is a slow end that can be half-closed.
type closable struct{ slow }

func (closable) CloseWrite() error { return nil }

// finishing has finished sending when it is read.
type finishing struct{ closable }

func (finishing) Read([]byte) (int, error) { return 0, io.EOF }

// The limit for a link that one end has finished counts from then on, and is met without
// anything else happening.
func TestTheHalfCloseLimitCountsFromTheFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		still := closable{slow{deaf: newDeaf()}}
		done := finishing{closable{slow{deaf: newDeaf()}}}
		r := between(done, still, Options{HalfClose: 5 * time.Second})
		differ(t, "result", Result{By: Up, Reason: HalfClosed, DownFinished: true}, r)
		if after := time.Since(begin); after != 5*time.Second && after != 6*time.Second { // windUp for a deaf end
			t.Errorf("it ended after %v", after)
		}
	})
}

// filling fills whatever it is given to read into.
type filling struct {
	net.Conn
	rooms *[]int
	gives []int
}

func (f *filling) Read(b []byte) (int, error) {
	*f.rooms = append(*f.rooms, len(b))
	n := min(f.gives[0], len(b))
	f.gives = f.gives[1:]
	return n, nil
}

// A connection that fills its buffer gets a larger one, until it does not; it holds none
// after release.
func TestABusyConnectionIsReadInLargeParts(t *testing.T) {
	t.Parallel()
	var rooms []int
	c := connSource{conn: &filling{rooms: &rooms, gives: []int{10, smallSize, bulkSize, smallSize, smallSize - 1, 1}}}
	for range 6 {
		if _, err := c.read(); err != nil {
			t.Fatal(err)
		}
		if (c.small == nil) == (c.bulk == nil) {
			t.Errorf("it holds both buffers or none: %v, %v", c.small != nil, c.bulk != nil)
		}
		c.release()
		if c.small != nil || c.bulk != nil {
			t.Error("it holds a buffer after release")
		}
		c.release()
	}
	differ(t, "sizes", []int{smallSize, smallSize, bulkSize, bulkSize, bulkSize, smallSize}, rooms)
}

func TestEveryReasonAndSideHasAName(t *testing.T) {
	t.Parallel()
	var got []string
	for r := range Killed + 2 {
		got = append(got, r.String())
	}
	for s := range Up + 2 {
		got = append(got, s.String())
	}
	differ(t, "names", []string{
		"finished", "reset", "broken", "idle", "half-closed", "expired", "drained", "unhealthy", "killed", "reason 9",
		"relay", "client", "upstream", "side 3",
	}, got)
}
