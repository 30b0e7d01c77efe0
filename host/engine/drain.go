package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"dwaar.dev/dwaar/host"
)

// windUp is how long killed connections may take to end. A relay closes its sockets
// within a second; the context of a handler that waits for a dial or a handshake ends.
const windUp = 5 * time.Second

// Run serves until ctx ends or Shutdown is called, and then drains: it is an actor
// of a run.Group whose interrupt cancels ctx. It returns when Shutdown does.
func (e *Engine) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-e.over:
		return nil
	}
	return e.Shutdown(context.WithoutCancel(ctx))
}

// Drain accepts no more connections until the next Load, and waits until none is left
// or ctx ends. Connections are not ended; those that the kernel has queued are still
// served.
func (e *Engine) Drain(ctx context.Context) error {
	e.mu.Lock()
	if e.state == Serving {
		e.state = Draining
	}
	e.silence()
	if e.state == Draining {
		e.refuseIdle()
	}
	e.mu.Unlock()
	select {
	case <-e.live.zero():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for %d connections: %w", e.live.count(), ctx.Err())
	}
}

// silence ends all sockets. e.mu is held.
func (e *Engine) silence() { e.retire(slices.Collect(maps.Values(e.sockets))) }

// Shutdown ends everything: it accepts no more connections, waits for those that
// live as long as grace_period says, and ends what is left. A second call, or the
// end of ctx, cuts the waiting short; all calls return when the first one is done.
// The error says what would not end.
func (e *Engine) Shutdown(ctx context.Context) error {
	if !e.beginStopping() {
		<-e.over
		return nil
	}
	defer close(e.over)
	e.mu.Lock()
	e.silence()
	e.opener.Rest() // who connects now is for the program that the service manager starts next
	grace := e.settings().GracePeriod
	e.mu.Unlock()
	e.wait(ctx, grace)
	err := e.killAll()
	e.end()
	e.shortage.close()
	e.turned.close()
	return errors.Join(err, e.acted())
}

// acted waits until the actors of all generations have returned.
func (e *Engine) acted() error {
	timer := time.NewTimer(windUp)
	defer timer.Stop()
	select {
	case <-e.acting.zero():
		return nil
	case <-timer.C:
		return fmt.Errorf("stopping: what checks and watches for %d configurations goes on", e.acting.count())
	}
}

// beginStopping reports whether the caller is the first. Later callers cut short what
// the first one waits for.
func (e *Engine) beginStopping() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state != Stopping {
		e.state = Stopping
		return true
	}
	select {
	case <-e.hurry:
	default:
		close(e.hurry)
	}
	return false
}

// wait returns when no connection is left, when grace is over, when ctx ends, or at a
// second Shutdown.
func (e *Engine) wait(ctx context.Context, grace time.Duration) {
	if n := e.live.count(); n > 0 {
		e.log.Info("waiting for connections to end", keyConnections, n, keyGrace, grace)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-e.live.zero():
	case <-timer.C:
	case <-e.hurry:
	case <-ctx.Done():
	}
}

// killAll kills the connections that are left and waits for their ends.
func (e *Engine) killAll() error {
	all := e.table.all()
	if len(all) == 0 {
		return nil
	}
	e.log.Warn("ending connections that did not end by themselves", keyConnections, len(all))
	for _, x := range all {
		x.Kill(host.ByOperator, host.Drained)
	}
	e.end() // for handlers that wait for something else than their client
	timer := time.NewTimer(windUp)
	defer timer.Stop()
	select {
	case <-e.live.zero():
		return nil
	case <-timer.C:
		return fmt.Errorf("ending connections: %d are still there", e.live.count())
	}
}

// drainStep is how often connections of replaced configurations are ended: seldom
// enough to cost nothing, often enough to spread them.
const drainStep = 100 * time.Millisecond

// drainOld ends the connections of the generations before gen, oldest first, evenly
// spread over reload_drain. It returns when ctx ends. A deadline that an earlier
// configuration has set stays.
func (e *Engine) drainOld(ctx context.Context, gen *served) error {
	if d := gen.settings.ReloadDrain; d > 0 {
		e.setDue(gen, gen.loaded.Add(d))
	}
	ticks := time.NewTicker(drainStep)
	defer ticks.Stop()
	for e.drainSome(gen, time.Now()) {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

// setDue sets when the connections of the generations before gen have to be gone.
func (e *Engine) setDue(gen *served, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, o := range e.generations {
		if o.number < gen.number {
			o.due.CompareAndSwap(0, at.UnixNano())
		}
	}
}

// drainSome ends as many connections of older generations as are due at now, so that
// the others can be ended at the same pace. It reports whether any have to go.
func (e *Engine) drainSome(gen *served, now time.Time) (more bool) {
	byGeneration := map[*generation][]*conn{}
	for _, x := range e.table.all() {
		if x.generation.number < gen.number && x.generation.due.Load() != 0 {
			byGeneration[x.generation] = append(byGeneration[x.generation], x)
		}
	}
	for o, xs := range byGeneration {
		slices.SortFunc(xs, func(a, b *conn) int { return cmp.Compare(a.ID(), b.ID()) })
		for _, x := range xs[:dueNow(len(xs), time.Unix(0, o.due.Load()).Sub(now))] {
			x.Kill(host.ByOperator, host.Drained)
		}
	}
	return len(byGeneration) > 0
}

// dueNow returns how many of n connections are ended in this step, if all have to be
// gone after left.
func dueNow(n int, left time.Duration) int {
	steps := max(int(left/drainStep)+1, 1)
	return (n + steps - 1) / steps
}
