package loop

import (
	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/host/relay"
)

// flags are what is known of one end of a pair.
type flags uint32

// The flags. The first three are edges that were reported and not used up: the
// kernel does not report them again.
const (
	readable flags = 1 << iota // receiving may give something
	writable                   // sending may take something
	failed                     // an error was reported; SO_ERROR has not been asked
	wary                       // a short receive is not the last: the end, or a mark, may be behind it
	headed                     // its head is not written yet
	bulk                       // it sends much at once: splice
	unfit                      // splice is not for it
	gone                       // it broke: nothing can be written to it
	eof                        // nothing more will be received from it
	done                       // and all of it is written, and the other end was told
	orderly                    // it ended in order
	entered                    // it is registered with the epoll
	spacious                   // and for EPOLLOUT: sending was refused once
	tcp                        // known to be a TCP socket, and not another one
	last                       // TCP: its FIN has come, and no urgent byte: a short receive is the last
	nagle                      // TCP_NODELAY is still to be set, before the second send
	spoken                     // something was sent to it
	near                       // its address is a loopback one
	hushed                     // it does not acknowledge at once: see withoutAck
)

// end is one socket of a pair, and what was taken from it and not yet written
// to the other one: in a pipe, or in a kept buffer.
type end struct {
	fd       int32
	pipe     pipe
	piped    int32 // bytes in the pipe
	keep     int32 // of keeps; none
	from, to int32 // what of the kept buffer is to be written
	flags    flags
	streak   uint8 // how often in a row its receives spoke for the other way to move bytes
}

// newEnd is no socket yet.
func newEnd() end { return end{fd: none, pipe: noPipe(), keep: none} }

func (e *end) is(f flags) bool { return e.flags&f != 0 }
func (e *end) set(f flags)     { e.flags |= f }
func (e *end) clear(f flags)   { e.flags &^= f }

// pending says whether bytes of e wait to be written.
func (e *end) pending() bool { return e.piped > 0 || e.keep != none || e.is(headed) }

// none is no index.
const none = -1

// slot is a pair. It holds no pointer: the garbage collector does not look at
// slots, however many there are. Times are nanoseconds of the loop's clock.
type slot struct {
	ends  [2]end
	timer timer

	idle, half, life, linger int64 // the Options
	born, moved, lingerAt    int64
	until                    int64 // a client: when the session is due, or its Dial; 0: never
	tuneAt                   int64 // a pair: when the upstream's keepalive is to be set; 0: not

	generation uint32
	next       int32 // the next free slot
	errno      unix.Errno
	doing      doing // what gave errno
	by, first  relay.Side
	reason     relay.Reason
	live       bool
	caused     bool // by, reason, errno, doing are final
	queued     bool // on the run list
	flushing   bool // one end broke, the other is getting the last bytes
	checked    bool // both sockets are known not to block
	panicked   bool
	pause      uint8 // how often the send queue was asked for already
	stage      stage
	to         point // what the upstream of a client is connecting to
}

// stage is what a slot is used for.
type stage uint8

// The stages of a client. A pair of Start's is joined from the beginning.
const (
	joined     stage = iota // bytes are relayed
	held                    // its session is being called
	waiting                 // for bytes or a time
	connecting              // for its upstream to stand
)

const (
	chunkBits = 8
	chunkSize = 1 << chunkBits
)

// slab holds the slots of a loop, in chunks that never move. A slot's
// generation changes when it is given back, so that an event for the pair it
// held before is known as one.
type slab struct {
	chunks []*[chunkSize]slot
	links  []*link // by slot
	free   int32   // the first of the list, or none
	live   int
}

func newSlab() slab { return slab{free: none} }

func (b *slab) at(i int32) *slot { return &b.chunks[i>>chunkBits][i&(chunkSize-1)] }

// take returns a slot of zero value but for its generation.
func (b *slab) take(l *link) (int32, *slot) {
	if b.free == none {
		b.grow()
	}
	i := b.free
	s := b.at(i)
	b.free = s.next
	*s = slot{generation: s.generation, live: true, timer: timer{level: none}}
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
	s.generation++
	s.live, s.queued = false, false
	s.next, b.free = b.free, i
	b.links[i] = nil
	b.live--
}

// key is what an event carries: never a descriptor, whose number may be
// another connection's by then.
type key struct {
	place      int32 // slot<<1 | end
	generation uint32
}

// wakePlace is that of the eventfd, and below it are those of listeners.
const wakePlace = none

// wakeKey is that of the eventfd.
func wakeKey() key { return key{place: wakePlace} }

// event packs k as slot<<32 | generation, where the epoll returns it.
func (k key) event() unix.EpollEvent {
	return unix.EpollEvent{Fd: int32(k.generation), Pad: k.place}
}

// keyOf unpacks it.
func keyOf(e *unix.EpollEvent) key { return key{place: e.Pad, generation: uint32(e.Fd)} }

// find returns the slot that k is of, its index and which end of it; nil if
// that pair is gone.
func (b *slab) find(k key) (i int32, e int32, s *slot) {
	i, e = k.place>>1, k.place&1
	if i < 0 || int(i>>chunkBits) >= len(b.chunks) {
		return none, 0, nil
	}
	s = b.at(i)
	if !s.live || s.generation != k.generation {
		return none, 0, nil
	}
	return i, e, s
}
