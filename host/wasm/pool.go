package wasm

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// pool holds the instances of a module that nobody uses. Taking one blocks on no
// lock. There are as many places as goroutines can run, and two more for those that
// were interrupted in the middle; each P has a place of its own that it tries first,
// so that an instance stays in the caches of one core.
type pool struct {
	create func() (*instance, error)
	empty  func() // called once, when the pool was closed and the last instance is gone

	places []place
	hints  sync.Pool // of *uint32: indices of places, one a P. Losing one loses nothing.
	starts []uint32
	next   atomic.Uint32

	// refs counts the instances there are, and one for the pool while it is open.
	refs atomic.Int32
	shut atomic.Bool
}

// place is alone on its cache line.
type place struct {
	instance atomic.Pointer[instance]
	_        [56]byte
}

func newPool(create func() (*instance, error), empty func()) *pool {
	n := runtime.GOMAXPROCS(0) + 2
	p := &pool{create: create, empty: empty, places: make([]place, n), starts: make([]uint32, n)}
	for i := range p.starts {
		p.starts[i] = uint32(i)
	}
	p.hints.New = func() any { return &p.starts[int(p.next.Add(1)-1)%n] }
	p.refs.Store(1)
	return p
}

// first returns the place that this goroutine's P tries first.
func (p *pool) first() int {
	hint := p.hints.Get().(*uint32)
	first := *hint
	p.hints.Put(hint)
	return int(first)
}

// get returns an instance for the caller alone: a free one, else a new one. If all
// that may exist are in use, it yields until one of them is free: whoever has one
// does nothing but compute, within its fuel.
func (p *pool) get() (*instance, error) {
	for first := p.first(); ; runtime.Gosched() {
		if in := p.take(first); in != nil {
			return in, nil
		}
		grown, closed := p.count()
		switch {
		case closed:
			return nil, &Error{Kind: Closed, Text: "the plugin is not loaded any more"}
		case grown:
			in, err := p.create()
			if err != nil {
				p.uncount()
			}
			return in, err
		}
	}
}

// take takes the first free instance from a place on.
func (p *pool) take(first int) *instance {
	for i := range p.places {
		place := &p.places[(first+i)%len(p.places)].instance
		if in := place.Load(); in != nil && place.CompareAndSwap(in, nil) {
			return in
		}
	}
	return nil
}

// count counts an instance in that is about to be made, if there may be one more.
func (p *pool) count() (grown, closed bool) {
	for {
		n := p.refs.Load()
		switch {
		case n == 0 || p.shut.Load():
			return false, true
		case int(n) > len(p.places):
			return false, false
		case p.refs.CompareAndSwap(n, n+1):
			return true, false
		}
	}
}

func (p *pool) uncount() {
	if p.refs.Add(-1) == 0 {
		p.empty()
	}
}

// put gives an instance back. There is a place for each that exists.
func (p *pool) put(in *instance) {
	first := p.first()
	for i := 0; ; i++ {
		if p.places[(first+i)%len(p.places)].instance.CompareAndSwap(nil, in) {
			break
		}
	}
	if p.shut.Load() {
		p.drain()
	}
}

// close ends all instances, those in use as soon as they are given back.
func (p *pool) close() {
	if p.shut.Swap(true) {
		return
	}
	p.drain()
	p.uncount()
}

func (p *pool) drain() {
	for in := p.take(0); in != nil; in = p.take(0) {
		in.close()
		p.uncount()
	}
}

// adopt takes in an instance that was not made by the pool.
func (p *pool) adopt(in *instance) {
	p.refs.Add(1)
	p.put(in)
}
