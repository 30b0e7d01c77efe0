package names

import (
	"context"
	"net/netip"
	"slices"
)

// load is how many lookups a crowd has.
type load struct{ running, waiting int }

func (l *load) all() int { return l.running + l.waiting }

// crowd returns the load of a crowd. p.mu is held.
func (p *Pool) crowd(of netip.Prefix) *load {
	l := p.crowds[of]
	if l == nil {
		l = new(load)
		p.crowds[of] = l
	}
	return l
}

// tidy forgets a crowd without lookups. p.mu is held.
func (p *Pool) tidy(of netip.Prefix) {
	if l := p.crowds[of]; l != nil && l.all() == 0 {
		delete(p.crowds, of)
	}
}

// join counts a waiter in for the flight of a name, a new one if there is none; nil: there
// are too many. p.mu is held.
func (p *Pool) join(crowd netip.Prefix, name string) *flight {
	f := p.flights[name]
	if f == nil {
		if f = p.enqueue(crowd, name); f == nil {
			p.stats.Rejected++
			return nil
		}
	}
	f.waiters++
	if f.cancel == nil && f.crowd != crowd && p.crowd(crowd).all() < p.crowd(f.crowd).all() {
		before := f.crowd // nobody waits longer because somebody else wants the same
		f.crowd = crowd
		p.crowd(before).waiting--
		p.crowd(crowd).waiting++
		p.tidy(before)
	}
	p.tidy(crowd)
	p.dispatch()
	return f
}

// enqueue returns a new flight, which waits. Where too many wait, the crowd that has most
// of them loses its oldest; nil: that is the same crowd. p.mu is held.
func (p *Pool) enqueue(crowd netip.Prefix, name string) *flight {
	if len(p.queue) >= p.limits.Waiting {
		victim := p.largest()
		if victim == nil || victim.crowd == crowd {
			return nil
		}
		p.drop(victim, ErrBusy)
	}
	f := &flight{name: name, crowd: crowd, begun: make(chan struct{}), done: make(chan struct{})}
	p.flights[name] = f
	p.queue = append(p.queue, f)
	p.crowd(crowd).waiting++
	return f
}

// largest returns the oldest waiting flight of the crowd that has most of them. p.mu is
// held.
func (p *Pool) largest() (of *flight) {
	most := 0
	for _, f := range p.queue {
		if n := p.crowd(f.crowd).waiting; n > most {
			most, of = n, f
		}
	}
	return of
}

// drop ends a flight that has not begun. p.mu is held.
func (p *Pool) drop(f *flight, why error) {
	p.queue = slices.DeleteFunc(p.queue, func(o *flight) bool { return o == f })
	delete(p.flights, f.name)
	p.crowd(f.crowd).waiting--
	p.tidy(f.crowd)
	f.err = why
	close(f.begun)
	close(f.done)
}

// dispatch begins flights while there is room: those of the crowd with the fewest under
// way first, and of equals the oldest. p.mu is held.
func (p *Pool) dispatch() {
	for p.running < p.limits.AtOnce {
		best, least := -1, p.limits.PerCrowd
		for i, f := range p.queue {
			if n := p.crowd(f.crowd).running; n < least {
				best, least = i, n
			}
		}
		if best < 0 {
			return
		}
		p.begin(best)
	}
}

// begin begins a flight of the queue. p.mu is held.
func (p *Pool) begin(i int) {
	f := p.queue[i]
	p.queue = slices.Delete(p.queue, i, i+1)
	l := p.crowd(f.crowd)
	l.waiting--
	l.running++
	p.running++
	var ctx context.Context
	ctx, f.cancel = context.WithTimeout(context.Background(), Timeout)
	close(f.begun)
	go p.run(ctx, f)
}

// end counts out a flight that was under way. p.mu is held.
func (p *Pool) end(f *flight) {
	if p.flights[f.name] == f {
		delete(p.flights, f.name)
	}
	p.crowd(f.crowd).running--
	p.tidy(f.crowd)
	p.running--
	p.dispatch()
}

// leave counts a waiter out. A lookup that nobody waits for ends; whoever asks for the name
// then begins another one. p.mu is held.
func (p *Pool) leave(f *flight) {
	if f.waiters--; f.waiters > 0 || p.flights[f.name] != f {
		return
	}
	if f.cancel == nil {
		p.drop(f, context.Canceled)
		return
	}
	delete(p.flights, f.name)
	f.cancel()
}
