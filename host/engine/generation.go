package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/oklog/run"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/graph"
)

// served is a generation with its graph and the graph's actors.
type served struct {
	*generation
	graph    *graph.Graph
	settings graph.Settings
	cancel   context.CancelFunc // of the actors
}

// generation is what the connections of a configuration keep of it when its graph is
// gone.
type generation struct {
	number uint64       // of the Load, from 1
	loaded time.Time    // when Load was called
	keep   int          // first bytes that are kept of each decision
	conns  atomic.Int64 // connections that live
	due    atomic.Int64 // Unix nanoseconds at which the connections have to be gone; 0: never
}

// start runs the actors of g under the engine's life, and releases the reference to g
// that Load was given when they have returned.
func (e *Engine) start(g *graph.Graph, number uint64) *served {
	ctx, cancel := context.WithCancel(host.WithLog(e.life, e.log.With(keyGeneration, number)))
	gen := &served{
		generation: &generation{number: number, loaded: time.Now(), keep: int(g.Settings.DecisionBytes)},
		graph:      g, settings: g.Settings,
		cancel: cancel,
	}
	e.acting.add()
	go gen.run(ctx, e)
	return gen
}

// run runs the actors of a generation as a group. The group ends when ctx does: none
// of its members returns before.
func (gen *served) run(ctx context.Context, e *Engine) {
	defer e.acting.done()
	defer gen.graph.Release()
	var group run.Group
	group.Add(func() error { return e.drainOld(ctx, gen) }, func(error) {})
	for _, a := range gen.graph.Actors() {
		group.Add(func() error { act(ctx, a); return nil }, func(error) {})
	}
	_ = group.Run() // ends when ctx does, with its error
}

// act runs one actor and returns when ctx ends. An actor that returns early, or
// panics, does not end the others.
func act(ctx context.Context, a host.Actor) {
	if err := contain(ctx, a); ctx.Err() == nil {
		host.Log(ctx).Error("an actor ended before its time", keyActor, fmt.Sprintf("%T", a), keyError, err)
	}
	<-ctx.Done()
}

// contain runs an actor and returns a panic as an error.
func contain(ctx context.Context, a host.Actor) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return a.Run(ctx)
}
