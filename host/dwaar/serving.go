package dwaar

import (
	"context"
	"errors"
	"net/netip"
	"sync"

	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/loop"
)

// serving is the engine with its event loops. This file is all that knows it.
type serving struct {
	engine *engine.Engine
	loops  *loop.Loops // nil: goroutines do their work
	once   sync.Once   // for the end of the loops
}

func newServing(o Options) (*serving, error) {
	with := engine.Options{Log: o.Log, Getenv: func(name string) string {
		v, _ := o.Env(name)
		return v
	}}
	if o.Loops > 0 {
		loops, err := loop.New(o.Loops)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return nil, err
		}
		with.Loops = loops
	}
	return &serving{engine: engine.New(with), loops: with.Loops}, nil
}

func (s *serving) load(ctx context.Context, g *graph.Graph) error { return s.engine.Load(ctx, g) }

func (s *serving) addr(listener string) (netip.AddrPort, bool) { return s.engine.Addr(listener) }

func (s *serving) run(ctx context.Context) error { return s.engine.Run(ctx) }

// close ends what is left at once. The loops end behind the connections in them.
func (s *serving) close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := s.engine.Shutdown(ctx)
	s.once.Do(func() {
		if s.loops != nil {
			s.loops.Close()
		}
	})
	return err
}
