package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"dwaar.dev/dwaar/host/engine/internal/crowd"
	"dwaar.dev/dwaar/host/engine/internal/listen"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/session"
	"dwaar.dev/dwaar/sdk"
)

// ErrStopping is what Load returns after Shutdown.
var ErrStopping = errors.New("the program is stopping")

// Load serves g from now on, in place of what was served before, or changes
// nothing and returns an error: all that is wrong as [sdk.Errors], each naming its
// listener and position and what to do. ctx bounds the opening of sockets.
//
// Load owns g from the call on and releases it when it is no longer needed, or at
// once if it fails. Connections that were accepted before keep theirs; g gets every
// one that is accepted from now on, also those that waited in the kernel. What
// counted against a cap of a server still does.
func (e *Engine) Load(ctx context.Context, g *graph.Graph) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	plan, err := e.plan(ctx, g)
	if err != nil {
		g.Release()
		e.count.failedLoads.Add(1)
		return err
	}
	old := e.current
	e.current = e.start(g, e.generationNumber())
	e.generations = append(slices.DeleteFunc(e.generations, func(o *generation) bool {
		return o.conns.Load() == 0 && (old == nil || o != old.generation)
	}), e.current.generation)
	e.opener.Engage(plan.ids()) // before anybody accepts there
	e.swap(plan)
	e.state = Serving
	e.count.loads.Add(1)
	if old != nil {
		old.cancel()
	}
	e.retire(plan.leaving)
	e.refuseIdle()
	e.warn(g)
	return nil
}

func (e *Engine) generationNumber() uint64 {
	if e.current == nil {
		return 1
	}
	return e.current.number + 1
}

// plan is what Load will do, with all that can fail done.
type plan struct {
	seats   []seat
	leaving []*socket // that no listener names any more, or that no client can find
}

// seat is a listener with its socket.
type seat struct {
	server   *graph.Server
	listener *graph.Listener
	spec     listen.Spec
	socket   *socket
	fresh    bool // opened for this plan
}

// plan opens the sockets that g names and that are not open yet. If one of them
// fails it closes those it opened. e.mu is held.
func (e *Engine) plan(ctx context.Context, g *graph.Graph) (*plan, error) {
	if e.state == Stopping {
		return nil, ErrStopping
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := new(plan)
	named := map[listen.Spec]bool{}
	for _, server := range g.Servers {
		for i := range server.Listeners {
			at := &server.Listeners[i]
			spec := listen.Spec{Network: at.Network, Addr: at.Addr, Path: at.Path, FD: at.FD}
			p.seats = append(p.seats, seat{server: server, listener: at, spec: spec, socket: e.standing(spec)})
			named[spec] = true
		}
	}
	for spec, s := range e.sockets {
		if !named[spec] || s.ln.Gone() {
			p.leaving = append(p.leaving, s)
		}
	}
	if err := e.open(ctx, p); err != nil {
		p.abandon()
		return nil, err
	}
	return p, nil
}

// open gives every seat a socket, and says of all that cannot have one why.
func (e *Engine) open(ctx context.Context, p *plan) error {
	var leaving []*listen.Socket
	for _, s := range p.leaving {
		leaving = append(leaving, s.ln)
	}
	var errs sdk.Errors
	specs, ids := map[listen.Spec]bool{}, map[uint64]string{}
	for i := range p.seats {
		s := &p.seats[i]
		err := errTwice
		if !specs[s.spec] {
			specs[s.spec] = true
			err = e.occupy(ctx, s, leaving, ids)
		}
		if err != nil {
			errs.Add(s.listener.Pos, fmt.Errorf("listening on %s: %w", s.listener.Name, err))
		}
	}
	if errs == nil {
		return p.grant()
	}
	return errs.Err()
}

var errTwice = errors.New("it is named twice: name it once")

// occupy opens the socket of a seat unless it is open already. ids has the names of
// the sockets so far: two listeners can be one inherited socket, once named by its
// number and once by its address.
func (e *Engine) occupy(ctx context.Context, s *seat, leaving []*listen.Socket, ids map[uint64]string) error {
	if s.socket == nil {
		ln, err := e.opener.Open(ctx, s.spec, listen.Access(s.listener.Access), leaving)
		if err != nil {
			return err
		}
		s.fresh, s.socket = true, newSocket(ln)
	}
	id := s.socket.ln.ID()
	if id == 0 {
		return nil
	}
	if other, ok := ids[id]; ok {
		return fmt.Errorf("it is the same inherited socket as %s: name it once", other)
	}
	ids[id] = s.listener.Name
	return nil
}

func (p *plan) abandon() {
	for _, s := range p.seats {
		if s.fresh {
			s.socket.ln.Close()
		}
	}
}

// swap gives every socket its new target and lets the new ones accept.
func (e *Engine) swap(p *plan) {
	e.whole.SetLevels(levels(e.current.settings))
	e.whole.Limit(crowd.Bytes, clientMemory(e.current.settings))
	caps := e.assignCaps(p)
	for _, s := range p.seats {
		t := &target{gen: e.current, server: s.server, account: &account{
			generation: e.current.generation, caps: caps[s.server], socket: s.socket, listener: s.listener.Name,
			env: e.environment(e.log.With(keyListener, s.listener.Name)),
		}}
		s.socket.aim(t)
		if s.fresh {
			e.sockets[s.spec] = s.socket
			e.attend(s.socket)
		}
	}
	e.own.Store(e.addresses())
}

// environment returns what the sessions of a target have in common.
func (e *Engine) environment(log *slog.Logger) session.Env {
	return session.Env{
		Heads: &e.heads, Log: log, Getenv: e.getenv, Own: e.owns, OwnPath: e.ownsPath, Hops: &e.hops, Start: e.relayer(), Life: e.life,
		Terse: !e.access.Enabled(e.life, slog.LevelInfo),
	}
}

// assignCaps gives every server its counts. They outlive a graph with the server's
// first listener that was there before: what counted against a cap still does.
func (e *Engine) assignCaps(p *plan) map[*graph.Server]*caps {
	of := map[*graph.Server]*caps{}
	taken := map[*caps]bool{}
	for _, s := range p.seats {
		if s.fresh || of[s.server] != nil {
			continue
		}
		if old := s.socket.target.Load().caps; !taken[old] {
			of[s.server], taken[old] = old, true
		}
	}
	for _, s := range p.seats {
		if of[s.server] == nil {
			of[s.server] = newCaps()
		}
		of[s.server].set(s.server.Limits, levels(e.current.settings), e.budget)
	}
	return of
}

// retire ends sockets: what the kernel has accepted for them is still served.
// e.mu is held.
func (e *Engine) retire(sockets []*socket) {
	for _, s := range sockets {
		s.leave()
	}
	for _, s := range sockets {
		<-s.done
		maps.DeleteFunc(e.sockets, func(_ listen.Spec, kept *socket) bool { return kept == s })
	}
	if len(sockets) > 0 {
		e.own.Store(e.addresses())
	}
}

// warn says what will hurt later.
func (e *Engine) warn(g *graph.Graph) {
	sum := 0
	for _, s := range g.Servers {
		sum += s.Limits.MaxConnections
	}
	if sum > e.budget {
		e.log.Warn("max_connections exceeds what the descriptor limit allows: raise the limit (ulimit -n, systemd: LimitNOFILE=)",
			keyConfigured, sum, keyAllowed, e.budget)
	}
}
