package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/oklog/run"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/graph"
)

// generation is a graph that was loaded, with its actors.
type generation struct {
	*era
	graph    *graph.Graph
	settings graph.Settings
	cancel   context.CancelFunc // of the actors
}

// era is what remains of a generation when its graph is gone: a number that its
// connections carry.
type era struct {
	number uint64
	loaded time.Time
	conns  atomic.Int64
	due    atomic.Int64 // Unix nanoseconds at which its connections have to be gone; 0: never
}

// start runs the actors of g under the engine's life. Its reference to g, the one
// that Load was given, is released when they have left.
func (e *Engine) start(g *graph.Graph, number uint64) *generation {
	ctx, cancel := context.WithCancel(host.WithLog(e.life, e.log.With(keyGeneration, number)))
	gen := &generation{
		era:   &era{number: number, loaded: time.Now()},
		graph: g, settings: g.Settings,
		cancel: cancel,
	}
	e.acting.add()
	go gen.run(ctx, e)
	return gen
}

// run is the group of a generation's actors. The group ends when ctx does: none of
// its members returns before.
func (gen *generation) run(ctx context.Context, e *Engine) {
	defer e.acting.done()
	defer gen.graph.Release()
	var group run.Group
	group.Add(func() error { return e.drainOld(ctx, gen) }, func(error) { gen.cancel() })
	for _, a := range gen.graph.Actors() {
		group.Add(func() error { return act(ctx, a) }, func(error) { gen.cancel() })
	}
	if err := group.Run(); err != nil && !errors.Is(err, context.Canceled) {
		e.log.Error("running what checks and watches", keyGeneration, gen.number, keyError, err)
	}
}

// act runs one actor until ctx ends. An actor that gives up, or panics, does not
// take the others with it.
func act(ctx context.Context, a host.Actor) error {
	if err := contain(ctx, a); ctx.Err() == nil {
		host.Log(ctx).Error("an actor ended before its time", keyActor, fmt.Sprintf("%T", a), keyError, err)
	}
	<-ctx.Done()
	return ctx.Err()
}

func contain(ctx context.Context, a host.Actor) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return a.Run(ctx)
}
