package engine

import (
	"fmt"

	"dwaar.dev/dwaar/host/engine/internal/listen"
	"dwaar.dev/dwaar/sdk"
)

// standing returns the open socket of a listener; nil: there is none that clients can
// find, because it has to be opened, or because somebody removed the file of a Unix
// socket. e.mu is held.
func (e *Engine) standing(spec listen.Spec) *socket {
	if s := e.sockets[spec]; s != nil && !s.ln.Gone() {
		return s
	}
	return nil
}

// grant gives the files of Unix sockets that were open already the owners and modes of
// the new configuration: all of them or none.
func (p *plan) grant() error {
	for i, s := range p.seats {
		if s.fresh {
			continue // opening it set both
		}
		if err := s.socket.ln.Grant(listen.Access(s.listener.Access)); err != nil {
			p.takeBack(i)
			return sdk.Errors{sdk.Errorf(s.listener.Pos, "listening on %s: %v", s.listener.Name, err)}
		}
	}
	return nil
}

// takeBack gives the files of the first n seats the owners and modes of the
// configuration that still serves.
func (p *plan) takeBack(n int) {
	for _, s := range p.seats[:n] {
		if s.fresh {
			continue
		}
		if was := s.socket.target.Load().access(); was != nil {
			_ = s.socket.ln.Grant(*was) // worked at the last load
		}
	}
}

// access returns the owner and mode for the file of the target's listener; nil: there is
// no such listener.
func (t *target) access() *listen.Access {
	for i := range t.server.Listeners {
		if l := &t.server.Listeners[i]; l.Name == t.listener {
			a := listen.Access(l.Access)
			return &a
		}
	}
	return nil
}

// ids returns the IDs of a plan's sockets.
func (p *plan) ids() map[uint64]bool {
	ids := map[uint64]bool{}
	for _, s := range p.seats {
		ids[s.socket.ln.ID()] = true
	}
	return ids
}

// refuseIdle refuses the clients of inherited sockets that no listener uses, and says so
// once of each. Closing our descriptor of them would leave the clients waiting, as the
// service manager has one too. e.mu is held.
func (e *Engine) refuseIdle() {
	inUse := map[uint64]bool{}
	for _, s := range e.sockets {
		inUse[s.ln.ID()] = true
	}
	for _, idle := range e.opener.Refuse(inUse) {
		if idle.Addr == nil {
			e.log.Warn("an inherited descriptor is no listening stream socket: it is not used", keyListener, idle.String())
			continue
		}
		e.log.Warn("clients of an inherited socket are refused: no listener uses it", keyListener, fmt.Sprintf("%s on %s", idle, idle.Addr))
	}
}
