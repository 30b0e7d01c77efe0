package engine

import (
	"errors"
	"fmt"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/explain"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/sdk"
)

// The reasons for which a decision cannot be explained.
var (
	errNotKept = errors.New("its first bytes were not kept: write decision_bytes 4KiB into the global options, for connections to come")
	errGone    = errors.New("a reload has replaced the configuration that decided")
)

// Explain says why a decision was made: the matchers are asked again about the bytes that
// were kept, and answer as they did. An error says why that cannot be told.
func (e *Engine) Explain(d *Decision) (*explain.Phase, error) {
	g, err := e.graphOf(d.Generation)
	if err != nil {
		return nil, err
	}
	defer g.Release()
	s := serverOf(g, d.Listener)
	switch {
	case s == nil:
		return nil, errGone
	case len(d.Head) == 0 && d.Bytes > 0:
		return nil, errNotKept
	case len(d.Head) < d.Bytes:
		return nil, fmt.Errorf("of its %d first bytes only %d were kept: write a larger decision_bytes into the global options", d.Bytes, len(d.Head))
	}
	f := sdk.Flow{
		Head: d.Head, Network: "unix", Accepted: d.Time.Add(-d.Took), Listener: d.Listener, MaxHead: s.Limits.MaxHead,
	}
	if d.Client.IsValid() {
		f.Network, f.Remote, f.Local = "tcp", d.Client, d.Local
	}
	x := s.Routes().Explain(&f, known{&f, d.ID}, d.Final != nil)
	p := explain.Outer(&f, &x)
	return &p, nil
}

// known is what every connection knows, of one that was decided before.
type known struct {
	flow *sdk.Flow
	id   uint64
}

// Get implements [sdk.Facts].
func (k known) Get(name string) (string, bool) { return host.FlowFact(k.flow, k.id, name) }

// Set implements [sdk.Facts]. An explanation sets nothing for others.
func (known) Set(string, []byte) {}

// graphOf returns the current graph with a reference for the caller, if it is of that
// generation.
func (e *Engine) graphOf(number uint64) (*graph.Graph, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current == nil || e.current.number != number || !e.current.graph.Retain() {
		return nil, errGone
	}
	return e.current.graph, nil
}

// serverOf returns the server with a listener of that name; nil: there is none.
func serverOf(g *graph.Graph, listener string) *graph.Server {
	for _, s := range g.Servers {
		for i := range s.Listeners {
			if s.Listeners[i].Name == listener {
				return s
			}
		}
	}
	return nil
}
