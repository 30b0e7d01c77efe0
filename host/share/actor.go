package share

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"dwaar.dev/dwaar/host"
)

// The attributes of a log line.
const (
	keyActor = "actor"
	keyError = "error"
)

// runner is what runs of a value.
type runner struct {
	cancel context.CancelFunc // nil: nothing runs, or it was told to end
	done   chan struct{}      // closed when what ran last has returned; nil: nothing ran yet
}

// run starts the actor of a value unless it runs. One that was told to end ends
// first. The store's mutex is held.
func (e *entry) run(ctx context.Context) {
	a, ok := e.value.(host.Actor)
	if !ok || e.cancel != nil && !ended(e.done) {
		return
	}
	if e.cancel != nil {
		e.cancel() // of an actor that gave up
	}
	before := e.done
	ctx, e.cancel = context.WithCancel(context.WithoutCancel(ctx)) // the actor outlives the lease that happens to begin it
	done := make(chan struct{})
	e.done = done
	go func() {
		defer close(done)
		if before != nil {
			<-before
		}
		act(ctx, a)
	}()
}

func ended(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// retire counts out a configuration that serves no longer, and tells the actor to
// end if that was the last one. It reports whether it did. The store's mutex is held.
func (e *entry) retire() bool {
	if e.live--; e.live > 0 || e.cancel == nil {
		return false
	}
	e.cancel()
	e.cancel = nil
	return true
}

// act runs an actor. One that gives up or panics is logged, and runs again with the
// next configuration.
func act(ctx context.Context, a host.Actor) {
	if err := contain(ctx, a); ctx.Err() == nil {
		host.Log(ctx).Error("an actor ended before its time", slog.String(keyActor, fmt.Sprintf("%T", a)), slog.Any(keyError, err))
	}
}

func contain(ctx context.Context, a host.Actor) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return a.Run(ctx)
}
