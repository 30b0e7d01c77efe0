package loop

import (
	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

// flags are what is known of one end of a pair.
type flags uint32

// The flags. The first three are edges that the kernel reported and that are not used
// up: the kernel does not report them again.
const (
	readable flags = 1 << iota // receiving may give something
	writable                   // sending may take something
	failed                     // an error was reported; SO_ERROR has not been asked
	wary                       // a short receive need not be the last: the end or a mark may follow
	headed                     // the head of this end is not written yet
	bulk                       // this end sends much at once: splice
	unfit                      // splice must not be used
	gone                       // this end broke: nothing can be written to it
	eof                        // nothing more will be received from this end
	done                       // after eof, everything was written and the other end was told
	orderly                    // this end finished sending in order
	entered                    // registered with the epoll
	spacious                   // registered for EPOLLOUT as well
	tcp                        // known to be a TCP socket, and not another one
	last                       // TCP: FIN has come, and no urgent byte: a short receive is the last
	nagle                      // TCP_NODELAY is still to be set, before the second send
	spoken                     // bytes were sent to this end
	near                       // the address of this end is a loopback one
	hushed                     // acknowledgements to this end are delayed: see withoutAck
)

// end is one socket of a pair, and the bytes that were received from that socket and
// not yet written to the other one: in a pipe, or in a kept buffer.
type end struct {
	fd       int32
	pipe     pipe
	piped    int32 // bytes in the pipe
	keep     int32 // index of the kept buffer; none: there is none
	from, to int32 // the bytes of the kept buffer that are still to be written
	flags    flags
	streak   uint8 // how many receives in a row spoke for a change to or from bulk
}

// newEnd returns an end without a socket.
func newEnd() end { return end{fd: none, pipe: noPipe(), keep: none} }

func (e *end) is(f flags) bool { return e.flags&f != 0 }
func (e *end) set(f flags)     { e.flags |= f }
func (e *end) clear(f flags)   { e.flags &^= f }

// pending reports whether bytes of e wait to be written.
func (e *end) pending() bool { return e.piped > 0 || e.keep != none || e.is(headed) }

// none is no index.
const none = -1

// slot is a pair, or a client that is none yet. A slot holds no pointer: the garbage
// collector does not scan slots, however many there are. Times are nanoseconds of the
// loop's clock.
type slot struct {
	ends  [2]end
	timer timer

	policy relay.Policy // of a pair: what ends it, and why
	until  int64        // of a client: when Events.Due is called or Dial fails; 0: never
	tuneAt int64        // of a pair: when keepalive of the upstream is set; 0: not

	uses     uint32 // how often the slot was given back
	next     int32  // the next free slot
	errno    unix.Errno
	doing    doing // the operation that failed with errno
	live     bool  // the slot is in use
	queued   bool  // on the run list, or among the bulk slots
	flushing bool  // one end broke, the other is getting the last bytes
	checked  bool  // both sockets are known not to block
	panicked bool
	pause    uint8 // how often flush has looked at the send queue
	stage    stage
	to       point // the address that the upstream of a client connects to
}

// stage is what a slot is used for.
type stage uint8

// The stages of a client. A pair of Start's is joined from the beginning.
const (
	joined     stage = iota // bytes are relayed
	held                    // a method of the client's Events is being called
	waiting                 // the client waits for bytes or a time
	connecting              // the client waits for its upstream to stand
)

const (
	chunkBits = 8
	chunkSize = 1 << chunkBits
)

// slab holds the slots of a loop, in chunks that never move. Each slot counts
// its uses, so that an event for an earlier pair is dropped.
type slab struct {
	chunks []*[chunkSize]slot
	links  []*link // by slot
	free   int32   // the first free slot; none: all are in use
	live   int     // slots in use
}

func newSlab() slab { return slab{free: none} }

func (b *slab) at(i int32) *slot { return &b.chunks[i>>chunkBits][i&(chunkSize-1)] }

// take returns a slot and its index. Of an earlier pair only the count
// of uses is left.
func (b *slab) take(l *link) (int32, *slot) {
	if b.free == none {
		b.grow()
	}
	i := b.free
	s := b.at(i)
	b.free = s.next
	*s = slot{uses: s.uses, live: true, timer: timer{level: none}}
	for e := range s.ends {
		s.ends[e] = newEnd()
	}
	b.links[i] = l
	b.live++
	return i, s
}

// grow adds a chunk to the free list.
func (b *slab) grow() {
	first := int32(len(b.chunks)) << chunkBits
	c := new([chunkSize]slot)
	for i := range c {
		c[i].next = first + int32(i) + 1
	}
	c[chunkSize-1].next = none
	b.chunks = append(b.chunks, c)
	b.links = append(b.links, make([]*link, chunkSize)...)
	b.free = first
}

// give takes slot i back.
func (b *slab) give(i int32) {
	s := b.at(i)
	s.uses++
	s.live, s.queued = false, false
	s.next, b.free = b.free, i
	b.links[i] = nil
	b.live--
}

// key is what an event carries: not a descriptor, whose number may belong to another
// connection when the event is looked at.
type key struct {
	place int32 // slot<<1 | end
	uses  uint32
}

// wakePlace is the place in the key of the eventfd. Places of listeners are below.
const wakePlace = none

// wakeKey returns the key of the eventfd.
func wakeKey() key { return key{place: wakePlace} }

// event packs k into the data that the epoll returns.
func (k key) event() unix.EpollEvent {
	return unix.EpollEvent{Fd: int32(k.uses), Pad: k.place}
}

// keyOf unpacks what event has packed.
func keyOf(e *unix.EpollEvent) key { return key{place: e.Pad, uses: uint32(e.Fd)} }

// find returns the slot of k, its index, and which end k is of; nil if that pair is
// gone.
func (b *slab) find(k key) (i int32, e int32, s *slot) {
	i, e = k.place>>1, k.place&1
	if i < 0 || int(i>>chunkBits) >= len(b.chunks) {
		return none, 0, nil
	}
	s = b.at(i)
	if !s.live || s.uses != k.uses {
		return none, 0, nil
	}
	return i, e, s
}
